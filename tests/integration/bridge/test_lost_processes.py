"""A process is gone, or thought to be: its calls are found, by one, and a stream that works is left alone."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import select, update

from bridge.call.commands import EndCall, MoveStream
from bridge.call.ending import EndReason
from bridge.call.events import DtmfReceived, HangUpRequested, StreamEnded, StreamStarted
from bridge.runtime.orphans import GRACE_SECONDS, Orphans
from database import call_commands, holding
from database.models import Call, CallCommand
from database.session import Database
from tests.integration.bridge.conftest import PATIENT, STOP, Answer, Door, another
from tests.integration.bridge.fakes import Model
from tests.integration.bridge.test_resuming import KEY_PRESSED, asked_what_comes_next, at, killed


@pytest.fixture
async def third(door: Door, database: Database, database_url: str, model: Model) -> AsyncGenerator[Door]:
    async for third in another(door, database, database_url, model, "2"):
        yield third


def looking(process: Door) -> Orphans:
    """With a clock of the test's."""
    live = process.live_calls
    return Orphans(process.database, process.notifications, live._moves, live)


async def answered_a_while_ago(door: Door) -> Call:
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    row = await door.row()
    async with door.database.session.begin() as session:
        await session.execute(update(Call).where(Call.id == row.id).values(attach_expires_at=long_ago))
    return row


async def gone(door: Door) -> None:
    """Killed, and Postgres knows it."""
    await killed(door)
    row = await door.row()
    async with asyncio.timeout(10):
        while row.id not in {orphan.call_id for orphan in await orphans(door)}:
            pass


async def orphans(door: Door) -> list[holding.Orphan]:
    return await holding.orphans(door.database, offered_before=dt.datetime.now(dt.UTC))


async def commands(door: Door, command: str) -> int:
    async with door.database.session() as session:
        query = select(CallCommand.id).where(CallCommand.command == command)
        return len((await session.scalars(query)).all())


async def test_a_process_that_is_gone_is_not_asked_for_its_call(door: Door, other: Door) -> None:
    """The caller hears nothing while Twilio waits for the answer."""
    answer = await door.ring()
    async with door.stream(answer):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await answered_a_while_ago(door)
        await gone(door)
        again = await asked_what_comes_next(other, answer)
    assert again.stream_url.endswith("/media/1")
    assert await commands(door, call_commands.OFFERED) == 0
    assert (await door.row()).holder == other.live_calls.holder.name


async def test_a_process_that_stops_has_another_one_take_up_the_call_it_is_asked_about(
    door: Door, other: Door, third: Door
) -> None:
    """It knows of the call only because it was asked first; an apology would lose it."""
    answer = await door.ring()
    async with door.stream(answer):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await answered_a_while_ago(door)
        await gone(door)
        other.live_calls.draining = True
        again = await asked_what_comes_next(other, answer)
        assert again.verbs == ["Pause", "Redirect"]
        await third.first_call()
        async with asyncio.timeout(5):
            while not third.twilio.redirected:
                await third.row()
    row = await door.row()
    assert (row.holder, row.ended_reason) == (third.live_calls.holder.name, None)


async def test_a_call_of_which_twilio_did_not_notice_that_its_process_died_is_adopted(
    door: Door, other: Door
) -> None:
    """By any process, of whatever slot, once Twilio has had time to ask by itself."""
    async with door.stream(await door.ring()):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await answered_a_while_ago(door)
        await gone(door)
        looks = looking(other)
        await looks.look(10.0)
        await looks.look(10.0 + GRACE_SECONDS - 0.1)
        await looks.adopted()
        assert other.twilio.redirected == []
        await looks.look(10.0 + GRACE_SECONDS)
        await looks.adopted()
        [(_, document)] = other.twilio.redirected
        assert (await door.row()).holder == other.live_calls.holder.name
        assert await orphans(other) == []
        async with other.stream(at(Answer(document), other)):
            await other.calls[0].until(lambda: other.calls[0].happened(StreamStarted))


async def test_a_call_that_two_processes_find_is_adopted_by_one(door: Door, other: Door, third: Door) -> None:
    """Each session of the model is paid for, and each new TwiML cuts off the stream before it."""
    async with door.stream(await door.ring()):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await answered_a_while_ago(door)
        await gone(door)
        [orphan] = await orphans(other)
        await asyncio.gather(*(process.live_calls._moves.adopt(orphan) for process in (other, third)))
        assert len(other.twilio.redirected + third.twilio.redirected) == 1
        assert len(other.calls + third.calls) == 1


async def test_a_call_whose_stream_is_on_its_way_is_not_adopted(door: Door, other: Door) -> None:
    await door.ring()
    row = await door.row()
    expires_at = row.attach_expires_at
    await answered_a_while_ago(door)
    await gone(door)
    async with door.database.session.begin() as session:
        await session.execute(update(Call).where(Call.id == row.id).values(attach_expires_at=expires_at))
    looks = looking(other)
    await looks.look(0.0)
    assert looks._since == {}


async def test_a_process_that_is_full_or_unseen_looks_for_no_orphans(door: Door, other: Door) -> None:
    async with door.stream(await door.ring()):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await answered_a_while_ago(door)
        await gone(door)
        looks = looking(other)
        await looks.look(0.0)
        assert len(looks._since) == 1
        other.live_calls.take_calls(False)
        await looks.look(100.0)
        assert looks._since == {}
        other.live_calls.take_calls(True)
        await other.notifications.stop()
        other.notifications.connected.clear()
        await looks.look(200.0)
        assert looks._since == {}


async def test_a_call_that_could_not_be_adopted_is_found_again(door: Door, other: Door, third: Door) -> None:
    async with door.stream(await door.ring()):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await answered_a_while_ago(door)
        await gone(door)
        other.twilio.away = True
        [orphan] = await orphans(other)
        await other.live_calls._moves.adopt(orphan)
        assert (await door.row()).holder == orphan.held_by
        assert other.live_calls.count == 0
        await answered_a_while_ago(door)
        await third.live_calls._moves.adopt(orphan)
        assert len(third.twilio.redirected) == 1


async def test_a_process_that_lives_though_others_do_not_see_it_does_no_harm(door: Door, other: Door) -> None:
    """Its connection to Postgres was cut. What it takes for a hang-up is the end of its own stream."""
    door.prepare = lambda call: call.answers.update({StreamEnded: [HUNG_UP]})
    async with door.stream(await door.ring()) as old:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await answered_a_while_ago(door)
        await door.notifications.stop()
        async with asyncio.timeout(10):
            while not (found := await orphans(other)):
                pass

        async def stops() -> None:
            await old.send(STOP)
            await door.settled()

        other.twilio.then = stops
        await other.live_calls._moves.adopt(found[0])
        assert (await door.row()).ended_reason is None
        [(_, document)] = other.twilio.redirected
        async with other.stream(at(Answer(document), other)):
            await other.calls[0].until(lambda: other.calls[0].happened(StreamStarted))
            await door.live_calls._rows._close(float("inf"))
            assert (await door.row()).ended_at is None


HUNG_UP = EndCall(EndReason.CALLER_HUNG_UP, caller_gone=True)


async def test_a_process_that_has_lost_a_call_does_not_move_its_stream(door: Door, other: Door) -> None:
    door.prepare = lambda call: call.answers.update({DtmfReceived: [MoveStream()]})
    answer = await door.ring()
    async with door.stream(answer) as old:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await answered_a_while_ago(door)
        await door.notifications.stop()
        async with asyncio.timeout(10):
            while not await orphans(other):
                pass
        await asked_what_comes_next(other, answer)
        await old.send(KEY_PRESSED)
        await door.settled()
        assert door.twilio.redirected == [] and not door.calls[0].happened(HangUpRequested)


@PATIENT
async def test_a_stream_that_came_elsewhere_meanwhile_is_not_cut_off_by_a_move(
    door: Door, other: Door, third: Door, model: Model
) -> None:
    """A process stops, another one is about to take its call, and Twilio's request brings it to a third."""
    other.live_calls.take_calls(False)
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        model.admits.clear()
        leaving = asyncio.create_task(door.live_calls.drain())
        await model.until(lambda: len(model.models) == 2)
        other.live_calls.take_calls(True)
        socket.transport.abort()
        await leaving
    again = await asked_what_comes_next(other, answer)
    async with other.stream(at(again, other)) as stream:
        call = await other.first_call()
        await call.until(lambda: call.happened(StreamStarted))
        model.admits.set()
        async with asyncio.timeout(10):
            while third.live_calls.count:
                await third.live_calls.all_released()
        assert third.twilio.redirected == []
        row = await door.row()
        assert (row.holder, row.ended_reason) == (other.live_calls.holder.name, None)
        await stream.send(KEY_PRESSED)
        await call.until(lambda: call.happened(DtmfReceived))


@PATIENT
async def test_a_call_that_is_being_taken_is_not_given_up_by_the_process_that_had_it(
    door: Door, other: Door, model: Model
) -> None:
    """Its stream breaks at that moment, and Twilio asks the process that has just let it go."""
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        model.admits.clear()
        leaving = asyncio.create_task(door.live_calls.drain())
        await model.until(lambda: len(model.models) == 2)
        socket.transport.abort()
        await leaving
    again = await asked_what_comes_next(door, answer)
    assert again.verbs == ["Pause", "Redirect"]
    model.admits.set()
    async with asyncio.timeout(10):
        while not other.twilio.redirected:
            await door.row()
    assert (await door.row()).ended_reason is None
    [(_, document)] = other.twilio.redirected
    async with other.stream(at(Answer(document), other)):
        await other.calls[0].until(lambda: other.calls[0].happened(StreamStarted))


@PATIENT
async def test_a_process_that_is_told_to_let_go_asks_nobody_to_take_the_call(door: Door, other: Door) -> None:
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        socket.transport.abort()
        again = await asked_what_comes_next(door, answer)
        door.live_calls.draining = True
        other.live_calls.take_calls(False)
        leaving = asyncio.create_task(door.live_calls.drain())
        async with asyncio.timeout(10):
            while not await commands(door, call_commands.TAKE_OVER):
                pass
        other.live_calls.take_calls(True)
        await holding.attach(door.database, (await door.row()).id, 2, holder=other.live_calls.holder)
        await leaving
    assert again.verbs == ["Connect", "Redirect"]
    assert await commands(door, call_commands.TAKE_OVER) == 0
    assert not door.calls[0].happened(HangUpRequested)
    assert (await door.row()).ended_reason is None
