"""One real call that finds out whether Twilio does what the resuming of calls takes it to do.

The call is to somebody who has agreed to it; it lasts about ten seconds and says nothing but a tone.
https://www.twilio.com/docs/voice/twiml/connect leaves open what these findings answer.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence

import asyncpg

from database.trial_reports import Report, reports_of
from server.doctor import Finding
from server.settings import Settings
from telephony import trial_twiml
from telephony.addresses import Addresses
from telephony.twilio import TwilioAccount, TwilioRefused, TwilioUnreachable

PRICE = "about 2 US cents: a minute of an outgoing call and of its media stream"
RING_SECONDS = 30
LONGEST_SECONDS = 90.0
"""Of the whole trial, ringing included."""
LIMIT_SECONDS = 60
"""Twilio hangs up then, whatever we do."""
LAST_STEP = "fallback"


async def try_a_call(settings: Settings, to: str, from_: str | None = None) -> AsyncGenerator[Finding]:
    """Calls `to`. The server that `settings` are of must be running; Twilio must reach it."""
    twilio = TwilioAccount(
        settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_api_base_url
    )
    try:
        caller = from_ or await _own_number(twilio)
        if caller is None:
            mend = "Buy one with `callbridge numbers add --buy`, or name a verified one with --from."
            yield Finding(subject="live call", ok=False, what="the account has no number", mend=mend)
            return
        for finding in judge(await _reports(settings, twilio, to, caller)):
            yield finding
    except (TwilioRefused, TwilioUnreachable) as error:
        what = f"could not be placed: {getattr(error, 'message', error)}"
        yield Finding(subject="live call", ok=False, what=what, mend="Mend Twilio first.")
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        what = f"Postgres does not pass on what happened: {type(error).__name__}"
        yield Finding(subject="live call", ok=False, what=what, mend="Check DATABASE_URL.")
    finally:
        await twilio.close()


async def _own_number(twilio: TwilioAccount) -> str | None:
    return next((one.number for one in await twilio.list_numbers()), None)


async def _reports(settings: Settings, twilio: TwilioAccount, to: str, from_: str) -> list[Report]:
    """Everything that was reported of the call, until its last step or its end."""
    run, addresses = secrets.token_hex(8), Addresses(settings.public_url)
    found: list[Report] = []
    async with reports_of(settings.database_url, run) as heard:
        call_sid = await twilio.place_call(
            to=to,
            from_=from_,
            url=addresses.trial(run, "begin"),
            status_callback=addresses.trial(run, "status"),
            fallback_url=addresses.trial(run, LAST_STEP),
            timeout_seconds=RING_SECONDS,
            time_limit_seconds=LIMIT_SECONDS,
        )
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                while not found or not _is_last(found[-1]):
                    found.append(one := await heard.get())
                    if (one.step, one.what) == ("moved", "started"):
                        moved = trial_twiml.redirect(addresses.trial(run, "moved"))
                        await twilio.redirect_call(call_sid, moved)
        except TimeoutError:
            pass
        finally:
            await twilio.end_call(call_sid)
    return found


def _is_last(report: Report) -> bool:
    over = report.step == "status" and report.data["call_status"] not in ("queued", "ringing", "in-progress")
    return report.step == LAST_STEP or (over and report.data["call_status"] != "initiated")


def judge(reports: Sequence[Report]) -> list[Finding]:
    """What Twilio did, against what it is taken to do. Pure."""
    if not any(report.step == "begin" for report in reports):
        what = "was not answered, or Twilio did not ask what to do"
        return [Finding(subject="live call", ok=False, what=what, mend="Answer it, and run `doctor` alone.")]
    return [
        _after("closed", "a stream that we close", reports),
        _after("aborted", "a stream that breaks", reports),
        _clear(reports),
        _moved(reports),
        _retries(reports),
        _fallback(reports),
    ]


def _first(reports: Sequence[Report], step: str, what: str) -> Report | None:
    return next((one for one in reports if (one.step, one.what) == (step, what)), None)


def _after(ending: str, subject: str, reports: Sequence[Report]) -> Finding:
    ended = _first(reports, ending, "ended")
    action = _first(reports, f"after-{ending}", "asked")
    asked = action or _first(reports, f"after-{ending}-redirected", "asked")
    if ended is None or asked is None:
        return _missing(subject, "Twilio asked nothing after it: calls cannot be resumed")
    by = "action" if action is not None else "the Redirect, not action,"
    status = asked.data["call_status"]
    what = f"{by} was requested {round((asked.at - ended.at) * 1000)} ms later, with CallStatus={status}"
    mend = "" if status == "in-progress" else "Report this: the caller would be taken to be gone."
    return Finding(subject=subject, ok=not mend, what=what, mend=mend)


def _clear(reports: Sequence[Report]) -> Finding:
    subject, cleared = "clear", _first(reports, "closed", "cleared")
    if cleared is None:
        return _missing(subject, "the first stream did not come")
    marks, ms = cleared.data["marks"], cleared.data["ms"]
    if marks == ["one", "two"]:
        return Finding(subject=subject, ok=True, what=f"the pending marks came back, in order, in {ms} ms")
    return _missing(subject, f"of two pending marks {len(marks)} came back within {ms} ms")


def _moved(reports: Sequence[Report]) -> Finding:
    subject, stopped = "new TwiML by REST", _first(reports, "moved", "stopped")
    asked = _first(reports, "moved", "asked")
    if stopped is None or asked is None:
        return _missing(subject, "the call did not go on with it: calls cannot be moved")
    after = _first(reports, "after-moved", "asked") or _first(reports, "after-moved-redirected", "asked")
    said = "said stop" if stopped.data["stopped"] else "ended without stop"
    requested = "action was requested as well" if after else "action was not requested"
    return Finding(subject=subject, ok=True, what=f"ran; the stream {said}; {requested}")


def _retries(reports: Sequence[Report]) -> Finding:
    subject = "retries of a webhook"
    tries = [one for one in reports if (one.step, one.what) == ("broken", "asked")]
    if not tries:
        return _missing(subject, "the address that fails was not asked")
    tokens = {one.data["token"] for one in tries}
    same = (
        "the same idempotency token" if len(tokens) == 1 and tokens != {""} else "different tokens, or none"
    )
    seconds = tries[-1].at - tries[0].at
    what = f"{len(tries)} tries within {seconds:.1f} s, with {same}"
    ok = len(tries) > 1 and same.startswith("the")
    return Finding(subject=subject, ok=ok, what=what, mend="" if ok else _REPORT)


def _fallback(reports: Sequence[Report]) -> Finding:
    subject, asked = "fallback URL", _first(reports, LAST_STEP, "asked")
    if asked is None:
        return _missing(subject, "was not asked after the last try")
    return Finding(subject=subject, ok=True, what=f"asked, with ErrorCode={asked.data['error_code']}")


_REPORT = "Report this: docs/reliability.md says what relies on it."


def _missing(subject: str, what: str) -> Finding:
    return Finding(subject=subject, ok=False, what=what, mend=_REPORT)
