"""What `run.py` asks of the load process, and what it is told: JSON lines over standard input and output."""

from __future__ import annotations

from msgspec import Struct


class Spec(Struct, kw_only=True):
    """A scenario, sent before anything is started: the load process listens, then says so."""

    calls: int
    """Calls up at once; with `calls_per_second` the load process keeps none up but those it makes."""
    control_calls: int = 8
    """Of them so many go through an in-process pass-through."""
    warm_s: float = 3.0
    window_s: float = 8.0
    windows: int = 1
    calls_per_second: float = 0
    """Churn: new calls so often, each living `life_s`, for `window_s`."""
    life_s: float = 10.0
    dial_ms: int = 0
    """What the model's upgrade takes."""
    step: int = 0
    """Capacity: so many calls more after each window, until p99 is over `limit_ms`."""
    limit_ms: float = 20.0
    model_port: int
    twilio_port: int
    tool_port: int = 0
    tool_calls_each: int = 0
    """One call of so many asks for a tool in each of its turns; 0: none does."""
    certificate: str = ""
    """PEM files of the model's TLS; empty: plain."""
    key: str = ""


class Target(Struct, kw_only=True):
    """The bridge, sent once it is up."""

    url: str
    """Of its media socket; of a product, its PUBLIC_URL."""
    product: bool
    pids: dict[str, int]
    """Roots of process trees whose CPU and memory are counted, by what they are called."""
    auth_token: str = ""
    account_sid: str = ""
    number: str = ""
    trust: str = ""
    """PEM file of the authority behind an https `url`; empty: the system's."""
    ramp_per_second: float = 50


class Latency(Struct, kw_only=True):
    """Microseconds."""

    count: int = 0
    p50: float = 0
    p99: float = 0
    worst: float = 0


class Window(Struct, kw_only=True):
    """What one measured stretch showed."""

    calls: float
    """Average number of calls up."""
    seconds: float
    cpu_us: dict[str, float]
    """CPU per call-second, by process; a tree's Postgres is `postgres`."""
    rss_kb: float
    """Resident memory above the idle process's per call, without Postgres."""
    load_cpu: float
    """Share of its core that this process used: near 1 the figures are worth nothing."""
    up: Latency
    down: Latency
    up_control: Latency
    down_control: Latency


class Result(Struct, kw_only=True):
    windows: list[Window]
    clear: Latency
    """From `speech_started` written by the model to `clear` read by the phone, both sockets included."""
    clear_control: Latency
    clears_missing: int
    greeting: Latency
    """From `start`, or the model's first audio where that is later, to the first agent audio."""
    greeting_control: Latency
    dial_to_twiml: Latency
    """From the webhook to its answer."""
    calls_made: int
    calls_failed: int
    failures: dict[str, int]
    """Of what, and how often."""
    caller_frames: int
    caller_frames_lost: int
    """Between a call's first and last frame that arrived."""
    caller_frames_lost_at_start: int
    caller_frames_lost_at_end: int
    caller_frames_disordered: int
    """Came twice, or after a later one, or on another call's session."""
    agent_frames: int
    agent_frames_lost: int
    agent_frames_disordered: int
    sessions_left: int
    """Model sessions still open a while after every phone was hung up."""
    idle_rss_kb: float
    rss_over_time_kb: list[float]
    """Churn: once in each twentieth of the time, Postgres not counted."""
    files_over_time: list[int]
    """Open file descriptors, as above."""
