"""People with phones: what they do and say, what they heard."""
