"""A brain for practice: it repeats what the prompt says about what the caller asks. It understands nothing.

Enough to hear a call work without an account, and predictable enough to test with. It reads greetings and
farewells out of instructions, answers with the prompt's own sentences, calls a function that the caller
names, remembers what the caller has said about himself, and says goodbye. A prompt that says "Repeat what
the caller says" makes it an echo.
"""

from __future__ import annotations

import re
from typing import Any, cast

from simulator.model.reply import CallFunction, FunctionOutput, Reply, Say, Turn
from simulator.model.shapes import Json

_SAY = re.compile(r"\b(?:say|greet)\b[^:\"“\n]*:\s*(?P<text>.+)", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r"[\"“](?P<text>[^\"”]+)[\"”]")
_GOODBYE = re.compile(r"\b(good ?bye|bye|that is all|that's all|nothing else|hang up)\b", re.IGNORECASE)
_FAREWELL = re.compile(r"\b(good ?bye|farewell|hang(ing)? up)\b", re.IGNORECASE)
_ECHO = re.compile(r"\brepeat (what|all|everything)( that)? the caller says\b", re.IGNORECASE)
_ABOUT_ME = re.compile(r"\bmy (?P<thing>\w+) is (?P<what>[^.,;!?]+)", re.IGNORECASE)
_ASKS_ABOUT_ME = re.compile(r"\bwhat\b.*\bmy (?P<thing>\w+)", re.IGNORECASE)
_RESUMES = re.compile(r"\b(carry on|cut (you )?off|pick\b.*\bup|line broke)\b", re.IGNORECASE)
_PRESENCE = re.compile(r"\b(still there|silent|silence|quiet)\b", re.IGNORECASE)
# Words that say nothing about what a question is about.
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        """
a about am an and any are as at be but by can could do does for from have he her hello hi how i if in is it
its let me my of on or our please say she so some tell thank thanks that the them then there they this to up
us was we what when where which who will with would you your
""",
    )
)
# What a prompt says to the model about itself is not for the caller's ears.
_ADDRESSED_TO_MODEL = re.compile(
    r"^\s*(you are|you're|your (job|task|role)|always|never|do not|don't|be |keep |speak )", re.I
)

_GREETING = "Hello, how can I help you?"
_REPEAT = "Sorry, I did not hear that. Could you say it again?"
_UNKNOWN = (
    "I am only a practice voice, and my notes say nothing about that. What else would you like to know?"
)
_STILL_THERE = "Are you still there?"
_WHERE_WERE_WE = "Sorry, the line broke for a moment. Where were we?"
_BYE = "Thank you for calling. Goodbye."


class PracticeBrain:
    """The mind of a session without a script."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def leftovers(self) -> list[str]:
        return []

    def reply(self, turn: Turn) -> Reply:
        if turn.asked is not None:
            resumes = turn.history and _RESUMES.search(turn.asked)
            return self._go_on(turn) if resumes else (Say(_obey(turn.asked)),)
        found = [_reported(output) for output in turn.outputs if output.name != "end_call"]
        if found:
            return (Say(" ".join(found)),)
        if turn.cause == "silence":
            return (Say(_STILL_THERE),)
        words = turn.caller or " ".join(turn.notes)
        if not words and turn.history and turn.history[-1].role == "user":
            # Asked once more, as nothing was answered, or what was could not be heard.
            if turn.known:
                return (Say(" ".join(map(_reported, turn.known))),)
            words = turn.history[-1].text
        if not words:
            return (Say(_greeting(turn.instructions) if turn.cause == "asked" else _REPEAT),)
        return self._answer(words, turn)

    def _go_on(self, turn: Turn) -> Reply:
        """After a break: the rest of a sentence that was cut off, or the answer that is still owed."""
        if turn.outputs:
            return (Say(f"Sorry, the line broke. {' '.join(map(_reported, turn.outputs))}"),)
        words = next((m.text for m in reversed(turn.history) if m.role == "user"), "")
        last = turn.history[-1]
        known = " ".join(map(_reported, turn.known))
        answer = (Say(known),) if known else self._answer(words, turn) if words else (Say(_GREETING),)
        if not isinstance(answer[0], Say):
            return answer if last.role == "user" else (Say(_WHERE_WERE_WE),)
        whole, begun = answer[0].text, last.text.rstrip(" .…-")
        if last.role == "user":
            return (Say(f"Sorry, the line broke. {whole}"),)
        if begun and whole.startswith(begun) and len(whole) > len(last.text):
            return (Say(f"Sorry, as I was saying: {whole[len(begun) :].strip(' .,')}."),)
        return (Say(_WHERE_WERE_WE),)

    def _answer(self, words: str, turn: Turn) -> Reply:
        if _GOODBYE.search(words):
            ends = any(_name(tool) == "end_call" for tool in turn.tools)
            return (Say(_BYE), CallFunction("end_call", {})) if ends else (Say(_BYE),)
        tool = _named_tool(words, turn.tools)
        if tool is not None:
            return (CallFunction(_name(tool), _arguments(tool, words)),)
        known = _remembered(words, turn)
        if known is not None:
            return (Say(known),)
        if _ECHO.search(turn.instructions):
            return (Say(f"You said: {words}"),)
        return (Say(_sentence_about(words, turn.instructions) or _UNKNOWN),)


def _obey(instructions: str) -> str:
    """The words in "Say: ..." or in quotes, else a short line for what seems to be wanted."""
    quoted, said = _QUOTED.search(instructions), _SAY.search(instructions)
    found = quoted or said
    if found is not None:
        return found["text"].strip()
    if _FAREWELL.search(instructions):
        return _BYE
    if _PRESENCE.search(instructions):
        return _STILL_THERE
    return _greeting(instructions)


def _remembered(words: str, turn: Turn) -> str | None:
    """The answer to "What is my name?", from the session's own messages. None: it was not asked."""
    asked = _ASKS_ABOUT_ME.search(words)
    if asked is None:
        return None
    thing = asked["thing"].lower()
    for message in reversed(turn.history):
        said = _ABOUT_ME.search(message.text) if message.role == "user" else None
        if said is not None and said["thing"].lower() == thing:
            return f"You said that your {thing} is {said['what'].strip()}."
    return f"You have not told me your {thing}."


def _greeting(instructions: str) -> str:
    for sentence in _sentences(instructions):
        if re.search(r"\bgreet|\bsay\b", sentence, re.IGNORECASE):
            found = _QUOTED.search(sentence) or _SAY.search(sentence)
            if found is not None:
                return found["text"].strip()
    return _GREETING


def _sentences(text: str) -> list[str]:
    return [part.strip(" -*\t") for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip(" -*\t")]


def _meaning(text: str) -> set[str]:
    """The words that matter, without their endings, so that "opening" meets "open"."""
    words = re.findall(r"[^\W_]+", text.lower())
    return {re.sub(r"(?<=\w{3})(ing|ed|es|s)$", "", word) for word in words if word not in _EMPTY}


def _sentence_about(words: str, instructions: str) -> str | None:
    """The prompt's sentence that shares most words with what the caller said."""
    asked = _meaning(words)
    speakable = [
        sentence for sentence in _sentences(instructions) if not _ADDRESSED_TO_MODEL.search(sentence)
    ]
    best = max(speakable, key=lambda sentence: len(asked & _meaning(sentence)), default=None)
    return best if best is not None and asked & _meaning(best) else None


def _name(tool: Json) -> str:
    return str(tool.get("name", ""))


def _named_tool(words: str, tools: tuple[Json, ...]) -> Json | None:
    """A function all of whose name the caller has said: "look up order" calls `look_up_order`."""
    spoken = " ".join(re.findall(r"[^\W_]+", words.lower()))
    for tool in tools:
        name = " ".join(re.findall(r"[^\W_]+", _name(tool).lower()))
        if tool["type"] == "function" and name and re.search(rf"\b{name}\b", spoken):
            return tool
    return None


def _arguments(tool: Json, words: str) -> Json:
    """For each required parameter a number the caller said, a permitted word, or all that was said."""
    schema = cast("Json", tool.get("parameters") or {})
    properties = cast("Json", schema.get("properties") or {})
    numbers = re.findall(r"\d+", words)
    return {
        name: _value(cast("Json", properties.get(name) or {}), words, numbers)
        for name in schema.get("required", [])
    }


def _value(schema: Json, words: str, numbers: list[str]) -> Any:
    options = cast("list[Any]", schema.get("enum") or [])
    if options:
        return next((option for option in options if str(option).lower() in words.lower()), options[0])
    match schema.get("type"):
        case "integer" | "number":
            return int(numbers[0]) if numbers else 0
        case "boolean":
            return True
        case "array":
            return []
        case "object":
            return {}
        case _:
            return numbers[0] if numbers else words


def _reported(output: FunctionOutput) -> str:
    return f"This is what I found: {output.output}" if output.output else "That is done."
