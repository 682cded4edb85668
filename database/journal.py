"""What live calls have to tell, many entries to a transaction.

Each entry names the attach number of the media stream that it was made under. A process whose call has been
attached to by another one since is refused (`database/fence.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from database import journal_tables as tables
from database.costs import dollars
from database.fence import lock
from database.recordings import RecordingEntry, write_parts
from database.session import Database


class EventEntry(Struct, frozen=True, tag_field="entry", tag="event"):
    call_id: str
    at: dt.datetime
    offset_ms: int
    type: str
    data: dict[str, Any]
    attach_number: int = 0


class LineEntry(Struct, frozen=True, tag_field="entry", tag="line"):
    """A transcript line, new or changed; empty text without a `tool` removes it."""

    call_id: str
    item_id: str
    position: int
    role: str
    text: str
    start_ms: int
    end_ms: int
    interrupted: bool
    partial: bool = False
    """The agent is still saying it: what has been heard so far."""
    tool: dict[str, Any] | None = None
    """Of a tool's line: `{name, tool_call_id, arguments, output}`; `output` null while it runs."""
    attach_number: int = 0


class TotalsEntry(Struct, frozen=True, tag_field="entry", tag="totals"):
    call_id: str
    usage: dict[str, int]
    latency: dict[str, Any]
    cost: Decimal | None = None
    """The voice model's share, US dollars; None: unknown."""
    attach_number: int = 0
    answered_by: str | None = None
    """None: it was not found out."""


class StreamWorks(Struct, frozen=True, tag_field="entry", tag="stream_works"):
    """The media stream has carried audio for a while: earlier losses no longer count."""

    call_id: str
    attach_number: int


class CallEntry(Struct, frozen=True, tag_field="entry", tag="call"):
    """A call that came in and was answered without Postgres. Its row may be there all the same."""

    call_id: str
    twilio_call_sid: str
    agent_id: str
    agent_version: int
    phone_number_id: str | None
    from_: str
    to: str
    created_at: dt.datetime
    answered_at: dt.datetime
    attach_expires_at: dt.datetime
    slot: str
    holder: str
    attach_number: int = 0


class AttachEntry(Struct, frozen=True, tag_field="entry", tag="attach"):
    """A stream token was used up without Postgres."""

    call_id: str
    attach_number: int
    slot: str
    holder: str


class ReasonEntry(Struct, frozen=True, tag_field="entry", tag="reason"):
    """Why the call is ending; the first reason stands."""

    call_id: str
    reason: str
    error: dict[str, Any] | None = None
    attach_number: int = 0


Entry = (
    EventEntry
    | LineEntry
    | TotalsEntry
    | StreamWorks
    | CallEntry
    | AttachEntry
    | ReasonEntry
    | RecordingEntry
)


Kind = TypeVar("Kind", bound=Entry)


class Batch(Struct, frozen=True):
    """Entries that are written in one transaction, once."""

    journal: str
    holder: str
    """As `database.fence` has it; empty: nothing is refused."""
    number: int
    """Rises with each batch of a journal."""
    entries: list[Entry]


def encoded(batch: Batch) -> bytes:
    """For the disk; read back by `decoded`."""
    return msgspec.json.encode(batch)


def decoded(text: bytes) -> Batch:
    """Raises msgspec.DecodeError: a later version of the server has written it."""
    return msgspec.json.decode(text, type=Batch)


class Written(Struct, frozen=True):
    superseded: dict[str, int]
    """Calls that another process has attached to, with the attach number that they have now."""
    refused: int = 0
    """Entries that Postgres will never take."""


async def write(database: Database, entries: Sequence[Entry], *, holder: str = "") -> dict[str, int]:
    """Write them in order. Those of calls that were deleted meanwhile are left out, and so are those of calls
    that another process than `holder` has attached to since: these calls are returned, with the attach number
    that they have now."""
    async with database.session.begin() as session:
        return await _write(session, entries, holder)


async def write_batch(database: Database, batch: Batch, *, late: bool = False) -> Written:
    """As `write`, and once however often it is asked for. `late`: what was said while Postgres was away is
    written down even where another process has the call by now. An entry that Postgres refuses takes no other
    with it."""
    try:
        async with database.session.begin() as session:
            if not await tables.mark(session, batch.journal, batch.number):
                return Written({})
            return Written(await _write(session, batch.entries, batch.holder, late=late))
    except SQLAlchemyError as error:
        if not refuses(error):
            raise
    refused = 0
    superseded: dict[str, int] = {}
    async with database.session.begin() as session:
        if not await tables.mark(session, batch.journal, batch.number):
            return Written({})
        for entry in batch.entries:
            try:
                async with session.begin_nested():
                    superseded |= await _write(session, [entry], batch.holder, late=late)
            except SQLAlchemyError as error:
                if not refuses(error):
                    raise
                refused += 1
    return Written(superseded, refused)


def refuses(error: SQLAlchemyError) -> bool:
    """Whether the data is to blame, rather than the moment.
    https://www.postgresql.org/docs/current/errcodes-appendix.html"""
    return isinstance(error, DBAPIError) and str(getattr(error.orig, "sqlstate", "")).startswith(("22", "23"))


async def _write(
    session: AsyncSession, entries: Sequence[Entry], holder: str, *, late: bool = False
) -> dict[str, int]:
    """The calls' rows are locked first, in the order of their ids: whoever holds a call's lock draws event
    ids and commits before the next one does, so a reader who has seen an id has seen all below it."""
    await tables.add_calls(session, _rows(_Kinds(entries).of(CallEntry)))
    fence = await lock(session, {entry.call_id for entry in entries}, holder)
    superseded: dict[str, int] = {}
    passed: set[int] = set()
    """Entries that come from a process that has lost the call."""
    known = mine = words = entries
    if fence.special:
        known = [entry for entry in entries if fence.is_there(entry.call_id)]
        for entry in known:
            attach_number = fence.superseded(entry.call_id, entry.attach_number)
            if attach_number is not None:
                superseded[entry.call_id] = attach_number
                passed.add(id(entry))
        mine = [entry for entry in known if id(entry) not in passed]
        words = [entry for entry in (known if late else mine) if not fence.erased(entry.call_id)]
    facts, words = _Kinds(mine), _Kinds(words)
    lines = words.of(LineEntry)
    await tables.attach(session, _rows(facts.of(AttachEntry)))
    await tables.tell(
        session,
        words.of(EventEntry),
        [line for line in lines if id(line) not in passed],
        [_totals(entry) for entry in facts.of(TotalsEntry)],
    )
    await tables.add_lines(session, [line for line in lines if id(line) in passed])
    await tables.streams_work(session, [entry.call_id for entry in facts.of(StreamWorks)])
    reasons = [why for why in facts.of(ReasonEntry) if fence.may_end(why.call_id, why.attach_number)]
    await tables.set_reasons(session, _rows(reasons))
    await write_parts(session, _rows(_Kinds(known).of(RecordingEntry)))
    return superseded


class _Kinds:
    """Entries by what they are, looked at once: hundreds come at a time."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._of: dict[type, list[Any]] = {}
        for entry in entries:
            self._of.setdefault(type(entry), []).append(entry)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return self._of.get(kind, [])


def _rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    return [msgspec.structs.asdict(entry) for entry in entries]


def _totals(entry: TotalsEntry) -> tables.Totals:
    cost = {"model": dollars(entry.cost)}
    return tables.Totals(entry.call_id, entry.usage, entry.latency, cost, entry.answered_by)
