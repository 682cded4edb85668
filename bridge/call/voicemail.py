"""Who has answered a call that the agent placed, from two witnesses, and what is done with machines.

Twilio listens to how it sounds, the agent to what it says. Twilio hears the beep; the agent understands
"please leave a message" where Twilio took the machine for a person.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Literal

from bridge.call.agent import Voicemail
from bridge.call.limits import CallLimits

ANSWERED_BY = frozenset(
    {
        "human",
        "machine_start",
        "machine_end_beep",
        "machine_end_silence",
        "machine_end_other",
        "fax",
        "unknown",
    }
)
"""Twilio's words: https://www.twilio.com/docs/voice/answering-machine-detection"""
READY_TO_RECORD = frozenset({"machine_end_beep", "machine_end_silence", "machine_end_other"})

MESSAGE = "message"
"""The purpose of the response that leaves it."""
CARRY_ON = "It is noted. Go on talking."

Witness = Literal["twilio", "agent"]


class Act(Enum):
    NOTHING = auto()
    WAIT = auto()
    """For the beep, in silence."""
    LEAVE_MESSAGE = auto()
    HANG_UP = auto()


class Answering:
    """Without a policy nothing is ever done; what Twilio says is still known."""

    def __init__(self, policy: Voicemail | None, limits: CallLimits) -> None:
        self.answered_by: str | None = None
        """In Twilio's words, whoever found out."""
        self.by: Witness | None = None
        self.waiting = False
        """For the beep: nothing is to be said meanwhile."""
        self._policy = None if policy is None else policy.on_machine
        self._limits = limits
        self._heard_from_twilio = False
        self._reported_at: float | None = None
        self._done = False
        self._speaking = False
        self._quiet_since: float | None = None

    def twilio_says(self, answered_by: str) -> Act:
        """Its first verdict counts; an agent that heard a machine is not contradicted by `human`."""
        if self._heard_from_twilio or answered_by not in ANSWERED_BY:
            return Act.NOTHING
        self._heard_from_twilio = True
        if self._reported_at is None or answered_by not in ("human", "unknown"):
            self.answered_by, self.by = answered_by, "twilio"
        if answered_by in ("human", "unknown"):
            return Act.NOTHING
        return self._act(ready=answered_by in READY_TO_RECORD, fax=answered_by == "fax")

    def agent_reports(self, now: float) -> Act:
        """The agent has understood that it talks to a machine."""
        if self._reported_at is not None:
            return Act.NOTHING
        self._reported_at = now
        if self.answered_by in (None, "human", "unknown"):
            self.answered_by, self.by = "machine_start", "agent"
        return self._act(ready=False, fax=False)

    def _act(self, *, ready: bool, fax: bool) -> Act:
        if self._done or self._policy in (None, "carry_on"):
            return Act.NOTHING
        if self._policy == "leave_message" and not ready and not fax:
            self.waiting = True
            return Act.WAIT
        self.waiting, self._done = False, True
        return Act.HANG_UP if self._policy == "hang_up" or fax else Act.LEAVE_MESSAGE

    # Where no beep is told of

    def machine_speaks(self) -> None:
        self._speaking = True

    def machine_pauses(self, now: float) -> None:
        self._speaking, self._quiet_since = False, now

    def due_at(self) -> float | None:
        """When the message is left though nobody has told of a beep; None: there is none to leave.

        Twilio may still tell of one, so silence lasts longer before it counts."""
        if not self.waiting:
            return None
        since = self._reported_at if self._reported_at is not None else self._quiet_since
        if since is None:
            return None
        latest = since + self._limits.beep
        if self._speaking:
            return latest
        silent = self._limits.silence_of_machine
        silent = silent if self._heard_from_twilio else 2 * silent
        return min(latest, max(since, self._quiet_since or since) + silent)

    def no_beep_came(self) -> Act:
        """`due_at` has passed."""
        return self._act(ready=True, fax=False)
