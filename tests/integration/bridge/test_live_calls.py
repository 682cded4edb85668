"""How calls end, and that nothing of them is left."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import pytest
import structlog
from websockets.exceptions import ConnectionClosed

from bridge.call.commands import EndCall
from bridge.call.ending import EndReason
from bridge.call.events import DtmfReceived, HangUpRequested, ModelClosed, ModelOpened, StreamStarted
from database import call_commands
from database.session import Database
from tests.integration.bridge.conftest import MEDIA, Answer, Door
from tests.integration.bridge.fakes import Model, ScriptedCall

KEY_PRESSED = '{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"1"}}'


def ends_on_a_key(reason: EndReason) -> Callable[[ScriptedCall], None]:
    def script(call: ScriptedCall) -> None:
        call.answers[DtmfReceived] = [EndCall(reason, caller_gone=False, error={"code": "x"})]

    return script


async def test_an_ending_tells_twilio_first_and_leaves_the_closing_to_it(door: Door) -> None:
    door.prepare = ends_on_a_key(EndReason.AGENT_HUNG_UP)
    answer = await door.ring()
    async with door.stream(answer) as socket:
        door.twilio.then = socket.close
        await socket.send(KEY_PRESSED)
        await door.twilio.until(lambda: door.twilio.ended == ["CA1"])
        await socket.wait_closed()
    await door.settled()
    row = await door.row()
    assert (row.ended_reason, row.ended_at, row.error) == ("agent_hung_up", None, {"code": "x"})


async def test_what_is_our_fault_is_apologised_for_at_once(door: Door) -> None:
    door.prepare = ends_on_a_key(EndReason.MODEL_LOST)
    answer = await door.ring()
    async with door.stream(answer) as socket:
        door.twilio.then = socket.close
        await socket.send(KEY_PRESSED)
        await door.twilio.until(lambda: bool(door.twilio.redirected))
    await door.settled()
    assert Answer(door.twilio.redirected[0][1]).verbs == ["Say", "Dial", "Hangup"]


async def test_while_twilio_is_away_the_socket_is_closed_and_after_stream_carries_on(door: Door) -> None:
    door.prepare = ends_on_a_key(EndReason.MODEL_LOST)
    door.twilio.away = True
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await socket.send(KEY_PRESSED)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    await door.settled()
    said = await door.post(answer.after_stream, CallSid="CA1", CallStatus="in-progress")
    assert Answer(said.text).verbs == ["Say", "Dial", "Hangup"]
    assert door.live_calls.counters.endings_left_to_after_stream == 1


async def test_a_bug_of_ours_becomes_a_heard_ending_and_is_logged_without_what_was_said(door: Door) -> None:
    def script(call: ScriptedCall) -> None:
        call.breaks_on = DtmfReceived

    door.prepare = script
    answer = await door.ring()
    with structlog.testing.capture_logs() as logs:
        async with door.stream(answer) as socket:
            door.twilio.then = socket.close
            await socket.send(KEY_PRESSED)
            await socket.send(MEDIA)
            await door.twilio.until(lambda: bool(door.twilio.redirected))
        await door.settled()
    assert (await door.row()).ended_reason == "internal_error"
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["call_broken"]
    assert "+1555" not in str(logs)


async def test_a_model_that_closes_is_reported_with_its_own_code(door: Door) -> None:
    door.model.closes_with = (3000, "invalid_request_error.invalid_api_key")
    await door.ring()
    await door.calls[0].until(lambda: door.calls[0].happened(ModelClosed))
    assert ModelClosed(3000, "invalid_request_error.invalid_api_key") in door.calls[0].events


async def test_an_operator_hangs_up_from_any_process(door: Door) -> None:
    def script(call: ScriptedCall) -> None:
        call.answers[HangUpRequested] = [EndCall(EndReason.OPERATOR_HUNG_UP, caller_gone=False)]

    door.prepare = script
    await door.ring()
    row = await door.row()
    assert await call_commands.ask(door.database, door.notifications, row.id, "hangup", {})
    await door.twilio.until(lambda: door.twilio.ended == ["CA1"])
    await door.settled()
    assert (await door.row()).ended_reason == "operator_hung_up"


async def test_a_command_to_a_call_that_nobody_holds_is_withdrawn(door: Door) -> None:
    answer = await door.ring()
    assert answer.verbs
    row = await door.row()
    await door.post("/twilio/status", CallSid="CA1", CallStatus="completed")
    await door.settled()
    ask = call_commands.ask(door.database, door.notifications, row.id, "hangup", {}, timeout_s=0.2)
    assert not await ask
    assert await call_commands.waiting(door.database) == []


@pytest.fixture
async def impatient(
    database: Database, database_url: str, model: Model, agent_id: str
) -> AsyncGenerator[Door]:
    door = Door(database, database_url, model, claim_seconds=0.05)
    await door.start()
    yield door
    await door.stop()


async def test_a_session_that_nobody_claims_is_closed(impatient: Door) -> None:
    await impatient.ring()
    await impatient.settled()
    await impatient.model.until(lambda: impatient.model.open_sessions == 0)
    assert impatient.live_calls.counters.calls_unclaimed == 1
    assert (await impatient.row()).ended_reason is None, "the stream may still come, and opens another"


async def test_draining_apologises_to_who_is_still_there(door: Door) -> None:
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.calls[0].until(
            lambda: door.calls[0].happened(StreamStarted) and door.calls[0].happened(ModelOpened)
        )
        door.twilio.then = socket.close
        await door.live_calls.drain()
    assert len(door.twilio.redirected) == 1
    assert (await door.row()).ended_reason == "draining"
    assert (await door.ring("CA2")).verbs == ["Say", "Hangup"]
