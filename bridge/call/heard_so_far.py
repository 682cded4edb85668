"""What the caller has heard of words that the agent is still saying."""

from __future__ import annotations

from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.commands import Command
from bridge.call.speaking import Speaking
from bridge.call.transcript import Transcript


class HeardSoFar:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(
        self,
        speaking: Speaking,
        transcript: Transcript,
        line: CallerLine,
        clock: CallClock,
        out: list[Command],
    ) -> None:
        self._speaking = speaking
        self._transcript = transcript
        self._line = line
        self._clock = clock
        self._out = out

    def note(self) -> None:
        """For the case that nobody can say it later."""
        pieces = [
            piece for piece in self._speaking.playback.heard_so_far(self._line.stream_ms) if piece.heard_ms
        ]
        item = self._speaking.items.get(pieces[-1].item_id) if pieces else None
        if item is None or item.cut or item.canned:
            return
        if pieces[-1].started_ms is not None:
            began_ms = self._clock.stream_offset_ms(pieces[-1].started_ms)
            self._transcript.agent_started(item.item_id, began_ms)
        heard_ms = item.heard_ms + pieces[-1].heard_ms
        words = self._transcript.words_heard(item.item_id, heard_ms, item.received_ms, ended=item.ended)
        line = self._transcript.so_far(item.item_id, words, heard_ms)
        if line is not None:
            self._out.append(line)

    def in_the_end(self) -> dict[str, str]:
        """By item, what will have been heard if nobody interrupts any more."""
        words: dict[str, str] = {}
        for item in self._speaking.items.values():
            heard_ms = self._speaking.heard_ms(item, self._line.stream_ms) if item.cut else item.received_ms
            if not item.canned:
                words[item.item_id] = self._transcript.words_heard(
                    item.item_id, heard_ms, item.received_ms, ended=item.ended
                )
        return words
