"""When `response.create` may be sent: never while a response is known to be active.

The server's own turn detection starts responses too, and may win the race: then our request is answered by an
error naming its `event_id`, no response follows, and it is repeated or dropped when the other one is done.
https://platform.openai.com/docs/guides/realtime-conversations
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

_NAMED_RESPONSE = re.compile(r"in progress: ([A-Za-z0-9_-]+)")
_UNKNOWN = "?"
_ABOUT_ITEMS = frozenset({"tools", "keys"})
FREELY_SAID = frozenset({"greeting", "answer", "tools", "keys", "retry", "resume", "farewell"})
"""Whatever else is wished for is said word for word, and calls no tool."""


class Wish(Struct):
    """Something the model is to be asked to say."""

    purpose: str
    instructions: str | None
    seen: bool = False
    """The items that it is about are in the conversation: any response that begins from now on covers it."""
    covered: bool = False
    """A response that the server began by itself says it already."""

    def overtaken(self) -> None:
        if self.purpose in ("answer", "greeting", "retry", "resume", "filler") or (
            self.purpose in _ABOUT_ITEMS and self.seen
        ):
            self.covered = True


class Responses:
    def __init__(self) -> None:
        self._wishes: dict[str, Wish] = {}
        self._asked: tuple[str, Wish] | None = None
        self._active: str | None = None
        self._finished: str | None = None
        self._requests = 0
        self._turn_taken = False
        """The caller had a turn, and turn detection has not answered it yet."""
        self.caller_speaking = False

    @property
    def active(self) -> str | None:
        """The response that is being generated, as far as we know."""
        return self._active

    def want(self, purpose: str, instructions: str | None) -> list[str]:
        if purpose == "tools":
            self._wishes.pop("filler", None)
        self._wishes[purpose] = Wish(purpose, instructions)
        return self.next()

    def items_seen(self) -> None:
        """Everything we added to the conversation has been taken in."""
        for purpose in _ABOUT_ITEMS & self._wishes.keys():
            self._wishes[purpose].seen = True
        if self._asked is not None:
            self._asked[1].seen = True

    def next(self) -> list[str]:
        """The next request, if one may be sent now."""
        if self._active or self._asked or self.caller_speaking or not self._wishes:
            return []
        purpose = next(iter(self._wishes))
        wish = self._wishes.pop(purpose)
        self._requests += 1
        event_id = f"rc_{self._requests}"
        self._asked = (event_id, wish)
        response: dict[str, Any] = {"metadata": {"request": event_id}}
        if wish.instructions is not None:
            response["instructions"] = wish.instructions
        if purpose == "farewell" or purpose not in FREELY_SAID:
            response["tool_choice"] = "none"
        request = {"type": "response.create", "event_id": event_id, "response": response}
        return [msgspec.json.encode(request).decode()]

    def turn_taken(self) -> None:
        """What the caller said is in the conversation, and turn detection begins to answer it."""
        self._turn_taken = True

    def created(self, response_id: str, metadata: dict[str, Any] | None) -> str | None:
        """Returns the purpose of the wish that this response answers; None: the server began it by itself.

        A compatible server may not echo `metadata`: then the response is ours if there is no turn to answer.
        """
        self._active = response_id
        if self._asked is not None and self._is_ours((metadata or {}).get("request")):
            purpose, self._asked = self._asked[1].purpose, None
            return purpose
        self._turn_taken = False
        for wish in self._wishes.values():
            wish.overtaken()
        if self._asked is not None:
            self._asked[1].overtaken()
        self._wishes = {purpose: wish for purpose, wish in self._wishes.items() if not wish.covered}
        return None

    def _is_ours(self, request: str | None) -> bool:
        if request is None:
            return not self._turn_taken
        return self._asked is not None and request == self._asked[0]

    def done(self, response_id: str) -> list[str]:
        if self._active is None and not self._turn_taken:
            # A compatible server that does not say `response.created`.
            self._asked = None
        self._finished = response_id
        if self._active in (response_id, _UNKNOWN):
            self._active = None
        return self.next()

    def refused(self, event_id: str | None, message: str) -> list[str] | None:
        """An error names one of our requests: another response is active. None: it is not about us."""
        if self._asked is None or event_id != self._asked[0]:
            return None
        wish, self._asked = self._asked[1], None
        if not wish.covered:
            self._wishes = {wish.purpose: wish} | self._wishes
        named = _NAMED_RESPONSE.search(message)
        other = named.group(1) if named else _UNKNOWN
        if other != self._finished:
            self._active = self._active or other
        return self.next()

    def failed(self, event_id: str | None) -> bool:
        """Our request was refused for another reason: it is given up."""
        if self._asked is None or event_id != self._asked[0]:
            return False
        self._asked = None
        return True
