"""What takes a call off its course: the caller is put through, an operator has something to say, a machine
has answered."""

from __future__ import annotations

from bridge.call.agent import AgentConfig
from bridge.call.clock import CallClock
from bridge.call.closing import PUTTING_THROUGH, Closing
from bridge.call.commands import CheckTransfer, Command
from bridge.call.conversation import Conversation
from bridge.call.course import Course
from bridge.call.ending import EndReason
from bridge.call.engine import ToolCalled
from bridge.call.events import Event, MachineDetected, SayRequested, TransferChecked, TransferRequested
from bridge.call.limits import CallLimits
from bridge.call.protection import Protection
from bridge.call.sessions import Sessions
from bridge.call.transfer import Transferring, destination_in
from bridge.call.voicemail import CARRY_ON, MESSAGE, Act, Answering


class Diversions:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(
        self,
        agent: AgentConfig,
        model: Sessions,
        talk: Conversation,
        protection: Protection,
        clock: CallClock,
        out: list[Command],
        limits: CallLimits,
        course: Course,
    ) -> None:
        self.answering = Answering(agent.voicemail, limits)
        self._message = agent.voicemail.message if agent.voicemail else None
        self._model = model
        self._talk = talk
        self._protection = protection
        self._clock = clock
        self._out = out
        self._limits = limits
        self._course = course
        self._transferring: Transferring | None = None
        self._to_say: dict[str, SayRequested] = {}
        """What operators want said and the model has not begun to say, by purpose."""
        self._says = 0

    def take_in(self, event: Event) -> None:
        match event:
            case TransferRequested():
                self._transfer(event.destination)
            case TransferChecked():
                self._transfer_checked(event)
            case SayRequested():
                self._says += 1
                self._to_say[f"say {self._says}"] = event
                self._say(f"say {self._says}", event)
            case MachineDetected():
                self._answered(self.answering.twilio_says(event.answered_by))
            case _:
                pass

    def tool_called(self, event: ToolCalled) -> None:
        """`transfer_call` or `report_voicemail`."""
        if event.name == "transfer_call":
            self._transfer(destination_in(event.arguments), event.tool_call_id)
            return
        act = self.answering.agent_reports(self._clock.now)
        self._answered(act)
        if act is Act.NOTHING:
            self._model.send(self._model.engine.tool_returned(event.tool_call_id, CARRY_ON))
            self._model.send(self._model.engine.speak(None, purpose="tools"))

    # Words that operators want said, or that must be heard

    def session_ready(self) -> None:
        """A session has the call: what was asked of the one before is asked of it."""
        for purpose, wanted in self._to_say.items():
            self._say(purpose, wanted)

    def response_started(self, purpose: str | None) -> None:
        self._protection.speaking(purpose)
        self._to_say.pop(purpose or "", None)

    def is_out_of_place(self, purpose: str | None) -> bool:
        """A mailbox is told the message, and nothing else."""
        closing = self._course.closing
        leaving = closing is not None and closing.reason is EndReason.VOICEMAIL
        return (self.answering.waiting or leaving) and purpose != MESSAGE

    def _say(self, purpose: str, wanted: SayRequested) -> None:
        """While the call is ending nothing is said any more."""
        if not self._model.ready or self._course.closing is not None:
            return
        if wanted.interrupt:
            self._cut()
        if not wanted.interruptible:
            self._protect(purpose)
        self._model.send(self._model.engine.speak(wanted.text, purpose=purpose))

    def _cut(self) -> None:
        self._talk.interrupt()
        self._model.send(self._model.engine.stop_speaking())

    def _protect(self, purpose: str) -> None:
        self._protection.begin(purpose, by=self._clock.now + self._limits.protected)
        self._model.send(self._model.engine.forbid_interruption())

    # Somebody else takes over

    def _transfer(self, destination: str, tool_call_id: str | None = None) -> None:
        """First it is asked whether it may be done."""
        if self._transferring is None and self._course.closing is None:
            self._transferring = Transferring(destination, tool_call_id)
            self._out.append(CheckTransfer(destination))

    def _transfer_checked(self, event: TransferChecked) -> None:
        wanted, self._transferring = self._transferring, None
        if wanted is None or self._course.closing is not None:
            return
        if event.refused is not None:
            self._talk.record("call.transfer_failed", destination=wanted.destination, status="refused")
            if wanted.tool_call_id is not None:
                self._model.send(self._model.engine.tool_returned(wanted.tool_call_id, event.refused))
                self._model.send(self._model.engine.speak(None, purpose="tools"))
            return
        self._talk.record("call.transferring", destination=wanted.destination)
        self._protect("farewell")
        spoken = (wanted.tool_call_id is not None and self._talk.spoke_last) or not self._model.ready
        if spoken:
            self._protection.speaking("farewell")
        else:
            words = PUTTING_THROUGH.format(name=wanted.destination)
            self._model.send(self._model.engine.speak(words, purpose="farewell"))
        until = self._clock.now + (self._limits.farewell if spoken else self._limits.farewell_begins)
        self._course.close(Closing(EndReason.TRANSFERRED, until, spoken, transfer_to=wanted.destination))

    # A machine has answered

    def no_beep_came(self) -> None:
        self._answered(self.answering.no_beep_came())

    def _answered(self, act: Act) -> None:
        """It is known now, or known better, who has answered."""
        who = self.answering.answered_by
        if who is not None and who != self._talk.totals.answered_by:
            self._talk.totals.answered_by = who
            self._talk.record("call.answered_by", answered_by=who, by=self.answering.by)
            self._out.append(self._talk.totals.now())
        if act is Act.NOTHING or self._course.closing is not None:
            return
        if act is Act.WAIT:
            self._cut()
        elif act is Act.LEAVE_MESSAGE and self._message is not None and self._model.ready:
            self._leave(self._message)
        else:
            self._course.end(EndReason.VOICEMAIL)

    def _leave(self, message: str) -> None:
        self._cut()
        until = self._clock.now + self._limits.farewell_begins
        self._course.close(Closing(EndReason.VOICEMAIL, until, spoken=False, longest=self._limits.message))
        self._protect(MESSAGE)
        self._model.send(self._model.engine.speak(message, purpose=MESSAGE))
