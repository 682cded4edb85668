"""A status callback that never came, a hang-up that Twilio lost: both are noticed and put right."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import update

from bridge.call.ending import EndReason
from bridge.runtime import reconciler as reconciling
from bridge.runtime.counters import Counters
from bridge.runtime.reconciler import Reconciler
from database import calls
from database.models import Call
from database.notifications import Notifications
from database.session import Database
from telephony.twilio import TwilioAccount, TwilioUnreachable
from tests.integration.bridge.test_fence import a_call, set_row

LONG_AGO = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)


class Statuses(TwilioAccount):
    """A Twilio that knows how calls are, by SID, and notes for which it was asked and what it ended."""

    def __init__(self) -> None:
        super().__init__("AC" + "0" * 32, ["token"], "http://127.0.0.1:9")
        self.statuses: dict[str, str] = {}
        self.asked: list[str] = []
        self.ended: list[str] = []
        self.away = False

    async def call_status(self, call_sid: str) -> str | None:
        self.asked.append(call_sid)
        if self.away:
            raise TwilioUnreachable("away")
        return self.statuses.get(call_sid)

    async def end_call(self, call_sid: str) -> None:
        self.ended.append(call_sid)


class Holds:
    """The calls that this process is told are over were its own."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.told: list[str] = []

    async def over(self, call_id: str, timeout_s: float = 3.0) -> bool:
        self.told.append(call_id)
        return True


@pytest.fixture
def twilio() -> Statuses:
    return Statuses()


@pytest.fixture
def holds() -> Holds:
    return Holds()


@pytest.fixture
def reconciler(database: Database, database_url: str, twilio: Statuses, holds: Holds) -> Reconciler:
    return Reconciler(database, Notifications(database_url), twilio, holds)


async def up(database: Database) -> Call:
    """An answered call of which nothing was heard for minutes."""
    call_id = await a_call(database, attach_number=1)
    await set_row(database, call_id, status="in-progress", answered_at=LONG_AGO, created_at=LONG_AGO)
    return await row(database, call_id)


async def row(database: Database, call_id: str) -> Call:
    call = await calls.by_id(database, call_id)
    assert call is not None
    return call


async def test_a_row_is_closed_when_twilio_says_that_the_call_is_over(
    database: Database, agent_id: str, reconciler: Reconciler, twilio: Statuses, holds: Holds
) -> None:
    call = await up(database)
    twilio.statuses["CA1other"] = "completed"
    await reconciler.round()
    closed = await row(database, call.id)
    assert (closed.status, closed.ended_reason) == ("completed", "caller_hung_up")
    assert holds.told == [call.id], "whoever holds it writes first what it has to tell"
    assert holds.counters.forgotten_rows_closed == 1
    await reconciler.round()
    assert twilio.asked == ["CA1other"], "once"


async def test_a_call_that_is_up_is_left_alone_and_not_asked_for_again_at_once(
    database: Database, agent_id: str, reconciler: Reconciler, twilio: Statuses, holds: Holds
) -> None:
    call = await up(database)
    twilio.statuses["CA1other"] = "in-progress"
    await reconciler.round()
    await reconciler.round()
    assert twilio.asked == ["CA1other"]
    assert (await row(database, call.id)).ended_at is None
    assert (holds.told, twilio.ended) == ([], [])


async def test_a_call_that_twilio_knows_nothing_of_is_closed_as_lost(
    database: Database, agent_id: str, reconciler: Reconciler
) -> None:
    call = await up(database)
    await reconciler.round()
    closed = await row(database, call.id)
    assert (closed.status, closed.ended_reason) == ("failed", "process_lost")


async def ended(database: Database, seconds_ago: float) -> Call:
    call = await up(database)
    await calls.finish(database, call.id, status="completed", reason=EndReason.AGENT_HUNG_UP)
    at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds_ago)
    await set_row(database, call.id, ended_at=at)
    return await row(database, call.id)


async def test_a_call_that_goes_on_though_we_ended_it_is_ended(
    database: Database, agent_id: str, reconciler: Reconciler, twilio: Statuses, holds: Holds
) -> None:
    await ended(database, 60)
    twilio.statuses["CA1other"] = "in-progress"
    await reconciler.round()
    await reconciler.round()
    assert twilio.ended == ["CA1other"]
    assert holds.counters.forgotten_calls_ended == 1


@pytest.mark.parametrize("seconds_ago", [0, 5, 3600])
async def test_calls_that_ended_just_now_or_long_ago_are_not_asked_for(
    database: Database, agent_id: str, reconciler: Reconciler, twilio: Statuses, seconds_ago: float
) -> None:
    await ended(database, seconds_ago)
    await reconciler.round()
    assert twilio.asked == []


async def test_a_call_whose_end_twilio_told_is_not_asked_for(
    database: Database, agent_id: str, reconciler: Reconciler, twilio: Statuses
) -> None:
    """It may go on for somebody else: who was connected to another number is not cut off."""
    call = await up(database)
    await calls.take_status(database, call.id, "completed", None)
    earlier = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=60)
    await set_row(database, call.id, ended_at=earlier)
    await reconciler.round()
    assert twilio.asked == []


async def test_nobody_is_asked_more_than_so_much(
    database: Database, agent_id: str, reconciler: Reconciler, twilio: Statuses
) -> None:
    for number in range(reconciling.AT_ONCE + 3):
        call_id = await a_call(database, attach_number=0, holder=f"h{number}")
        twilio.statuses[f"CA0h{number}"] = "in-progress"
        await set_row(database, call_id, created_at=LONG_AGO)
    await reconciler.round()
    assert len(twilio.asked) == reconciling.AT_ONCE
    await reconciler.round()
    assert len(set(twilio.asked)) == reconciling.AT_ONCE + 3, "those who were not asked for are next"


async def test_while_twilio_is_away_nothing_is_concluded(
    database: Database, agent_id: str, reconciler: Reconciler, twilio: Statuses
) -> None:
    call = await up(database)
    twilio.away = True
    await reconciler.round()
    assert (await row(database, call.id)).ended_at is None
    async with database.session.begin() as session:
        await session.execute(update(Call).values(twilio_checked_at=LONG_AGO))
    await reconciler.round()
    assert len(twilio.asked) == 2, "it is asked for again"
