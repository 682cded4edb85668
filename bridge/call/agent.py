"""What an agent is: its settings as an operator writes them, and as one call runs on them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from bridge.call.keys import Keys
from bridge.call.lines import Lines
from bridge.call.tools import E164, EndCallTool, Tool

DEFAULT_MODEL = "gpt-realtime-2.1"
DEFAULT_TRANSCRIPTION_MODEL = "gpt-live-transcribe"
DEFAULT_VOICE = "ash"


CreateResponse = Annotated[
    bool, Meta(description="The agent answers by itself whenever the caller has finished speaking.")
]
InterruptResponse = Annotated[bool, Meta(description="The agent stops speaking when the caller begins to.")]


class ServerVad(Struct, tag_field="type", tag="server_vad", kw_only=True, forbid_unknown_fields=True):
    """OpenAI's turn detection by loudness and silence."""

    threshold: Annotated[
        float, Meta(ge=0, le=1, description="How loud speech must be; higher for noisy lines.")
    ] = 0.5
    prefix_padding_ms: Annotated[
        int, Meta(ge=0, le=5000, description="How much from before the speech is heard with it.")
    ] = 300
    silence_duration_ms: Annotated[
        int,
        Meta(ge=50, le=10_000, description="How long a silence ends a turn; part of every answer's delay."),
    ] = 500
    idle_timeout_ms: (
        Annotated[
            int, Meta(ge=5000, le=30_000, description="After so much silence the agent speaks unasked.")
        ]
        | None
    ) = None
    create_response: CreateResponse = True
    interrupt_response: InterruptResponse = True


class SemanticVad(Struct, tag_field="type", tag="semantic_vad", kw_only=True, forbid_unknown_fields=True):
    """OpenAI's turn detection by what was said."""

    eagerness: Annotated[
        str,
        Meta(
            pattern="^(auto|low|medium|high)$",
            description="`low` lets the caller think, `high` answers soon; `auto` is `medium`.",
        ),
    ] = "auto"
    create_response: CreateResponse = True
    interrupt_response: InterruptResponse = True


class NoiseReduction(Struct, kw_only=True, forbid_unknown_fields=True):
    type: Annotated[
        str,
        Meta(
            pattern="^(near_field|far_field)$",
            description="`near_field` for a phone at the ear, `far_field` for a speakerphone.",
        ),
    ] = "near_field"


class Reasoning(Struct, kw_only=True, forbid_unknown_fields=True):
    effort: Annotated[
        str,
        Meta(
            pattern="^(minimal|low|medium|high|xhigh)$",
            description="More effort, longer silences before an answer.",
        ),
    ] = "low"


class Voicemail(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is done when a machine answers a call that the agent places."""

    on_machine: Annotated[
        Literal["hang_up", "leave_message", "carry_on"],
        Meta(description="`leave_message` waits for the beep; `carry_on` talks as with a person."),
    ]
    message: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=2000,
                description="For `leave_message`: said word for word after the beep, and heard to its end.",
            ),
        ]
        | None
    ) = None


PhoneNumberText = Annotated[str, Meta(pattern=E164, description="E.164")]


Dollars = Annotated[
    str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?$", description="US dollars, such as `2.50`.")
]


class AgentConfig(Struct, kw_only=True, forbid_unknown_fields=True):
    """An agent as the operator writes it. Only `name` and `prompt` are required."""

    name: Annotated[str, Meta(min_length=1, max_length=100, description="For people; callers never hear it.")]
    prompt: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100_000,
            description="Who the agent is and what it is to do. May hold `{{name}}` or `{{name|default}}`.",
        ),
    ]
    voice: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            description="One of OpenAI's, such as `ash`, `cedar`, `coral`, `marin` or `verse`.",
        ),
    ] = DEFAULT_VOICE
    model: Annotated[
        str, Meta(min_length=1, max_length=100, description="One of OpenAI's realtime models.")
    ] = DEFAULT_MODEL
    reasoning: Annotated[
        Reasoning | None, Meta(description="`null`: the model's own. Left out for models without it.")
    ] = None
    greeting: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=2000,
                description="What the agent says first, word for word; `null`: it waits for the caller.",
            ),
        ]
        | None
    ) = None
    greeting_interruptible: Annotated[
        bool,
        Meta(description="False: the greeting is heard to its end; what the caller says is still heard."),
    ] = True
    language: (
        Annotated[
            str,
            Meta(
                pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
                description="Such as `en` or `pt-BR`: spoken and transcribed; `null`: as the talk goes.",
            ),
        ]
        | None
    ) = None
    speed: Annotated[float, Meta(ge=0.25, le=1.5, description="Of speaking; 1 is the voice's own.")] = 1.0
    turn_detection: Annotated[
        ServerVad | SemanticVad, Meta(description="Who decides that the caller has finished: OpenAI's shape.")
    ] = msgspec.field(default_factory=ServerVad)
    noise_reduction: Annotated[
        NoiseReduction | None, Meta(description="Of the caller's audio, before turn detection; `null`: none.")
    ] = msgspec.field(default_factory=NoiseReduction)
    transcription_model: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=100,
                description="Writes down what the caller says; `null`: that side is not transcribed.",
            ),
        ]
        | None
    ) = DEFAULT_TRANSCRIPTION_MODEL
    tools: Annotated[
        list[Tool], Meta(max_length=64, description="What the agent can do besides talking.")
    ] = msgspec.field(default_factory=lambda: list[Tool]([EndCallTool()]))
    keys: Annotated[
        Keys | None,
        Meta(description="How the agent is told of keys that the caller presses; `null`: it is not."),
    ] = msgspec.field(default_factory=Keys)
    max_call_seconds: Annotated[
        int, Meta(ge=10, le=14_400, description="After this the agent says goodbye and hangs up.")
    ] = 3600
    caller_silent_seconds: Annotated[
        int, Meta(ge=5, le=3600, description="After so long without a word from anybody it hangs up.")
    ] = 60
    max_cost_per_call: (
        Annotated[
            Dollars,
            Meta(description="The voice model's share, US dollars: beyond it the agent says goodbye."),
        ]
        | None
    ) = None
    voicemail: Annotated[
        Voicemail | None,
        Meta(description="Calls it places find out who answers, and do this with machines; `null`: neither."),
    ] = None
    record: Annotated[
        bool, Meta(description="Both sides are recorded. The law may want the caller to be told, or asked.")
    ] = False
    recording_announcement: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=500,
                description="Said before the greeting where `record` is true; both are heard to their end.",
            ),
        ]
        | None
    ) = None
    fallback_number: (
        Annotated[str, Meta(pattern=E164, description="Rung, in E.164, when the agent cannot go on.")] | None
    ) = None
    metadata: Annotated[
        dict[str, Any], Meta(description="Anything of yours; it is stored and given back.")
    ] = msgspec.field(default_factory=dict[str, Any])


class AgentSnapshot(Struct, frozen=True, kw_only=True):
    """The agent of one call: a version's settings with the call's variables filled in. Never changes."""

    agent_id: str
    version: int
    config: AgentConfig
    """`prompt` and `greeting` in it are filled."""
    prices: dict[str, Decimal] = msgspec.field(default_factory=dict[str, Decimal])
    """US dollars by kind of usage, as `bridge.call.cost` reads them; of the day on which the call began."""
    lines: Lines = msgspec.field(default_factory=Lines)
    """What is said when the voice model cannot; shared with other calls."""
