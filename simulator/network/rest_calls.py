"""REST for calls: what Twilio accepts, what it refuses and how. Plain decisions; `rest.py` has the HTTP.

https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import phonenumbers

from simulator.network.account import PracticeAccount
from simulator.network.call import Interruption, MachineDetection, Settings, SimulatedCall, Source
from simulator.network.errors import Refused
from simulator.network.reach import why_not_callable

Form = Mapping[str, Sequence[str]]

MAGIC_FROM = "+15005550006"
"""Always accepted: https://www.twilio.com/docs/iam/test-credentials"""
_MAGIC = {
    ("From", "+15005550001"): (21212, "The 'From' number +15005550001 is not a valid phone number."),
    ("To", "+15005550001"): (21217, "Phone number does not appear to be valid."),
    ("To", "+15005550002"): (21214, "'To' phone number cannot be reached."),
    ("To", "+15005550003"): (21215, "Account not authorized to call +15005550003."),
    ("To", "+15005550004"): (21216, "Account not allowed to call +15005550004: it is on the block list."),
}
_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})


def one(form: Form, name: str, otherwise: str = "") -> str:
    values = form.get(name)
    return values[0] if values else otherwise


def new_call(form: Form, account: PracticeAccount) -> tuple[str, str, Settings]:
    """`from`, `to` and what the call is to do. Raises Refused."""
    from_, to = one(form, "From"), one(form, "To")
    if not to:
        raise Refused(21201, "No 'To' number is specified")
    if not from_:
        raise Refused(21213, "No 'From' number is specified")
    for name, number in (("From", from_), ("To", to)):
        if magic := _MAGIC.get((name, number)):
            raise Refused(*magic)
    _require_number("To", to, 21211)
    _require_number("From", from_, 21212)
    why = why_not_callable(to)
    if why is not None:
        raise Refused(21215 if why.startswith("13227") else 21216, f"Not authorized to call {to}: {why}")
    if from_ != MAGIC_FROM and account.owned(from_) is None:
        raise Refused(
            21210, f"The source phone number provided, {from_}, is not yet verified for your account."
        )
    return from_, to, _settings(form)


def _settings(form: Form) -> Settings:
    for name, code in (("Url", 21205), ("FallbackUrl", 21205), ("StatusCallback", 21609)):
        if one(form, name):
            _require_url(name, one(form, name), code)
    events = frozenset(word for value in form.get("StatusCallbackEvent", ()) for word in value.split())
    if unknown := events - _EVENTS:
        raise Refused(21626, f"Invalid StatusCallbackEvent: {', '.join(sorted(unknown))}")
    return Settings(
        source_of(form),
        one(form, "FallbackUrl"),
        one(form, "FallbackMethod", "POST"),
        one(form, "StatusCallback"),
        one(form, "StatusCallbackMethod", "POST"),
        events or frozenset({"completed"}),
        min(600.0, _number(form, "Timeout", 60, 21208)),
        _number(form, "TimeLimit", 14_400, 21208),
        machine_detection=None if one(form, "SendDigits") else _machine_detection(form),
    )


def _machine_detection(form: Form) -> MachineDetection | None:
    mode = one(form, "MachineDetection")
    if mode in ("", "none"):
        return None
    if mode not in ("Enable", "DetectMessageEnd"):
        raise Refused(21234, f"Invalid MachineDetection: {mode}")
    if one(form, "AsyncAmd") != "true":
        raise Refused(21234, "This network detects answering machines asynchronously only: AsyncAmd=true.")
    callback = one(form, "AsyncAmdStatusCallback")
    if callback:
        _require_url("AsyncAmdStatusCallback", callback, 21234)
    return MachineDetection(
        mode,
        callback,
        one(form, "AsyncAmdStatusCallbackMethod", "POST"),
        _within(form, "MachineDetectionTimeout", 30, 3, 59),
        _within(form, "MachineDetectionSpeechThreshold", 2400, 1000, 6000),
        _within(form, "MachineDetectionSpeechEndThreshold", 1200, 500, 5000),
        _within(form, "MachineDetectionSilenceTimeout", 5000, 2000, 10_000),
    )


def _within(form: Form, name: str, otherwise: int, least: int, most: int) -> float:
    value = _number(form, name, otherwise, 21234)
    if not least <= value <= most:
        raise Refused(21234, f"{name} must be {least} to {most}.")
    return value


def source_of(form: Form) -> Source:
    """Raises Refused when neither an address nor TwiML is given."""
    if url := one(form, "Url"):
        return Source(url, one(form, "Method", "POST"))
    twiml = one(form, "Twiml")
    if not twiml:
        raise Refused(21205, "Url parameter is required.")
    if len(twiml) > 4_000:
        raise Refused(21205, "Twiml parameter has more than 4000 characters.")
    return Source(twiml=twiml)


def update(form: Form, call: SimulatedCall) -> None:
    """Does what the update asks for. Raises Refused: 21220 when the call is over."""
    if call.record.is_over:
        raise Refused(21220, "Call is not in-progress. Cannot redirect.")
    status = one(form, "Status")
    if status not in ("", "completed", "canceled"):
        raise Refused(20001, f"Invalid value for Status: {status}", 400)
    if status == "completed" or (status == "canceled" and call.line is None):
        call.interrupt(Interruption("rest"))
    elif not status and ("Url" in form or "Twiml" in form):
        if "Url" in form:
            _require_url("Url", one(form, "Url"), 21205)
        if call.line is None:
            raise Refused(21220, "Call is not in-progress. Cannot redirect.")
        call.interrupt(Interruption("rest", source_of(form)))


def matching(calls: Sequence[SimulatedCall], query: Form) -> list[SimulatedCall]:
    """Newest first, by the filters To, From, Status, ParentCallSid and the day or time of StartTime."""
    after, before, day = (one(query, name) for name in ("StartTime>", "StartTime<", "StartTime"))

    def fits(call: SimulatedCall) -> bool:
        record = call.record
        began = (record.started_at or record.created_at).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            one(query, "To", record.to) == record.to
            and one(query, "From", record.from_) == record.from_
            and one(query, "Status", record.status) == record.status
            and one(query, "ParentCallSid", record.parent_call_sid or "") == (record.parent_call_sid or "")
            and began[: len(after)] >= after
            and (not before or began[: len(before)] <= before)
            and began.startswith(day)
        )

    return [call for call in reversed(calls) if fits(call)]


def _require_number(name: str, number: str, code: int) -> None:
    if number.startswith(("sip:", "client:")):
        return
    try:
        if phonenumbers.is_possible_number(phonenumbers.parse(number)):
            return
    except phonenumbers.NumberParseException:
        pass
    raise Refused(code, f"The '{name}' number {number} is not a valid phone number.")


def _require_url(name: str, url: str, code: int) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused(code, f"{name} is not a valid URL: {url}")


def _number(form: Form, name: str, otherwise: int, code: int) -> float:
    text = one(form, name, str(otherwise))
    if not text.isdecimal() or int(text) == 0:
        raise Refused(code, f"Invalid {name} value: {text}")
    return float(text)
