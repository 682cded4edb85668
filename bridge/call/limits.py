"""How long a call waits for things, in seconds."""

from __future__ import annotations

from msgspec import Struct


class CallLimits(Struct, frozen=True):
    session_ready: float = 8.0
    """From opening the model's socket to a configured session."""
    farewell_begins: float = 8.0
    """For the model to begin its closing words."""
    farewell: float = 30.0
    """For closing words in all."""
    filler: float = 1.0
    """Of silence while a tool runs; then its `say_while_running` is said."""
    last_mark: float = 2.0
    """Beyond the length of the audio that is still to be played."""
    last_words: float = 2.0
    """For the transcription of what the caller said last, after hanging up."""
    beep: float = 30.0
    """For a mailbox that the agent has recognised to beep; then the message is left all the same."""
    silence_of_machine: float = 2.0
    """Of a mailbox that has spoken; then it is taken to record."""
    protected: float = 60.0
    """For words that must be heard to their end to be begun; then callers may interrupt again."""
    message: float = 180.0
    """For a message to be left in all."""


LIMITS = CallLimits()
