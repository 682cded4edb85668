"""What must be heard to its end: a greeting, an announcement, a message. Callers are heard all the same."""

from __future__ import annotations


class Protection:
    """From when it is wanted until it has been heard the caller's speech does not interrupt the agent's."""

    def __init__(self, *, greeting: bool) -> None:
        """`greeting`: the first words of the call, whichever they are."""
        self.greeting = greeting
        """They are still to be heard."""
        self._awaited: dict[str, float] = {}
        """By when each must have begun, by purpose."""
        self._begun: set[str] = set()

    @property
    def active(self) -> bool:
        return self.greeting or bool(self._awaited)

    def begin(self, purpose: str, *, by: float) -> None:
        """These words are asked for. Should they not have begun `by` then, nothing is protected any more."""
        self._awaited[purpose] = by

    def speaking(self, purpose: str | None) -> None:
        """A response has begun, for this purpose."""
        if purpose in self._awaited:
            self._begun.add(purpose)

    def is_over(self, now: float, *, greeted: bool, quiet: bool) -> bool:
        """True once, when all of it has been heard. `quiet`: nothing is being made, played or cut."""
        if not self.active or not quiet:
            return False
        self.greeting = self.greeting and not greeted
        for purpose, by in list(self._awaited.items()):
            if purpose in self._begun or now >= by:
                del self._awaited[purpose]
                self._begun.discard(purpose)
        return not self.active
