"""What the caller says, until the model has put it into words: a lost session takes none of it along."""

from __future__ import annotations

from msgspec import Struct

from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.engine import CallerStartedSpeaking, CallerStoppedSpeaking
from bridge.call.transcript import Transcript
from bridge.wire import pcmu


class _Unheard(Struct):
    """Something that has not come back as text."""

    end_ms: int
    """In the audio sent on its session."""
    answered: bool = False


class CallerWords:
    def __init__(
        self, line: CallerLine, transcript: Transcript, clock: CallClock, *, transcribed: bool
    ) -> None:
        self.speaking = False
        self.spoke = False
        """At some time on this call."""
        self._line = line
        self._transcript = transcript
        self._clock = clock
        self._transcribed = transcribed
        self._item: str | None = None
        """What is being said."""
        self._unheard: dict[str, _Unheard] = {}
        self._heard_again = False
        """The next session will hear something that is still to be answered."""

    @property
    def untranscribed(self) -> bool:
        """Something was said that has not come back as text."""
        return bool(self._unheard)

    def started(self, event: CallerStartedSpeaking) -> None:
        self.speaking, self._item = True, event.item_id
        self._line.speech_began(event.audio_ms, understood_before=not self._unheard)
        self._transcript.caller_started(event.item_id, self._offset_ms(event.audio_ms))

    def stopped(self, event: CallerStoppedSpeaking) -> None:
        self.speaking, self.spoke, self._item = False, True, None
        self._transcript.caller_stopped(event.item_id, self._offset_ms(event.audio_ms))
        if self._transcribed:
            self._unheard[event.item_id] = _Unheard(event.audio_ms)

    def _offset_ms(self, audio_ms: int) -> int:
        """A position in the caller audio sent to the model, as milliseconds from the answer."""
        return max(0, self._clock.offset_ms() - max(0, self._line.sent_ms - audio_ms))

    def keyed(self, text: str, number: int) -> str:
        """An entry of keys is known in words at once. Returns its item."""
        offset_ms = self._clock.offset_ms()
        item_id = f"keys_{offset_ms}_{number}"
        self._transcript.caller_started(item_id, offset_ms)
        self._transcript.place(item_id, None, "caller")
        self._transcript.text(item_id, text, final=True, role="caller")
        self._transcript.caller_stopped(item_id, offset_ms)
        return item_id

    def answered(self) -> None:
        """The agent has begun to speak or to act upon all that was said: it is not to do so twice."""
        for unheard in self._unheard.values():
            unheard.answered = True

    def understood(self, item_id: str) -> None:
        """It has come back as text, or never will."""
        unheard = self._unheard.pop(item_id, None)
        if unheard is not None and not self._unheard and not self.speaking:
            self._line.understood(unheard.end_ms)

    def replace(self, item_id: str, new_item_id: str) -> None:
        """Another session knows the item by another id."""
        self._transcript.replace(item_id, new_item_id)
        unheard = self._unheard.pop(item_id, None)
        if unheard is not None:
            self._unheard[new_item_id] = unheard

    # A session is lost

    def session_lost(self) -> None:
        if self._item is not None:
            self._transcript.forget(self._item)
            self._heard_again = True
        self.speaking, self._item = False, None
        self._line.lost()

    def hear_again(self) -> None:
        """They seem to have said something that nobody took in; it is kept for the next session."""
        self._heard_again = True

    def recall(self) -> tuple[dict[str, list[str]], bool]:
        """For the next session: how that sounded which was answered before it came back as text; and whether
        it will hear, from what is kept, something that is still to be answered.

        What was not answered is heard again, as it was the first time."""
        answered = [item_id for item_id, unheard in self._unheard.items() if unheard.answered]
        recalled: dict[str, list[str]] = {}
        self._line.told = 0
        if answered:
            last = self._unheard[answered[-1]]
            self._line.told = frames = self._line.frames_until(last.end_ms)
            recalled[answered[-1]] = self._line.first(frames)
            last.end_ms = frames * pcmu.FRAME_MS
        for item_id in [item_id for item_id in self._unheard if item_id not in recalled]:
            self._heard_again = self._heard_again or item_id not in answered
            self._transcript.forget(item_id)
            del self._unheard[item_id]
        heard_again, self._heard_again = self._heard_again, False
        return recalled, heard_again
