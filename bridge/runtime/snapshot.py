"""The agent as one call runs on it."""

from __future__ import annotations

import datetime as dt

import msgspec

from bridge.call.agent import AgentConfig, AgentSnapshot
from bridge.call.variables import fill
from bridge.runtime.lines import lines_of
from database.agents import find_version
from database.models import Call
from database.prices import prices_on
from database.session import Database


async def agent_of(database: Database, call: Call) -> AgentSnapshot:
    """The version that the call was made on, with the call's variables filled in."""
    async with database.session() as session:
        config = await find_version(session, call.agent_id, call.agent_version)
        if config is None:
            raise LookupError(f"{call.id} runs on a version of its agent that is not there")
        day = call.created_at.astimezone(dt.UTC).date()
        prices = await prices_on(
            session, day, model=config.model, transcription_model=config.transcription_model
        )
        lines = await lines_of(session, call.agent_id, config.language)
    return AgentSnapshot(
        agent_id=call.agent_id,
        version=call.agent_version,
        config=filled(config, call, dt.datetime.now(dt.UTC)),
        prices=prices,
        lines=lines,
    )


def filled(config: AgentConfig, call: Call, now: dt.datetime) -> AgentConfig:
    values = {
        **call.variables,
        "caller_number": call.from_,
        "called_number": call.to,
        "now": f"{now:%A, %d %B %Y, %H:%M} UTC",
    }
    voicemail = config.voicemail if call.direction == "outbound" else None
    if voicemail is not None and voicemail.message is not None:
        voicemail = msgspec.structs.replace(voicemail, message=fill(voicemail.message, values))
    announcement = config.recording_announcement if config.record else None
    greeting = " ".join(fill(text, values) for text in (announcement, config.greeting) if text)
    return msgspec.structs.replace(
        config,
        prompt=fill(config.prompt, values),
        greeting=greeting or None,
        greeting_interruptible=config.greeting_interruptible and not announcement,
        voicemail=voicemail,
    )
