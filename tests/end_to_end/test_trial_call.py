"""`callbridge doctor --live-call`: one call on which sockets are closed, broken and replaced."""

from __future__ import annotations

from server.doctor import Finding
from server.trial_call import try_a_call
from simulator.phones.behaviour import Behaviour
from tests.end_to_end.harness import Harness

PHONE = "+12125550181"


async def findings(callbridge: Harness) -> dict[str, Finding]:
    return {one.subject: one async for one in try_a_call(callbridge.parts.settings, PHONE)}


async def test_the_simulated_twilio_does_what_is_relied_on(callbridge: Harness):
    callbridge.sim.directory.phones[PHONE] = Behaviour(answers_after_ms=50, hangs_up="never")
    found = await findings(callbridge)
    assert [one.what for one in found.values() if not one.ok] == []
    assert found["a stream that we close"].what.startswith("action was requested")
    assert found["a stream that breaks"].what.endswith("CallStatus=in-progress")
    assert "came back, in order" in found["clear"].what
    assert found["new TwiML by REST"].what == "ran; the stream said stop; action was not requested"
    assert found["retries of a webhook"].what.startswith("3 tries")
    assert found["fallback URL"].what == "asked, with ErrorCode=11200"
    [call] = callbridge.sim.network.calls.values()
    await call.wait_until_over()


async def test_a_phone_that_nobody_answers_is_found_to_be_one(callbridge: Harness):
    callbridge.sim.directory.phones[PHONE] = Behaviour(pick_up="busy")
    [finding] = (await findings(callbridge)).values()
    assert (finding.ok, finding.subject) == (False, "live call")
