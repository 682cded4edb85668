"""What a call knows of its two sockets."""

from __future__ import annotations

from typing import Protocol


class Leg(Protocol):
    """An open text socket. What arrives on it goes to the callback it was given, a message at a time."""

    @property
    def buffered_bytes(self) -> int:
        """Accepted by `send` and not yet handed to the network."""
        ...

    @property
    def dropped(self) -> int:
        """Messages that `send` gave up: the peer does not read, or is gone."""
        ...

    @property
    def malformed(self) -> int:
        """Messages of the peer that were no text of a sensible size, and were not handed on."""
        ...

    def send(self, text: str) -> None:
        """Never waits, never raises."""
        ...

    def close(self, code: int = 1000) -> None:
        """Begin to close; whoever reads learns of the end as of any other."""
        ...
