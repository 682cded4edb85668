"""What a call has behind it, for whoever takes it up: as far as it was written down."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from bridge.call.engine import ToolRan
from bridge.call.past import Past, PastLine
from bridge.call.transfer import came_to_nothing, read_transfer
from bridge.call.turns import Turn
from database.models import Call, CallEvent, TranscriptLine
from database.session import Database

AGENT_SPOKE, CALLER_SPOKE = "agent.started_speaking", "caller.started_speaking"
WAITED = "response_ms"


async def past_of(database: Database, call: Call, *, moved: bool = False) -> Past:
    """`moved`: the process that had it gave it away at a quiet moment."""
    async with database.session() as session:
        lines = await session.scalars(
            select(TranscriptLine)
            .where(TranscriptLine.call_id == call.id)
            .order_by(TranscriptLine.position, TranscriptLine.item_id)
        )
        spoke = await session.execute(
            select(CallEvent.type, CallEvent.offset_ms, CallEvent.data)
            .where(CallEvent.call_id == call.id, CallEvent.type.in_((AGENT_SPOKE, CALLER_SPOKE)))
            .order_by(CallEvent.id)
        )
        past_lines = [_line(line) for line in lines]
        by_agent: list[dict[str, Any]] = []
        caller_spoke_ms = -1
        for type_, offset_ms, data in spoke:
            if type_ == AGENT_SPOKE:
                by_agent.append(data)
            else:
                caller_spoke_ms = offset_ms
        latency = call.latency or {}
        return Past(
            lines=past_lines,
            caller_cut_in=bool(past_lines) and caller_spoke_ms >= past_lines[-1].start_ms,
            usage={kind: int(count) for kind, count in (call.usage or {}).items()},
            turns=[_turn(data) for data in by_agent if WAITED in data],
            answer_to_first_audio_ms=latency.get("answer_to_first_audio_ms"),
            note=_note(call),
            moved=moved,
        )


def _note(call: Call) -> str | None:
    """A caller who is back from a transfer that came to nothing."""
    transfer = read_transfer(call.transfer)
    if transfer is None or transfer.back_on is None or call.attach_number > transfer.back_on:
        return None
    return came_to_nothing(transfer)


def _line(line: TranscriptLine) -> PastLine:
    return PastLine(
        item_id=line.item_id,
        role=line.role,
        text=line.text,
        start_ms=line.start_ms,
        end_ms=line.end_ms,
        interrupted=line.interrupted,
        partial=line.partial,
        tool=None if line.tool is None else ToolRan(**line.tool),
    )


def _turn(data: dict[str, Any]) -> Turn:
    return Turn(
        response_ms=int(data[WAITED]),
        vad_ms=int(data.get("vad_ms", 0)),
        model_ms=int(data.get("model_ms", 0)),
        bridge_ms=float(data.get("bridge_ms", 0)),
        estimated=bool(data.get("estimated", False)),
    )
