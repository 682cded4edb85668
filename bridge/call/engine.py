"""The seam between a phone call and a voice model.

`Call` knows the phone: playback, endings, the transcript, tools. An `Engine` knows one model's dialect: how
a session is configured, how audio is framed, who decides whose turn it is. The engine turns the model's
messages into the few things below that can happen in any conversation, and the call's few wishes into
messages. Both are plain synchronous code.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class SessionReady(Struct, frozen=True):
    """Configured as asked, formats checked: caller audio may flow, the model may be asked to speak."""


class SessionFailed(Struct, frozen=True):
    """The session cannot go on. `refused`: trying again unchanged will not help (key, quota, model)."""

    refused: bool
    code: str
    message: str


class CallerStartedSpeaking(Struct, frozen=True):
    item_id: str
    audio_ms: int
    """Position in the caller audio sent on this session."""
    interrupts: bool
    """The model stops what it was saying: playback is to be cleared now."""


class CallerStoppedSpeaking(Struct, frozen=True):
    item_id: str
    audio_ms: int
    """Where the caller's last word ended, in the caller audio sent on this session."""
    estimated: bool
    """The model did not say how long it waited to be sure."""


class ItemAdded(Struct, frozen=True):
    """Something said, or being said, has its place in the conversation."""

    item_id: str
    previous_item_id: str | None
    role: str
    """`caller` or `agent`."""


class ItemText(Struct, frozen=True):
    """Words of an item. `final` replaces all deltas; None: they could not be had (transcription failed)."""

    item_id: str
    role: str
    text: str | None
    final: bool


class AgentAudioEnded(Struct, frozen=True):
    item_id: str


class ResponseStarted(Struct, frozen=True):
    response_id: str
    purpose: str | None = None
    """Which wish of ours it answers; None: the model took its turn by itself."""


class ResponseEnded(Struct, frozen=True):
    response_id: str
    status: str
    """`completed`, `cancelled`, `incomplete` or `failed`."""
    code: str | None
    """Why it failed."""
    message: str | None = None


class UsageCounted(Struct, frozen=True):
    """Tokens, in the contract's names; adds up over a call."""

    tokens: dict[str, int]


class ToolCalled(Struct, frozen=True):
    item_id: str
    tool_call_id: str
    name: str
    arguments: str
    """JSON as the model wrote it; may be broken."""


class RemoteToolCalled(Struct, frozen=True):
    """The model uses a tool that its own service calls; nothing is to be done but to tell of it."""

    item_id: str
    server: str
    name: str
    arguments: str
    """JSON as the model wrote it."""


class RemoteToolReturned(Struct, frozen=True):
    item_id: str
    ok: bool
    output: str
    """What the model was answered."""
    status: int | None = None
    """Of HTTP, where that is why it failed."""


class ItemReplaced(Struct, frozen=True):
    """Caller audio that an earlier session had not put into words has its place in this one."""

    item_id: str
    new_item_id: str


class ModelTrouble(Struct, frozen=True):
    """Worth counting and recording, no reason to end the call."""

    code: str
    message: str


ModelEvent = (
    SessionReady
    | SessionFailed
    | CallerStartedSpeaking
    | CallerStoppedSpeaking
    | ItemAdded
    | ItemText
    | AgentAudioEnded
    | ResponseStarted
    | ResponseEnded
    | UsageCounted
    | ToolCalled
    | RemoteToolCalled
    | RemoteToolReturned
    | ItemReplaced
    | ModelTrouble
)


class AgentAudio(Struct, frozen=True):
    """A piece of the agent's speech: mu-law, 8 kHz, as the model's own base64 text."""

    item_id: str
    payload: str


class SpeechShape(Struct, frozen=True):
    """How a model writes a piece of its speech, for who cuts it out of the bytes: JSON that begins like this,
    and has these before the item's id and before the base64, each of which ends with a quote."""

    begins: bytes
    item_key: bytes
    payload_key: bytes
    words_begin: bytes
    """How a message begins that has words to it, which `Engine.received` may take at any later time."""


class Said(Struct, frozen=True):
    """Something said earlier on the call. Of the agent: as much as the caller heard."""

    role: str
    """`caller` or `agent`."""
    text: str


class Heard(Struct, frozen=True):
    """Something the caller said that never came back as text, as it sounded."""

    item_id: str
    """By which the transcript knows it."""
    payloads: list[str]
    """Mu-law, base64."""


class ToolRan(Struct, frozen=True):
    tool_call_id: str
    name: str
    arguments: str
    """JSON as the model wrote it; may be broken."""
    output: str | None
    """None: it still runs."""


HistoryItem = Said | Heard | ToolRan


class Engine(Protocol):
    """One session of a voice model. Methods that return text return frames to send, in order."""

    append_prefix: str
    append_suffix: str
    """Caller audio is sent as prefix + base64 + suffix."""
    speech_shape: SpeechShape
    session_seconds: float | None
    """After so long a session ends by itself, whatever is being said; None: it does not."""

    def opened(self, *, opening: bool) -> list[str]:
        """The socket is open: what to send first. `opening`: the greeting is still to be given."""
        ...

    def seed(self, history: list[HistoryItem]) -> list[str]:
        """The session is ready and takes the call over: what was said and done before, in order."""
        ...

    def audio(self, text: str) -> AgentAudio | None:
        """The agent's speech in a frame; None when it is anything else, and for `received`."""
        ...

    def received(self, text: str) -> tuple[list[ModelEvent], list[str]]:
        """Any other frame: what it means, and what to answer at once. Never raises."""
        ...

    def closed(self, code: int, reason: str) -> SessionFailed:
        """The socket was closed by the other side, or broke (1006)."""
        ...

    def stream_started(self) -> list[str]:
        """The caller is on the line."""
        ...

    def speak(self, instructions: str | None, *, purpose: str) -> list[str]:
        """Ask the model to speak, when it next can: `greeting` (dropped when the caller was first), `tools`
        and `keys` (dropped when the model has seen the results, or what was pressed, anyway), `filler`
        (while a tool runs; dropped when anything else is said), `answer`, `retry`, `resume` (after a break;
        all three dropped when the model speaks by itself), `farewell`. Any other purpose has words that are
        said exactly as they are given. A later wish replaces one of the same purpose."""
        ...

    def interrupted(self, item_id: str, heard_ms: int, received_ms: int) -> list[str]:
        """The caller heard this much of an item and nothing after it; 0: nothing of it at all."""
        ...

    def stop_speaking(self) -> list[str]:
        """Cancel whatever is being generated."""
        ...

    def forbid_interruption(self) -> list[str]:
        """What is said from now on is heard to its end. The caller is listened to all the same."""
        ...

    def allow_interruption(self) -> list[str]:
        """What was not to be interrupted has been heard."""
        ...

    def caller_wrote(self, item_id: str, text: str) -> list[str]:
        """Something that the caller does instead of speaking, in words; asks for nothing to be said."""
        ...

    def tool_returned(self, tool_call_id: str, output: str) -> list[str]:
        """The result of a tool, as the model is to see it; asks for nothing to be said."""
        ...
