"""Words to the agent's speech, read when something else happens: nothing follows from them."""

from __future__ import annotations

from bridge.call.conversation import Conversation
from bridge.call.sessions import Sessions


class Unread:
    def __init__(self, model: Sessions, talk: Conversation) -> None:
        self._model = model
        self._talk = talk
        self._texts = talk.agent_line.words
        self._begin = talk.agent_line.shape.words_begin.decode()

    def take(self, text: str) -> bool:
        """Of the session that has the call. False: it is something else."""
        if not text.startswith(self._begin):
            return False
        self._texts.append(text)
        return True

    def read(self) -> None:
        for text in self._texts:
            for words in self._model.engine.received(text)[0]:
                self._talk.take_in(words)
        self._texts.clear()
