"""A small language for what a client message may look like; the first wrong field is refused as OpenAI
refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

Json = dict[str, Any]
Check = Callable[[object, str], None]
"""Raises `Refused` when the value at that path is wrong."""


class Refused(Exception):
    """A client event that cannot be honoured: what goes into the `error` event."""

    def __init__(self, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


_NAMES: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    type(None): "null",
}


def _wrong_type(path: str, expected: str, value: object) -> Refused:
    message = f"Invalid type for '{path}': expected {expected}, but got {_NAMES[type(value)]} instead."
    return Refused("invalid_type", message, path)


def _supported(value: object, path: str, values: tuple[str, ...]) -> Refused:
    known = ", ".join(f"'{v}'" for v in values)
    return Refused("invalid_value", f"Invalid value: '{value}'. Supported values are: {known}.", path)


def text(*, longest: int | None = None) -> Check:
    def check(value: object, path: str) -> None:
        if not isinstance(value, str):
            raise _wrong_type(path, "a string", value)
        if longest is not None and len(value) > longest:
            raise Refused(
                "string_above_max_length",
                f"Invalid '{path}': string too long. Expected a string with maximum length {longest}, "
                f"but got a string with length {len(value)} instead.",
                path,
            )

    return check


def boolean(value: object, path: str) -> None:
    if not isinstance(value, bool):
        raise _wrong_type(path, "a boolean", value)


def anything(value: object, path: str) -> None:
    """For JSON Schemas and the like, which are passed on unread."""


def number(low: float, high: float | None = None, *, whole: bool = False) -> Check:
    noun = "integer" if whole else "decimal"

    def check(value: object, path: str) -> None:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or (whole and isinstance(value, float))
        ):
            raise _wrong_type(path, f"{'an' if whole else 'a'} {noun}", value)
        for bad, word, sign, bound in (
            (value < low, "below minimum", ">=", low),
            (high is not None and value > high, "above maximum", "<=", high),
        ):
            if bad:
                code = f"{noun}_{'below_min' if sign == '>=' else 'above_max'}_value"
                message = f"{noun} {word} value. Expected a value {sign} {bound}, but got {value} instead."
                raise Refused(code, f"Invalid '{path}': {message}", path)

    return check


def integer(low: int, high: int | None = None) -> Check:
    return number(low, high, whole=True)


def one_of(*values: str) -> Check:
    def check(value: object, path: str) -> None:
        if not isinstance(value, str):
            raise _wrong_type(path, "a string", value)
        if value not in values:
            raise _supported(value, path, values)

    return check


def nullable(inner: Check) -> Check:
    def check(value: object, path: str) -> None:
        if value is not None:
            inner(value, path)

    return check


def list_of(inner: Check) -> Check:
    def check(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise _wrong_type(path, "an array", value)
        for index, member in enumerate(cast("list[object]", value)):
            inner(member, f"{path}[{index}]")

    return check


def map_of(inner: Check, *, most: int | None = None, longest_key: int | None = None) -> Check:
    def check(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise _wrong_type(path, "an object", value)
        members = cast("Json", value)
        if most is not None and len(members) > most:
            message = (
                f"Invalid '{path}': too many properties. Expected an object with at most {most} properties."
            )
            raise Refused("object_above_max_properties", message, path)
        for key, member in members.items():
            if longest_key is not None:
                text(longest=longest_key)(key, path)
            inner(member, f"{path}.{key}")

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these members and no others."""
    known = {**required, **(optional or {})}

    def check(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise _wrong_type(path, "an object", value)
        members = cast("Json", value)
        prefix = f"{path}." if path else ""
        for name, member in members.items():
            if name not in known:
                raise Refused("unknown_parameter", f"Unknown parameter: '{prefix}{name}'.", f"{prefix}{name}")
            known[name](member, f"{prefix}{name}")
        for name in required:
            if name not in members:
                message = f"Missing required parameter: '{prefix}{name}'."
                raise Refused("missing_required_parameter", message, f"{prefix}{name}")

    return check


def variants(by: str, shapes: Mapping[str, Check]) -> Check:
    """An object whose member `by` says which of the shapes it has."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise _wrong_type(path, "an object", value)
        prefix = f"{path}." if path else ""
        kind: object = cast("Json", value).get(by)
        if kind is None:
            message = f"Missing required parameter: '{prefix}{by}'."
            raise Refused("missing_required_parameter", message, f"{prefix}{by}")
        if not isinstance(kind, str) or kind not in shapes:
            raise _supported(kind, f"{prefix}{by}", tuple(shapes))
        shapes[kind](cast("object", value), path)

    return check


def word_or(words: tuple[str, ...], shape: Check) -> Check:
    """One of a few words, or the object that says more."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, str):
            shape(value, path)
        elif value not in words:
            raise _supported(value, path, words)

    return check
