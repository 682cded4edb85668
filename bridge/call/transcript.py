"""Who said what, in the order it was said: the model's chain of items, with times from the phone."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from msgspec import Struct

from bridge.call.commands import Record, SaveLine
from bridge.call.engine import Heard, HistoryItem, Said, ToolRan
from bridge.call.past import RESULT_UNKNOWN, PastLine

_MS_PER_CHARACTER = 65
"""How long speech takes, about; used only for an item whose audio never came to its end."""


def heard_words(text: str, heard_ms: int, spoken_ms: int) -> str:
    """The words of `text` that fit into what was heard of it; a word begun is not counted."""
    if heard_ms >= spoken_ms:
        return text
    words = " ".join(text.split())
    room = len(words) * heard_ms // spoken_ms
    return words[: max(0, words.rfind(" ", 0, room + 1))]


INAUDIBLE = "[inaudible]"


class Fate(Struct, frozen=True):
    heard_ms: int
    spoken_ms: int
    ended: bool
    """The model had said all of it."""


class _Line(Struct):
    item_id: str
    role: str
    text: str = ""
    text_is_final: bool = False
    start_ms: int | None = None
    end_ms: int | None = None
    interrupted: bool = False
    fate: Fate | None = None
    """Of what the agent said, once it was cut: words that become known later were not heard either."""
    told: bool = False
    """`transcript.line` was recorded."""
    canned: bool = False
    """Said by the bridge, not by the model."""
    tool: ToolRan | None = None

    @property
    def pending(self) -> bool:
        """The model has said it, and how much the caller will hear is not known yet."""
        return self.role == "agent" and self.end_ms is None and not self.canned

    @property
    def happened(self) -> HistoryItem | None:
        if self.tool is not None:
            return self.tool
        if self.canned or not self.text or self.text == INAUDIBLE or not self.text_is_final:
            return None
        return Said(self.role, self.text)


class Transcript:
    """Collects lines; `changes()` says what is new since the last time it was asked."""

    def __init__(self, past: Sequence[PastLine] = ()) -> None:
        self._order: list[str] = []
        self._lines: dict[str, _Line] = {}
        self._dirty: set[str] = set()
        for line in past:
            self._remember(line)

    def _remember(self, past: PastLine) -> None:
        line = _Line(past.item_id, past.role, past.text, True, past.start_ms, past.end_ms, past.interrupted)
        line.told, line.tool = not past.partial, past.tool
        if past.partial:
            line.interrupted = True
            self._dirty.add(line.item_id)
        if past.tool is not None and past.tool.output is None:
            self._finish_tool(line, RESULT_UNKNOWN, f"{past.tool.name}: result unknown", past.end_ms)
        self._order.append(line.item_id)
        self._lines[line.item_id] = line

    # Places

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
            self._dirty.update(self._order[index:])
            self._order.insert(index, item_id)
        else:
            self._order.append(item_id)
        self._dirty.add(item_id)

    def forget(self, item_id: str) -> None:
        """It never came back as text, and another session will hear it anew."""
        self._lines.pop(item_id, None)
        self._dirty.discard(item_id)
        if item_id in self._order:
            index = self._order.index(item_id)
            del self._order[index]
            self._dirty.update(self._order[index:])

    def replace(self, item_id: str, new_item_id: str) -> None:
        """Another session knows the item by another id."""
        if new_item_id in self._lines:
            if new_item_id != item_id:
                self.forget(item_id)
            return
        line = self._lines.pop(item_id, None)
        if line is None:
            return
        line.item_id = new_item_id
        self._lines[new_item_id] = line
        if item_id in self._order:
            self._order[self._order.index(item_id)] = new_item_id
            self._dirty.add(new_item_id)

    def _line(self, item_id: str, role: str) -> _Line:
        if item_id not in self._lines:
            self.place(item_id, None, role)
        return self._lines[item_id]

    # Words and times

    def caller_started(self, item_id: str, start_ms: int) -> None:
        """Known before the item has its place in the chain, which `place` gives it."""
        line = self._lines.setdefault(item_id, _Line(item_id, "caller"))
        line.start_ms = start_ms

    def caller_stopped(self, item_id: str, end_ms: int) -> None:
        line = self._lines.setdefault(item_id, _Line(item_id, "caller"))
        line.end_ms = end_ms
        self._dirty.add(item_id)

    def text(self, item_id: str, text: str | None, *, final: bool, role: str) -> None:
        """Words as they become known; None: the caller's speech could not be written down."""
        line = self._line(item_id, role)
        if line.told or (line.fate is not None and not final):
            return
        if text is None:
            line.text, line.text_is_final = INAUDIBLE, True
        else:
            line.text = text if final else line.text + text
            line.text_is_final = final
        if line.fate is not None:
            line.text = self._words_heard(line.text, line.fate)
        if line.text_is_final:
            self._dirty.add(item_id)

    def canned(self, item_id: str, text: str) -> None:
        """The bridge speaks for the agent."""
        line = self._line(item_id, "agent")
        line.text, line.text_is_final, line.canned = text, True, True

    def agent_started(self, item_id: str, start_ms: int) -> None:
        line = self._line(item_id, "agent")
        if line.start_ms is None:
            line.start_ms = start_ms
            self._dirty.add(item_id)

    def agent_heard(self, item_id: str, heard_ms: int, spoken_ms: int, *, ended: bool) -> None:
        """The item's fate is settled: of `spoken_ms` received, the caller heard `heard_ms`.

        `ended`: the model had said all of it.
        """
        line = self._line(item_id, "agent")
        if line.interrupted:
            return
        line.end_ms = (line.start_ms or 0) + heard_ms
        line.interrupted = heard_ms < spoken_ms or not ended
        if line.interrupted:
            line.fate = Fate(heard_ms, spoken_ms, ended)
            line.text, line.text_is_final = self._words_heard(line.text, line.fate), True
        self._dirty.add(item_id)

    def words_heard(self, item_id: str, heard_ms: int, spoken_ms: int, *, ended: bool) -> str:
        """What of the words that are known so far fits into what was heard."""
        return self._words_heard(self._line(item_id, "agent").text, Fate(heard_ms, spoken_ms, ended))

    def _words_heard(self, text: str, fate: Fate) -> str:
        least_ms = 0 if fate.ended else len(text) * _MS_PER_CHARACTER
        return heard_words(text, fate.heard_ms, max(fate.spoken_ms, least_ms))

    def tool_called(self, item_id: str, call: ToolRan, start_ms: int) -> SaveLine:
        """It stands where it was called. Returns the line to save before the tool is started."""
        self.place(item_id, None, "tool")
        line = self._lines[item_id]
        line.start_ms, line.tool = start_ms, call
        self._dirty.discard(item_id)
        position, text = self._order.index(item_id), f"{call.name}: running"
        return SaveLine(item_id, position, "tool", text, start_ms, start_ms, False, tool=call)

    def tool_returned(self, item_id: str, output: str, outcome: str, end_ms: int) -> None:
        self._finish_tool(self._line(item_id, "tool"), output, outcome, end_ms)

    def _finish_tool(self, line: _Line, output: str, outcome: str, end_ms: int) -> None:
        line.text, line.text_is_final, line.end_ms = outcome, True, end_ms
        if line.tool is not None:
            line.tool = ToolRan(line.tool.tool_call_id, line.tool.name, line.tool.arguments, output)
        line.told = False
        self._dirty.add(line.item_id)

    # What was said, for another session and for people

    def history(
        self, still_heard: dict[str, str], recalled: dict[str, list[str]], *, without: str | None = None
    ) -> list[HistoryItem]:
        """`still_heard`: what will have been heard, by then, of what the agent is saying now. `recalled`: the
        sound of what never came back as text."""
        items: list[HistoryItem] = []
        for item_id in self._order:
            line = self._lines[item_id]
            if item_id in recalled:
                items.append(Heard(item_id, recalled[item_id]))
            elif item_id in still_heard:
                if still_heard[item_id]:
                    items.append(Said("agent", still_heard[item_id]))
            elif line.happened is not None and item_id != without:
                items.append(line.happened)
        return items

    def so_far(self, item_id: str, text: str, heard_ms: int) -> SaveLine | None:
        """A line for something that the agent is still saying: if all else is lost, this much was heard."""
        line = self._lines.get(item_id)
        if line is None or not text or line.start_ms is None or item_id not in self._order:
            return None
        position, end_ms = self._order.index(item_id), line.start_ms + heard_ms
        return SaveLine(item_id, position, "agent", text, line.start_ms, end_ms, False, partial=True)

    def changes(self, now_ms: int) -> list[SaveLine | Record]:
        """Lines to save, and those that have become final. `now_ms`: offset from the answer."""
        if not self._dirty:
            return []
        out: list[SaveLine | Record] = []
        places = {item_id: self._order.index(item_id) for item_id in self._dirty if item_id in self._order}
        for item_id, position in sorted(places.items(), key=itemgetter(1)):
            line = self._lines[item_id]
            if not line.text_is_final or line.pending:
                continue
            self._dirty.discard(item_id)
            out.extend(self._change(line, position, now_ms))
        return out

    def _change(self, line: _Line, position: int, now_ms: int) -> list[SaveLine | Record]:
        start_ms = now_ms if line.start_ms is None else line.start_ms
        end_ms = start_ms if line.end_ms is None else max(start_ms, line.end_ms)
        saved = SaveLine(
            line.item_id, position, line.role, line.text, start_ms, end_ms, line.interrupted, tool=line.tool
        )
        if not line.text or line.end_ms is None or line.told:
            return [saved]
        line.told = True
        data = {
            "item_id": line.item_id,
            "role": line.role,
            "text": line.text,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "interrupted": line.interrupted,
        }
        return [saved, Record("transcript.line", now_ms, data)]
