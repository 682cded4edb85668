"""Faults injected into live simulated calls, and what the callers heard of them: `make chaos`."""
