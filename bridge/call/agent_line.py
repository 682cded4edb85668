"""The agent's speech on its way to the phone, while it only flows: whoever has both sockets may splice it."""

from __future__ import annotations

from bridge.call.engine import SpeechShape
from bridge.call.playback import Playback
from bridge.call.speaking import AgentItem, Speaking
from bridge.wire.twilio import Outgoing


class AgentLine:
    """What `Call.agent_audio` does with more of the same in whole frames, `bridge.runtime.agent_splice` does.
    All else that happens shuts the line; the next piece, which goes the long way, opens it again."""

    # Side by side in memory, as those of the caller's.
    __slots__ = ("_item", "_playback", "_speaking", "is_open", "item_id", "shape", "stream", "words")

    def __init__(self, speaking: Speaking, shape: SpeechShape) -> None:
        self._speaking = speaking
        self.shape = shape
        self.words: list[str] = []
        """Messages with words to what is being said, still to be read."""
        self.is_open = False
        """More of what is being said goes to the phone at once."""
        self.item_id = b""
        """Whose audio that is, as the model's message has it."""
        self.stream: Outgoing
        """Where it goes."""
        self._item: AgentItem
        self._playback: Playback

    def came(self, item_id: str, *, audible: bool) -> None:
        """A piece of this item went the long way. `audible`: of this response something can be heard, which
        nobody waits for any more."""
        flow = self._speaking.flow(item_id) if audible else None
        self.is_open = flow is not None
        if flow is not None:
            self._item, self._playback, self.stream = flow
            self.item_id = b'%b%b"' % (self.shape.item_key, item_id.encode())

    def shut(self) -> None:
        self.is_open = False

    def said(self, size: int) -> str:
        """So many bytes go to the phone. Returns the mark to send behind them."""
        self._item.received += size
        return self._playback.goes_on(size)
