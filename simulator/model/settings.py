"""How the pretend model behaves: how long it takes, and what it does wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(slots=True)
class ModelTiming:
    """Latencies of the real thing, as far as they were seen; changes apply to what begins afterwards."""

    connect_ms: int = 300
    """From the upgrade request to its answer."""
    first_audio_ms: int = 700
    """From the end of the caller's turn, or from `response.create`, to the first output."""
    speed: float = 4.0
    """Speech is sent this many times faster than it plays."""
    delta_ms: tuple[int, int] = (40, 380)
    """Shortest and longest piece of speech in one delta; the sizes are ragged on purpose."""
    transcription_ms: int = 400
    """From the committed turn to its finished transcription."""
    session_limit_s: float = 3600.0
    """Then `session_expired` and close 1001."""


Transcription = Literal["normal", "late", "failed", "missing", "swapped"]
"""`late`: only after the response that answers it is done. `swapped`: two turns come out in the wrong order.
"""


@dataclass(slots=True)
class ModelBehaviour:
    """What OpenAI may do and a client has to live with."""

    api_keys: frozenset[str] | None = None
    """Accepted keys; None: any."""
    refuse_key_by: Literal["close", "status"] = "close"
    """`close`: upgrade, `error`, close 3000. `status`: 401 instead of the upgrade."""
    in_flight_deltas: int = 2
    """Audio deltas of an interrupted response that still arrive after `speech_started`."""
    item_done_first: bool = False
    """`conversation.item.done` before `response.output_item.done`: their order is not documented."""
    transcription: Transcription = "normal"
    usage: bool = True
    """False: `response.done` without `usage`, as compatible servers send it."""
    unknown_events: bool = False
    """Events that no client knows, mixed in."""
    obfuscation: bool = False
    """An `obfuscation` key in the deltas."""
    keeps_pcm: bool = False
    """Confirms a `session.update` but stays with 24 kHz PCM on both sides."""
    mute: bool = False
    """Accepts the socket and never says anything, not even `session.created`."""
    mcp_servers: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The tools that each MCP server has, by `server_url`; listing those of another one fails."""
    seed: int = 0
    """Of the ragged sizes and the ids; the same seed gives the same session."""
