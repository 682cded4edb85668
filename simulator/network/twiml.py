"""Reads TwiML into verbs, the way Twilio does: what is wrong stops the document, what is odd is a warning.

https://www.twilio.com/docs/voice/twiml
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

MOST_BYTES = 64 * 1024


class TwimlError(Exception):
    """Twilio refuses the document; `code` is its error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


@dataclass(frozen=True)
class Say:
    text: str
    loop: int = 1


@dataclass(frozen=True)
class Play:
    url: str
    digits: str = ""
    loop: int = 1


@dataclass(frozen=True)
class Pause:
    seconds: float = 1


@dataclass(frozen=True)
class Redirect:
    url: str
    method: str = "POST"


@dataclass(frozen=True)
class Hangup:
    pass


@dataclass(frozen=True)
class Reject:
    reason: str = "rejected"


@dataclass(frozen=True)
class Stream:
    url: str
    name: str = ""
    parameters: dict[str, str] = field(default_factory=dict[str, str])
    status_callback: str = ""


@dataclass(frozen=True)
class Connect:
    stream: Stream
    action: str = ""
    method: str = "POST"


@dataclass(frozen=True)
class Callee:
    """A `<Number>` or a `<Sip>`: whom a `<Dial>` rings."""

    to: str
    """E.164, or a `sip:` address."""
    url: str = ""
    """TwiML for whoever picks up, before they are joined to the caller."""
    method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    status_events: frozenset[str] = frozenset({"completed"})


@dataclass(frozen=True)
class Dial:
    callees: tuple[Callee, ...]
    action: str = ""
    method: str = "POST"
    timeout_seconds: float = 30
    caller_id: str = ""
    time_limit_seconds: float = 14_400
    answer_on_bridge: bool = False
    sequential: bool = False


Verb = Say | Play | Pause | Redirect | Hangup | Reject | Connect | Dial


@dataclass(frozen=True)
class Document:
    verbs: tuple[Verb, ...]
    warnings: tuple[str, ...]
    base_url: str


_ATTRIBUTES = {
    "Say": {"voice", "language", "loop"},
    "Play": {"digits", "loop"},
    "Pause": {"length"},
    "Redirect": {"method"},
    "Hangup": set[str](),
    "Reject": {"reason"},
    "Connect": {"action", "method"},
    "Stream": {"url", "name", "track", "statusCallback", "statusCallbackMethod"},
    "Parameter": {"name", "value"},
    "Dial": {
        "action", "method", "timeout", "timeLimit", "callerId", "answerOnBridge", "hangupOnStar", "record",
        "recordingStatusCallback", "recordingStatusCallbackMethod", "recordingStatusCallbackEvent",
        "ringTone", "sequential",
    },
    "Number": {
        "sendDigits", "url", "method", "statusCallback", "statusCallbackEvent", "statusCallbackMethod",
    },
    "Sip": {
        "username", "password", "url", "method", "statusCallback", "statusCallbackEvent",
        "statusCallbackMethod",
    },
}  # fmt: skip
_NOUNS = ("Stream", "Parameter", "Number", "Sip")
_CALL_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
MOST_CALLEES = 10


def read(text: str, base_url: str) -> Document:
    """The document's verbs; relative addresses are taken from `base_url`. Raises TwimlError."""
    if len(text.encode()) > MOST_BYTES:
        raise TwimlError(11750, "The TwiML response is larger than 64 kB.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 from the server under test, and 64 kB at most
    except ElementTree.ParseError as error:
        raise TwimlError(12100, f"Document parse failure: {error}") from None
    if root.tag != "Response":
        raise TwimlError(12102, f"The root element must be <Response>, not <{root.tag}>.")
    reader = _Reader(base_url)
    verbs = tuple(reader.verb(element) for element in root)
    if any(isinstance(verb, Reject) for verb in verbs[1:]):
        reader.warnings.append("12200 <Reject> must be the first verb")
    return Document(verbs, tuple(reader.warnings), base_url)


class _Reader:
    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.warnings: list[str] = []

    def verb(self, element: ElementTree.Element) -> Verb:
        if element.tag not in _ATTRIBUTES or element.tag in _NOUNS:
            raise TwimlError(12200, f"<{element.tag}> is not a verb that this network carries out.")
        self._check(element)
        readers: dict[str, Callable[[ElementTree.Element], Verb]] = {
            "Say": self._say, "Play": self._play, "Pause": self._pause, "Redirect": self._redirect,
            "Hangup": self._hangup, "Reject": self._reject, "Connect": self._connect, "Dial": self._dial,
        }  # fmt: skip
        return readers[element.tag](element)

    def _hangup(self, element: ElementTree.Element) -> Hangup:
        return Hangup()

    def _reject(self, element: ElementTree.Element) -> Reject:
        return Reject(element.get("reason", "rejected"))

    def _say(self, element: ElementTree.Element) -> Say:
        text = "".join(element.itertext()).strip()
        if not text:
            raise TwimlError(13520, "<Say> has no text.")
        if len(text) > 4096:
            raise TwimlError(13521, "<Say> has more than 4096 characters.")
        return Say(text, int(self._number(element, "loop", 1)))

    def _play(self, element: ElementTree.Element) -> Play:
        url = (element.text or "").strip()
        loop = int(self._number(element, "loop", 1))
        return Play(self._absolute(url) if url else "", element.get("digits", ""), loop)

    def _pause(self, element: ElementTree.Element) -> Pause:
        return Pause(self._number(element, "length", 1))

    def _redirect(self, element: ElementTree.Element) -> Redirect:
        return Redirect(self._absolute((element.text or "").strip()), element.get("method", "POST"))

    def _connect(self, element: ElementTree.Element) -> Connect:
        streams = [child for child in element if child.tag == "Stream"]
        if len(element) != 1 or len(streams) != 1:
            raise TwimlError(12200, "<Connect> must hold exactly one <Stream>.")
        action = element.get("action")
        return Connect(
            self._stream(streams[0]), self._absolute(action) if action else "", element.get("method", "POST")
        )

    def _stream(self, element: ElementTree.Element) -> Stream:
        self._check(element)
        if element.get("track", "inbound_track") != "inbound_track":
            raise TwimlError(31941, "Inside <Connect> the only track is inbound_track.")
        parameters: dict[str, str] = {}
        for child in element:
            self._check(child)
            name, value = child.get("name", ""), child.get("value", "")
            if len(name) + len(value) >= 500:
                raise TwimlError(12200, f"<Parameter> '{name}' has 500 or more characters.")
            parameters[name] = value
        callback = element.get("statusCallback")
        url = urljoin(self.base_url.replace("http", "ws", 1), element.get("url", ""))
        return Stream(url, element.get("name", ""), parameters, self._absolute(callback) if callback else "")

    def _dial(self, element: ElementTree.Element) -> Dial:
        callees = tuple(self._callee(child) for child in element)
        text = (element.text or "").strip()
        if text or not callees:
            callees = (Callee(_number_to_dial(text)), *callees)
        if len(callees) > MOST_CALLEES:
            raise TwimlError(12200, f"<Dial> rings at most {MOST_CALLEES} at once.")
        action = element.get("action")
        return Dial(
            callees,
            self._absolute(action) if action else "",
            element.get("method", "POST"),
            self._number(element, "timeout", 30),
            element.get("callerId", ""),
            self._number(element, "timeLimit", 14_400),
            element.get("answerOnBridge") == "true",
            element.get("sequential") == "true",
        )

    def _callee(self, element: ElementTree.Element) -> Callee:
        if element.tag not in ("Number", "Sip"):
            raise TwimlError(12200, f"Inside <Dial> this network carries out no <{element.tag}>.")
        self._check(element)
        to = (element.text or "").strip()
        events = frozenset(element.get("statusCallbackEvent", "completed").split())
        self.warnings += [f"12200 no event '{name}' of a call" for name in sorted(events - _CALL_EVENTS)]
        url, callback = element.get("url"), element.get("statusCallback")
        return Callee(
            _number_to_dial(to) if element.tag == "Number" else _sip_address(to),
            self._absolute(url) if url else "",
            element.get("method", "POST"),
            self._absolute(callback) if callback else "",
            element.get("statusCallbackMethod", "POST"),
            events,
        )

    def _check(self, element: ElementTree.Element) -> None:
        unknown = set(element.keys()) - _ATTRIBUTES.get(element.tag, set())
        self.warnings += [f"12200 <{element.tag}> has no attribute '{name}'" for name in sorted(unknown)]

    def _number(self, element: ElementTree.Element, name: str, otherwise: float) -> float:
        try:
            return float(element.get(name, otherwise))
        except ValueError:
            self.warnings.append(f"12200 '{name}' of <{element.tag}> is not a number")
            return otherwise

    def _absolute(self, url: str) -> str:
        return urljoin(self.base_url, url)


def _number_to_dial(text: str) -> str:
    if not text.startswith("+") or not text[1:].isdecimal():
        raise TwimlError(13223, "<Dial> needs a phone number in E.164.")
    return text


def _sip_address(text: str) -> str:
    if not text.startswith(("sip:", "sips:")) or "@" not in text:
        raise TwimlError(13224, "<Sip> needs an address such as sip:desk@pbx.example.")
    return text


def stream_refusal(url: str) -> tuple[int, str] | None:
    """Why Twilio would not connect a stream to this address. Plain `ws://` may only stay on this machine."""
    parts = urlsplit(url)
    if parts.query or " " in url or not parts.hostname:
        return 31923, "Malformed stream URL: it has a query string, a space or no host."
    if parts.scheme == "wss" or (parts.scheme == "ws" and _is_loopback(parts.hostname)):
        return None
    return 31922, f"The stream URL's scheme '{parts.scheme}' is not supported: it must be wss."


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
