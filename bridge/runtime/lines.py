"""The lines that an agent's calls say when its model cannot: in memory before they are needed."""

from __future__ import annotations

from collections import OrderedDict

from sqlalchemy.ext.asyncio import AsyncSession

from bridge.call.lines import Line, Lines
from database.canned_lines import chosen_lines, sound_of
from lines.built_in import NAMES, built_in, line_of

_KEPT_SETS = 100
"""Of some 100 kB each."""
_kept: OrderedDict[tuple[str | None, ...], Lines] = OrderedDict()
"""By the ids of the operator's lines in it, which change with their content: what is here is never wrong."""


async def lines_of(session: AsyncSession, agent_id: str, language: str | None) -> Lines:
    """One copy for all calls that say the same."""
    chosen = await chosen_lines(session, agent_id, language)
    if not chosen:
        return built_in()
    ids = tuple(chosen[name].id if name in chosen else None for name in NAMES)
    if ids not in _kept:
        sounds = await sound_of(session, [line.id for line in chosen.values()])
        # One that was replaced meanwhile is left to the next call.
        own: dict[str, Line] = {
            name: line_of(line.text, sounds[line.id]) for name, line in chosen.items() if line.id in sounds
        }
        if len(own) < len(chosen):
            return _with(own)
        _kept[ids] = _with(own)
        if len(_kept) > _KEPT_SETS:
            _kept.popitem(last=False)
    _kept.move_to_end(ids)
    return _kept[ids]


def _with(own: dict[str, Line]) -> Lines:
    return Lines(**{name: own.get(name) or getattr(built_in(), name) for name in NAMES})
