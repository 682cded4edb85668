"""One message of a response on its way out: its events in order, its speech in ragged pieces."""

from __future__ import annotations

import base64
import math
import re

from simulator.audio import watermark
from simulator.audio.mulaw import BYTES_PER_MS
from simulator.model import audio_format
from simulator.model.conversation import Item
from simulator.model.outlet import Outlet
from simulator.model.shapes import Json

_WORDS_AHEAD = 2
"""The transcript runs a little ahead of the sound."""


class OutgoingMessage:
    """Speech, or text when there is no sound. Pieces are sent one by one, by whoever knows the time."""

    def __init__(
        self, item: Item, text: str, speech: bytes | None, *, place: Json, outlet: Outlet, sound: Json
    ) -> None:
        """`speech` is mu-law; `place` says of which response and output; `sound` is the format."""
        self.item = item
        self._speech = watermark.embed(speech, text) if speech is not None and text else speech
        self._place = {**place, "item_id": item.id, "content_index": 0}
        self._outlet = outlet
        self._sound = sound
        self._words: list[str] = re.findall(r"\s*\S+", text)
        self._words_sent = 0
        self._bytes_sent = 0
        self.cut_short = False

    @property
    def finished(self) -> bool:
        return self._bytes_sent >= len(self._speech or b"") and self._words_sent >= len(self._words)

    @property
    def text_sent(self) -> str:
        return "".join(self._words[: self._words_sent])

    def limit(self, audio_tokens: int, token_ms: int) -> None:
        """Stop at `max_output_tokens`."""
        room = audio_tokens * token_ms * BYTES_PER_MS
        if self._speech is not None and len(self._speech) > room:
            kept = math.ceil(len(self._words) * room / len(self._speech))
            self._speech, self._words = self._speech[:room], self._words[:kept]
            self.cut_short = True

    def open(self) -> None:
        part = {"type": "text", "text": ""} if self._speech is None else {"type": "audio", "transcript": ""}
        self._outlet.emit("response.content_part.added", **self._place, part=part)
        kind = "output_text" if self._speech is None else "output_audio"
        self.item.wire["content"] = [{"type": kind, **{k: v for k, v in part.items() if k != "type"}}]

    def send_piece(self, shortest_ms: int, longest_ms: int) -> float:
        """The next delta, with the words that belong to it; how many ms of speech it was."""
        if self._speech is None:
            self._send_words(len(self._words))
            return 0.0
        # Any number of bytes, so that no client can count on whole 20 ms frames.
        size = self._outlet.chance.randint(shortest_ms * BYTES_PER_MS, longest_ms * BYTES_PER_MS)
        piece = self._speech[self._bytes_sent : self._bytes_sent + size]
        self._bytes_sent += len(piece)
        share = self._bytes_sent / max(1, len(self._speech))
        self._send_words(math.ceil(share * len(self._words)) + (_WORDS_AHEAD if share < 1 else 0))
        if piece:
            self._send_audio(piece)
        return len(piece) / BYTES_PER_MS

    def _send_audio(self, piece: bytes) -> None:
        self.item.audio += piece
        delta = base64.b64encode(audio_format.outgoing(piece, self._sound)).decode()
        self._outlet.emit("response.output_audio.delta", **self._place, delta=delta)

    def _send_words(self, up_to: int) -> None:
        kind = (
            "response.output_text.delta" if self._speech is None else "response.output_audio_transcript.delta"
        )
        for word in self._words[self._words_sent : up_to]:
            self._outlet.emit(kind, **self._place, delta=word)
        self._words_sent = max(self._words_sent, min(up_to, len(self._words)))

    def close(self) -> None:
        """Everything up to `content_part.done`, whether all of it was sent or not."""
        text = self.text_sent
        if self._speech is None:
            self._outlet.emit("response.output_text.done", **self._place, text=text)
            part: Json = {"type": "text", "text": text}
            self.item.wire["content"] = [{"type": "output_text", "text": text}]
        else:
            self._outlet.emit("response.output_audio.done", **self._place)
            self._outlet.emit("response.output_audio_transcript.done", **self._place, transcript=text)
            part = {"type": "audio", "transcript": text}
            if not self.item.truncated:
                self.item.wire["content"] = [{"type": "output_audio", "transcript": text}]
        self._outlet.emit("response.content_part.done", **self._place, part=part)
