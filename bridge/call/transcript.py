"""Who said what, in the order it was said: the model's chain of items, with times from the phone."""

from __future__ import annotations

from msgspec import Struct

from bridge.call.commands import Record, SaveLine

_MS_PER_CHARACTER = 65
"""How long speech takes, about; used only for an item whose audio never came to its end."""


def heard_words(text: str, heard_ms: int, spoken_ms: int) -> str:
    """The words of `text` that fit into what was heard of it; a word begun is not counted."""
    if heard_ms >= spoken_ms:
        return text
    words = text.split()
    length = len(" ".join(words))
    room = length * heard_ms // spoken_ms
    said = ""
    for word in words:
        longer = f"{said} {word}".strip()
        if len(longer) > room:
            break
        said = longer
    return said


class _Line(Struct):
    item_id: str
    role: str
    text: str = ""
    text_is_final: bool = False
    start_ms: int | None = None
    end_ms: int | None = None
    interrupted: bool = False
    dirty: bool = False
    told: bool = False
    """`transcript.line` was recorded."""


class Transcript:
    """Collects lines; `changes()` says what is new since the last time it was asked."""

    def __init__(self) -> None:
        self._order: list[str] = []
        self._lines: dict[str, _Line] = {}

    def place(self, item_id: str, previous_item_id: str | None, role: str) -> None:
        """An item takes its place behind another one; behind the last where that one is not known."""
        line = self._lines.get(item_id)
        if line is None:
            self._lines[item_id] = _Line(item_id, role)
        elif item_id in self._order:
            return
        else:
            line.role = role
        if previous_item_id in self._order:
            index = self._order.index(previous_item_id) + 1
            for later in self._order[index:]:
                self._lines[later].dirty = True
            self._order.insert(index, item_id)
        else:
            self._order.append(item_id)

    def _line(self, item_id: str, role: str) -> _Line:
        if item_id not in self._lines:
            self.place(item_id, None, role)
        return self._lines[item_id]

    def caller_started(self, item_id: str, start_ms: int) -> None:
        """Known before the item has its place in the chain, which `place` gives it."""
        line = self._lines.setdefault(item_id, _Line(item_id, "caller"))
        line.start_ms = start_ms

    def caller_stopped(self, item_id: str, end_ms: int) -> None:
        line = self._lines.setdefault(item_id, _Line(item_id, "caller"))
        line.end_ms = end_ms
        line.dirty = True

    def text(self, item_id: str, text: str | None, *, final: bool, role: str) -> None:
        """Words as they become known; None: the caller's speech could not be written down."""
        line = self._line(item_id, role)
        if line.told:
            return
        if text is None:
            line.text, line.text_is_final = "[inaudible]", True
        else:
            line.text = text if final else line.text + text
            line.text_is_final = final
        line.dirty = line.dirty or line.text_is_final

    def agent_started(self, item_id: str, start_ms: int) -> None:
        line = self._line(item_id, "agent")
        if line.start_ms is None:
            line.start_ms = start_ms
            line.dirty = True

    def agent_heard(self, item_id: str, heard_ms: int, spoken_ms: int, *, ended: bool) -> None:
        """The item's fate is settled: of `spoken_ms` received, the caller heard `heard_ms`.

        `ended`: the model had said all of it.
        """
        line = self._line(item_id, "agent")
        if line.interrupted:
            return
        line.end_ms = (line.start_ms or 0) + heard_ms
        whole_ms = spoken_ms if ended else max(spoken_ms, len(line.text) * _MS_PER_CHARACTER)
        line.interrupted = heard_ms < spoken_ms or not ended
        if line.interrupted:
            line.text = heard_words(line.text, heard_ms, whole_ms)
            line.text_is_final = True
        line.dirty = True

    def tool_called(self, item_id: str, start_ms: int) -> None:
        """It stands where it was called; its line is written when it has returned."""
        self.place(item_id, None, "tool")
        self._lines[item_id].start_ms = start_ms

    def tool_returned(self, item_id: str, outcome: str, end_ms: int) -> None:
        line = self._line(item_id, "tool")
        line.text, line.text_is_final, line.end_ms, line.dirty = outcome, True, end_ms, True

    def changes(self, now_ms: int) -> list[SaveLine | Record]:
        """Lines to save, and those that have become final. `now_ms`: offset from the answer."""
        out: list[SaveLine | Record] = []
        for position, item_id in enumerate(self._order):
            line = self._lines[item_id]
            if not line.dirty or not line.text_is_final:
                continue
            line.dirty = False
            start_ms = now_ms if line.start_ms is None else line.start_ms
            end_ms = start_ms if line.end_ms is None else max(start_ms, line.end_ms)
            out.append(SaveLine(item_id, position, line.role, line.text, start_ms, end_ms, line.interrupted))
            if line.text and line.end_ms is not None and not line.told:
                line.told = True
                out.append(
                    Record(
                        "transcript.line",
                        now_ms,
                        {
                            "item_id": item_id,
                            "role": line.role,
                            "text": line.text,
                            "start_ms": start_ms,
                            "end_ms": end_ms,
                            "interrupted": line.interrupted,
                        },
                    )
                )
        return out
