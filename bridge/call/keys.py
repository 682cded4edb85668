"""Keys that the caller presses, collected until they are one entry: 4 2 # is said to the model once."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

MASK = "•"
"""Stands for each key of a secret."""


class Keys(Struct, kw_only=True, forbid_unknown_fields=True):
    """How keys that the caller presses are collected, before the model is told of them."""

    terminator: Annotated[
        Literal["#", "*"] | None, Meta(description="Ends an entry at once; `null`: no key does.")
    ] = "#"
    max_length: Annotated[
        int,
        Meta(ge=1, le=64, description="So many keys are an entry: 1 for menus. The terminator counts, too."),
    ] = 32
    timeout_seconds: Annotated[
        float, Meta(ge=0.5, le=30, description="An entry has ended when no key follows for so long.")
    ] = 2.0
    secret: Annotated[
        bool, Meta(description="Only the model gets the keys; transcripts and events show `•` for each.")
    ] = False


class KeyEntry:
    """What is being entered. Times are monotonic seconds."""

    def __init__(self, how: Keys) -> None:
        self._how = how
        self._pressed = ""
        self.deadline: float | None = None
        """When `end` is due; None: nothing is being entered."""

    @property
    def begun(self) -> bool:
        return bool(self._pressed)

    def press(self, key: str, now: float) -> str | None:
        """Returns the entry, if this key ends it."""
        self._pressed += key
        if key == self._how.terminator or len(self._pressed) >= self._how.max_length:
            return self.end()
        self.deadline = now + self._how.timeout_seconds
        return None

    def end(self) -> str | None:
        """What was entered so far, as an entry of its own; None: nothing."""
        entry, self._pressed, self.deadline = self._pressed, "", None
        return entry or None


def told(entry: str) -> str:
    """To the model."""
    return f"The caller pressed {' '.join(entry)}"


def written(entry: str, *, secret: bool) -> str:
    """Into the transcript."""
    return f"[pressed {' '.join(MASK * len(entry) if secret else entry)}]"
