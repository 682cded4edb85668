"""Every latency of the pretend telephone network, in one place. Defaults like the real thing.

The model's are in `model/settings.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace


class BadTiming(ValueError):
    """A timing that does not exist or is not a number of the right kind; the message says which."""


@dataclass(frozen=True)
class Timing:
    rest_ms: float = 20
    """Twilio's REST API: how long an answer takes."""
    webhook_ms: float = 100
    """From the moment Twilio has something to say until its request leaves for our server."""
    calls_per_second: float = 1.0
    """Calls made by the REST API wait in a queue at this rate. Calls that come in are not limited."""
    dial_ms: float = 300
    """From `initiated` to `ringing`."""
    rated_after_ms: float = 5000
    """From the end of a call until the REST API tells its price."""
    stream_setup_ms: float = 400
    """From the TwiML that connects a stream until the WebSocket is asked for."""
    one_way_ms: float = 40
    """Media Streams: each message's way between Twilio and our server, in each direction."""
    jitter_ms: float = 0
    """Added to `one_way_ms`: even odds between 0 and this, from a seeded generator; order is kept."""
    notices_ms: float = 15_000
    """From the death of a media socket's network until Twilio gives it up; nobody has published it."""
    jitter_buffer_ms: float = 60
    """From Twilio's playing to the phone's ear, in steps of 20 ms. What is in it is heard after a `clear`."""

    def changed(self, values: dict[str, object]) -> Timing:
        """The same with some values changed; raises BadTiming."""
        known = {field.name for field in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise BadTiming(f"There is no timing '{name}'. There are: {', '.join(sorted(known))}.")
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise BadTiming(f"'{name}' must be a number, not negative.")
            if name == "calls_per_second" and value == 0:
                raise BadTiming("'calls_per_second' must be above 0.")
        return replace(self, **values)  # pyright: ignore[reportArgumentType] checked just above

    def as_json(self) -> dict[str, float]:
        return asdict(self)


INSTANT = Timing(
    rest_ms=0,
    webhook_ms=0,
    calls_per_second=1000,
    dial_ms=0,
    rated_after_ms=0,
    stream_setup_ms=0,
    one_way_ms=0,
    jitter_buffer_ms=0,
)
"""Nothing takes time but the audio itself: for tests that are not about time."""
