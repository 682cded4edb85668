"""What a session of the pretend model does wrong when it is asked to, beyond what happens to its socket."""

from __future__ import annotations

from collections import deque
from typing import Literal, get_args

from simulator.model.reply import Hush, Reply, Stall

SessionFault = Literal["stall", "no_response", "empty_response", "silence", "expire"]
"""`stall`: the response that runs, else the next one, never ends. `no_response`: the next turn is not
answered. `empty_response`: it is answered with nothing. `silence`: with silence. `expire`: the session's time
is up.
"""
SESSION_FAULTS: tuple[SessionFault, ...] = get_args(SessionFault)
SILENCE_MS = 6_000

_INSTEAD: dict[str, Reply] = {
    "stall": (Stall(),),
    "empty_response": (),
    "silence": (Hush(SILENCE_MS),),
}


class Troubles:
    """Those that are still to come, one a turn."""

    def __init__(self) -> None:
        self._due: deque[SessionFault] = deque()

    def add(self, fault: SessionFault) -> None:
        self._due.append(fault)

    def swallow_turn(self) -> bool:
        """True: this turn gets no response."""
        if self._due and self._due[0] == "no_response":
            self._due.popleft()
            return True
        return False

    def instead_of(self, reply: Reply) -> Reply:
        """What is answered: `reply`, as long as nothing is wrong."""
        if self._due and self._due[0] in _INSTEAD:
            return _INSTEAD[self._due.popleft()]
        return reply
