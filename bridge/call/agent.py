"""What an agent is: its settings as an operator writes them, and as one call runs on them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

DEFAULT_MODEL = "gpt-realtime-2.1"
DEFAULT_TRANSCRIPTION_MODEL = "gpt-live-transcribe"
DEFAULT_VOICE = "ash"


class ServerVad(Struct, tag_field="type", tag="server_vad", kw_only=True, forbid_unknown_fields=True):
    """OpenAI's turn detection by loudness and silence."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, Meta(ge=50, le=10_000)] = 500
    idle_timeout_ms: Annotated[int, Meta(ge=5000, le=30_000)] | None = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(Struct, tag_field="type", tag="semantic_vad", kw_only=True, forbid_unknown_fields=True):
    """OpenAI's turn detection by what was said."""

    eagerness: Annotated[str, Meta(pattern="^(auto|low|medium|high)$")] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


class NoiseReduction(Struct, kw_only=True, forbid_unknown_fields=True):
    type: Annotated[str, Meta(pattern="^(near_field|far_field)$")] = "near_field"


class Reasoning(Struct, kw_only=True, forbid_unknown_fields=True):
    effort: Annotated[str, Meta(pattern="^(minimal|low|medium|high|xhigh)$")] = "low"


class EndCallTool(Struct, tag_field="type", tag="end_call", kw_only=True, forbid_unknown_fields=True):
    """Lets the agent hang up once its goodbye has been heard."""


PhoneNumberText = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}$", description="E.164")]


class AgentConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """An agent as the operator writes it. Only `name` and `prompt` are required."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    prompt: Annotated[str, Meta(min_length=1, max_length=100_000)]
    voice: Annotated[str, Meta(min_length=1, max_length=100)] = DEFAULT_VOICE
    model: Annotated[str, Meta(min_length=1, max_length=100)] = DEFAULT_MODEL
    reasoning: Reasoning | None = None
    greeting: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    """What the agent says first; None: it waits for the caller."""
    greeting_interruptible: bool = True
    language: Annotated[str, Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0
    turn_detection: ServerVad | SemanticVad = msgspec.field(default_factory=ServerVad)
    noise_reduction: NoiseReduction | None = msgspec.field(default_factory=NoiseReduction)
    transcription_model: Annotated[str, Meta(min_length=1, max_length=100)] | None = (
        DEFAULT_TRANSCRIPTION_MODEL
    )
    """Writes down what the caller says; None: the caller's side is not transcribed."""
    tools: Annotated[list[EndCallTool], Meta(max_length=64)] = msgspec.field(
        default_factory=lambda: [EndCallTool()]
    )
    max_call_seconds: Annotated[int, Meta(ge=10, le=14_400)] = 3600
    caller_silent_seconds: Annotated[int, Meta(ge=5, le=3600)] = 60
    fallback_number: PhoneNumberText | None = None
    """Rung when the agent cannot go on."""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class AgentSnapshot(Struct, frozen=True, kw_only=True):
    """The agent of one call: a version's settings with the call's variables filled in. Never changes."""

    agent_id: str
    version: int
    config: AgentConfig
    """`prompt` and `greeting` in it are filled."""
