"""The REST API as the twilio package's own client sees it, and the calls that it makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from simulator.network.faults import RestFault
from simulator.phones.behaviour import Behaviour
from simulator.simulator import ACCOUNT_SID, AUTH_TOKEN, Simulator
from simulator.timing import INSTANT
from tests.integration.simulator.test_media_stream_call import NUMBER, Bridge, listens, practice

CALLEE = "+12125550123"
# The twilio package still calls aiohttp in this way.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .auth. parameter is deprecated:DeprecationWarning"),
]


class Rest:
    """The practice account by the official client."""

    def __init__(self, sim: Simulator, bridge: Bridge, client: Client) -> None:
        self.sim = sim
        self.bridge = bridge
        self.client = client

    async def dial(self, to: str = CALLEE, **more: Any) -> Any:
        return await self.client.calls.create_async(
            to=to,
            from_=NUMBER,
            url=f"{self.bridge.url}/voice",
            status_callback=f"{self.bridge.url}/status",
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            **more,
        )

    @property
    def statuses(self) -> list[tuple[str, str]]:
        return [
            (form["SequenceNumber"], form["CallStatus"])
            for path, form in self.bridge.forms
            if path == "/status"
        ]


@asynccontextmanager
async def official_client(sim: Simulator, token: str = AUTH_TOKEN) -> AsyncGenerator[Client]:
    http = AsyncTwilioHttpClient()
    client = Client(ACCOUNT_SID, token, http_client=http)
    client.api.base_url = sim.url
    yield client
    assert http.session is not None
    await http.session.close()


@pytest.fixture
async def rest() -> AsyncGenerator[Rest]:
    async with practice() as (sim, bridge), official_client(sim) as client:
        yield Rest(sim, bridge, client)


async def refusal(rest: Rest, **parameters: Any) -> tuple[int, int | None]:
    with pytest.raises(TwilioRestException) as caught:
        await rest.client.calls.create_async(
            **{"to": CALLEE, "from_": NUMBER, "url": "http://127.0.0.1/v", **parameters}
        )
    return caught.value.status, caught.value.code


async def test_an_answered_call_tells_its_statuses_in_twilios_order(rest: Rest) -> None:
    rest.sim.directory.phones[CALLEE] = listens(answers_after_ms=0)
    created = await rest.dial()
    assert (created.status, created.direction) == ("queued", "outbound-api")
    call = rest.sim.network.calls[created.sid]
    await call.wait_until_over()
    assert rest.statuses == [("0", "initiated"), ("1", "ringing"), ("2", "in-progress"), ("3", "completed")]
    first = rest.bridge.forms[[path for path, _ in rest.bridge.forms].index("/voice")][1]
    assert (first["CallStatus"], first["Direction"]) == ("in-progress", "outbound-api")
    fetched = await rest.client.calls(created.sid).fetch_async()
    assert (fetched.status, fetched.duration) == ("completed", "0")
    assert rest.bridge.forms[-1][1]["CallDuration"] == "0"


@pytest.mark.parametrize(
    ("behaviour", "status", "sip"),
    [
        (Behaviour(pick_up="busy"), "busy", "486"),
        (Behaviour(pick_up="unreachable"), "failed", "404"),
        (Behaviour(pick_up="never_answers"), "no-answer", "487"),
    ],
)
async def test_a_call_that_nobody_answers_says_why(
    rest: Rest, behaviour: Behaviour, status: str, sip: str
) -> None:
    rest.sim.directory.phones[CALLEE] = behaviour
    created = await rest.dial(timeout=1)
    await rest.sim.network.calls[created.sid].wait_until_over()
    assert rest.statuses[-1][1] == status
    assert rest.bridge.forms[-1][1]["SipResponseCode"] == sip
    assert "/voice" not in [path for path, _ in rest.bridge.forms]


async def test_a_ringing_call_is_canceled_and_an_ended_one_is_21220(rest: Rest) -> None:
    rest.sim.directory.phones[CALLEE] = Behaviour(pick_up="never_answers")
    created = await rest.dial()
    call = rest.sim.network.calls[created.sid]
    await call.wait_for("ringing")
    await rest.client.calls(created.sid).update_async(status="canceled")
    assert (await call.wait_until_over()).data["status"] == "canceled"
    with pytest.raises(TwilioRestException) as caught:
        await rest.client.calls(created.sid).update_async(status="completed")
    assert (caught.value.status, caught.value.code) == (400, 21220)


async def test_new_twiml_on_a_live_call_stops_the_stream_and_is_carried_out(rest: Rest) -> None:
    """The way to transfer: `stop` first, no action of the old document."""
    rest.bridge.connects(action="/after-stream")
    rest.sim.directory.phones[CALLEE] = listens(answers_after_ms=0)
    created = await rest.dial()
    call = rest.sim.network.calls[created.sid]
    await call.wait_for("stream started")
    await rest.client.calls(created.sid).update_async(twiml="<Response><Say>Goodbye now.</Say></Response>")
    await call.wait_until_over()
    assert rest.bridge.messages[-1][1]["event"] == "stop"
    assert "Goodbye now." in call.heard
    assert "/after-stream" not in [path for path, _ in rest.bridge.forms]


async def test_completed_ends_a_live_call(rest: Rest) -> None:
    rest.bridge.connects()
    rest.sim.directory.phones[CALLEE] = listens(answers_after_ms=0)
    created = await rest.dial()
    call = rest.sim.network.calls[created.sid]
    await call.wait_for("stream started")
    await rest.client.calls(created.sid).update_async(status="completed")
    ended = await call.wait_until_over()
    assert (ended.data["status"], ended.data["by"]) == ("completed", "rest")
    assert len(rest.bridge.received("stop")) == 1


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        ({"to": "+1"}, (400, 21211)),
        ({"to": "+15005550001"}, (400, 21217)),
        ({"to": "+15005550002"}, (400, 21214)),
        ({"to": "+15005550003"}, (400, 21215)),
        ({"to": "+15005550004"}, (400, 21216)),
        ({"from_": "+15005550001"}, (400, 21212)),
        ({"from_": "+12125550177"}, (400, 21210)),
        ({"url": "not a url"}, (400, 21205)),
    ],
)
async def test_what_twilio_refuses_is_refused_with_its_code(
    rest: Rest, parameters: dict[str, str], answer: tuple[int, int]
) -> None:
    assert await refusal(rest, **parameters) == answer


async def test_a_wrong_token_is_20003_and_an_unknown_sid_20404(rest: Rest) -> None:
    async with official_client(rest.sim, "wrong") as stranger:
        with pytest.raises(TwilioRestException) as unauthorised:
            await stranger.api.accounts(ACCOUNT_SID).fetch_async()
    assert (unauthorised.value.status, unauthorised.value.code) == (401, 20003)
    with pytest.raises(TwilioRestException) as missing:
        await rest.client.calls("CA" + "0" * 32).fetch_async()
    assert (missing.value.status, missing.value.code) == (404, 20404)
    assert (await rest.client.api.accounts(ACCOUNT_SID).fetch_async()).status == "active"


async def test_rest_can_fail_once_and_lose_an_answer_on_request(rest: Rest) -> None:
    """A 429 was never processed; a lost answer was: the row must learn of the call from its callbacks."""
    rest.sim.equipment.faults.rest.append(RestFault(path="/Calls", status=429, code=20429))
    assert await refusal(rest) == (429, 20429)
    assert not rest.sim.network.calls
    rest.sim.equipment.faults.rest.append(RestFault(path="/Calls", lose_answer=True))
    with pytest.raises(aiohttp.ClientError):
        await rest.dial()
    assert len(rest.sim.network.calls) == 1


async def test_callbacks_come_twice_and_in_the_wrong_order_on_request(rest: Rest) -> None:
    rest.sim.equipment.faults.duplicate_callbacks = True
    rest.sim.equipment.faults.reorder_callbacks = True
    rest.sim.directory.phones[CALLEE] = listens(answers_after_ms=100)
    created = await rest.dial()
    await rest.sim.network.calls[created.sid].wait_until_over()
    assert [number for number, _ in rest.statuses[:4]] == ["1", "1", "0", "0"]
    assert sorted(number for number, _ in rest.statuses) == ["0", "0", "1", "1", "2", "2", "3", "3"]


async def test_calls_beyond_the_rate_wait_in_the_queue() -> None:
    timing = INSTANT.changed({"calls_per_second": 4})
    async with practice(timing) as (sim, bridge), official_client(sim) as client:
        rest = Rest(sim, bridge, client)
        sim.directory.phones[CALLEE] = Behaviour(pick_up="busy")
        created = await asyncio.gather(rest.dial(), rest.dial(), rest.dial())
        calls = [sim.network.calls[one.sid] for one in created]
        queued_ms = sorted([(await call.wait_for("initiated")).at_ms for call in calls])
    assert queued_ms[0] < 200 <= queued_ms[1] < 450 <= queued_ms[2]


async def test_numbers_are_found_set_up_bought_and_released(rest: Rest) -> None:
    found = await rest.client.incoming_phone_numbers.list_async(phone_number=NUMBER)
    assert [number.phone_number for number in found] == [NUMBER]
    sid = found[0].sid
    assert sid is not None
    updated = await rest.client.incoming_phone_numbers(sid).update_async(voice_url="https://b.example/v#rc=2")
    assert updated.voice_url == "https://b.example/v#rc=2"
    for_sale = await rest.client.available_phone_numbers("US").local.list_async(area_code=415, limit=3)
    wanted = for_sale[0].phone_number
    assert wanted is not None and wanted.startswith("+1415")
    bought = await rest.client.incoming_phone_numbers.create_async(phone_number=wanted)
    with pytest.raises(TwilioRestException) as again:
        await rest.client.incoming_phone_numbers.create_async(phone_number=wanted)
    assert again.value.code == 21422
    assert bought.sid is not None
    assert await rest.client.incoming_phone_numbers(bought.sid).delete_async()


async def test_lists_come_in_pages(rest: Rest) -> None:
    pages = await rest.client.incoming_phone_numbers.list_async(page_size=2)
    assert len(pages) == 3


async def test_the_account_survives_a_restart(tmp_path: Path) -> None:
    """Webhooks that the server has set are still there, or no call would arrive the next day."""
    async with Simulator(state_dir=tmp_path, timing=INSTANT) as sim, official_client(sim) as client:
        number = (await client.incoming_phone_numbers.list_async(phone_number=NUMBER))[0]
        await number.update_async(voice_url="https://b.example/voice")
    async with Simulator(state_dir=tmp_path, timing=INSTANT) as sim:
        kept = sim.account.owned(NUMBER)
    assert kept is not None and kept.voice_url == "https://b.example/voice"
