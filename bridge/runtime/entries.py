"""What a call wants written down, as the journal's entries."""

from __future__ import annotations

import datetime as dt

import msgspec

from bridge.call.commands import Record, SaveLine, SaveTotals, StreamWorks
from database import journal
from database.journal import Entry, EventEntry, LineEntry, TotalsEntry


def entry_of(
    command: Record | SaveLine | SaveTotals | StreamWorks,
    call_id: str,
    *,
    attach_number: int,
    answered_at: dt.datetime | None,
) -> Entry:
    match command:
        case Record(type_, offset_ms, data):
            at = dt.datetime.now(dt.UTC)
            if answered_at is not None:
                at = answered_at + dt.timedelta(milliseconds=offset_ms)
            return EventEntry(call_id, at, offset_ms, type_, data, attach_number=attach_number)
        case SaveLine():
            return line_entry(command, call_id, attach_number=attach_number)
        case SaveTotals(usage, latency, cost, answered_by):
            return TotalsEntry(
                call_id, usage, latency, cost, attach_number=attach_number, answered_by=answered_by
            )
        case StreamWorks():
            return journal.StreamWorks(call_id, attach_number)


def line_entry(line: SaveLine, call_id: str, *, attach_number: int) -> LineEntry:
    return LineEntry(
        call_id,
        line.item_id,
        line.position,
        line.role,
        line.text,
        line.start_ms,
        line.end_ms,
        line.interrupted,
        partial=line.partial,
        tool=None if line.tool is None else msgspec.to_builtins(line.tool),
        attach_number=attach_number,
    )
