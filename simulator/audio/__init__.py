"""Sound as numbers: mu-law, voices, the watermark, recordings."""
