"""A phone on a call: every 20 ms it hears a frame and says one. No clock: time is counted in frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulator.phones.behaviour import Behaviour, Line
from simulator.phones.ear import FRAME_MS, STILL, Ear, Heard

KEY_FRAMES = 10
"""From one key to the next: 200 ms."""
WAIT_FRAMES = 25
"""A `w` among the keys: 500 ms."""
WORD_GAP_MS = 200
"""Who has been silent for longer is not in the middle of a word."""


@dataclass(frozen=True)
class PreparedLine:
    """A line and its sound, which was made before the call: speech takes a while to synthesise."""

    line: Line
    audio: bytes


class Phone:
    """`now_ms` counts from the answer. `tell` is called with what happens, in words for the call's story."""

    def __init__(
        self,
        behaviour: Behaviour,
        lines: Sequence[PreparedLine],
        tell: Callable[..., None],
    ) -> None:
        self.behaviour = behaviour
        self.ear = Ear()
        self.pressed: deque[str] = deque()
        """Keys pressed since somebody last looked."""
        self.keys_heard = ""
        """All keys that the agent has pressed and no line has waited for."""
        self.hung_up = False
        self.now_ms = 0
        self._lines = deque(lines)
        self._tell = tell
        self._saying: PreparedLine | None = None
        self._said_bytes = 0
        self._keys: deque[str] = deque()
        self._key_wait = 0
        self._ready_since_ms = 0
        self._agent_spoke = False
        self._agent_was_speaking = False
        self.caller_stopped_ms: int | None = None
        """When the person's last line ended; None before there was one."""

    def tick(self, heard: bytes) -> bytes:
        """Hears 20 ms and returns what is said during them."""
        self._listen(heard)
        self._decide()
        spoken = self._speak()
        self._press()
        self.now_ms += FRAME_MS
        return spoken

    def say(self, prepared: PreparedLine) -> None:
        """One more line after those that are left, as somebody thinks of it."""
        self._lines.append(prepared)

    def end(self) -> None:
        """The call is over: what was being heard or said is told as far as it went."""
        heard = self.ear.end()
        if heard is not None:
            self._tell_heard(heard)
        if self._saying is not None:
            self._tell("caller stopped speaking", call_ms=self.now_ms, cut_off=True)
            self._saying = None

    def _listen(self, frame: bytes) -> None:
        over = self.ear.hear(frame, self.now_ms)
        speaking = self.ear.speaking_since_ms is not None
        if speaking and not self._agent_was_speaking:
            data: dict[str, object] = {"call_ms": self.now_ms}
            if self.caller_stopped_ms is not None and self._saying is None and not self._agent_spoke:
                data["response_ms"] = self.now_ms - self.caller_stopped_ms
            self._tell("agent started speaking", **data)
        if speaking and self._saying is None:
            self._agent_spoke = True
        self._agent_was_speaking = speaking
        if over is not None:
            self._tell_heard(over)
        while self.ear.keys:
            key = self.ear.keys.popleft()
            self.keys_heard += key
            self._tell("key heard", call_ms=self.now_ms, key=key)

    def _tell_heard(self, heard: Heard) -> None:
        self._tell(
            "agent stopped speaking",
            call_ms=heard.ended_ms,
            text=heard.text,
            spoke_ms=heard.ended_ms - heard.began_ms,
        )

    def _decide(self) -> None:
        after_ms = self.behaviour.hangs_up_after_ms
        if after_ms is not None and self.now_ms >= after_ms:
            self.hung_up = True
        if self._saying is not None or self._keys:
            return
        if self._lines:
            if self._is_time_for(self._lines[0].line):
                self._begin(self._lines.popleft())
        elif self.behaviour.hangs_up == "after_lines" or (
            self.behaviour.hangs_up == "after_answer" and self._agent_has_finished()
        ):
            self.hung_up = True

    def _is_time_for(self, line: Line) -> bool:
        if line.after_keys:
            _, found, later = self.keys_heard.partition(line.after_keys)
            self.keys_heard = later if found else self.keys_heard
            return bool(found)
        if line.delay_ms is not None:
            return self.now_ms - self._ready_since_ms >= line.delay_ms
        if line.interrupt_after_ms is not None:
            since_ms = self.ear.speaking_since_ms
            return (
                since_ms is not None
                and self.now_ms - max(since_ms, self._ready_since_ms) >= line.interrupt_after_ms
            )
        return self._agent_has_finished()

    def _agent_has_finished(self) -> bool:
        if self._agent_spoke:
            return self.ear.silent_ms(self.now_ms) >= self.behaviour.silence_ms
        last_ms = max(self._ready_since_ms, self.ear.last_sound_ms or 0)
        return self.now_ms - last_ms >= self.behaviour.patience_ms

    def _begin(self, prepared: PreparedLine) -> None:
        if prepared.line.dtmf:
            self._keys.extend(prepared.line.dtmf)
            return
        self._saying = prepared
        self._said_bytes = 0
        interrupts = self.ear.speaking_since_ms is not None and self.ear.silent_ms(self.now_ms) < WORD_GAP_MS
        self._tell(
            "caller started speaking",
            call_ms=self.now_ms,
            text=prepared.line.say or None,
            interrupts=interrupts,
        )

    def _speak(self) -> bytes:
        if self._saying is None:
            return STILL
        frame = self._saying.audio[self._said_bytes : self._said_bytes + len(STILL)]
        self._said_bytes += len(STILL)
        if self._said_bytes >= len(self._saying.audio):
            beeped, self._saying = self._saying.line.beep, None
            self.caller_stopped_ms = self.now_ms + FRAME_MS
            self._tell("caller stopped speaking", call_ms=self.caller_stopped_ms, cut_off=False)
            if beeped:
                self._tell("beep", call_ms=self.caller_stopped_ms)
            self._next_line(self.caller_stopped_ms)
        return frame.ljust(len(STILL), STILL[:1])

    def _press(self) -> None:
        if not self._keys:
            return
        if self._key_wait:
            self._key_wait -= 1
            return
        key = self._keys.popleft()
        self._key_wait = WAIT_FRAMES if key == "w" else KEY_FRAMES
        if key != "w":
            self.pressed.append(key)
            self._tell("key pressed", call_ms=self.now_ms, key=key)
        if not self._keys:
            self._next_line(self.now_ms)

    def _next_line(self, since_ms: int) -> None:
        """From here on the agent's answer to what was just said is waited for."""
        self._ready_since_ms = since_ms
        self._agent_spoke = False
        if self.ear.silent_ms(self.now_ms) >= WORD_GAP_MS:
            over = self.ear.end()
            self._agent_was_speaking = False
            if over is not None:
                self._tell_heard(over)
