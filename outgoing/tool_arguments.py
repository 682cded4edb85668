"""What a model wrote as a tool's arguments, held against the tool's JSON Schema before anything is sent."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import jsonschema
from jsonschema.exceptions import SchemaError, ValidationError, best_match  # pyright: ignore[reportUnknownVariableType] (see _worst)
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_ARGUMENTS_CHARACTERS = 64 * 1024
MAX_FAULT_CHARACTERS = 300


class ArgumentsRefused(Exception):
    """They do not fit. The message says what is wrong, in words for the model."""


def why_no_schema(schema: dict[str, Any]) -> str | None:
    """Why it does not describe arguments; None: it does."""
    if schema.get("type") != "object":
        return 'must have "type": "object": a function has named arguments'
    if _leads_elsewhere(schema):
        return "may refer to its own parts only: every $ref must begin with #"
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"is no JSON Schema: {_shortened(error.message)} at {error.json_path}"
    except RecursionError:
        return "is nested too deeply"
    return None


def read_arguments(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Raises ArgumentsRefused."""
    if len(text) > MAX_ARGUMENTS_CHARACTERS:
        raise ArgumentsRefused("they are too long")
    try:
        arguments = json.loads(text or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ArgumentsRefused("they are no JSON") from error
    if not isinstance(arguments, dict):
        raise ArgumentsRefused("they are no JSON object")
    arguments = cast("dict[str, Any]", arguments)
    _check(arguments, schema)
    return arguments


def _check(arguments: dict[str, Any], schema: dict[str, Any]) -> None:
    # An empty registry: nothing is ever fetched because a schema refers to it.
    validator = cast("Validator", jsonschema.Draft202012Validator(schema, registry=Registry()))
    try:
        fault = _worst(validator, arguments)
    except (Unresolvable, RecursionError, ArithmeticError, re.error) as error:
        raise ArgumentsRefused("the tool's parameters cannot be followed") from error
    if fault is not None:
        raise ArgumentsRefused(f"{fault.json_path}: {_shortened(fault.message)}")


def _worst(validator: Validator, arguments: dict[str, Any]) -> ValidationError | None:
    # Its type in jsonschema is only half written.
    return best_match(validator.iter_errors(arguments))  # pyright: ignore[reportUnknownVariableType]


def _leads_elsewhere(part: Any) -> bool:
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            part = cast("dict[str, Any]", part)
            reference = part.get("$ref", part.get("$dynamicRef"))
            if isinstance(reference, str) and not reference.startswith("#"):
                return True
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(cast("list[Any]", part))
    return False


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _shortened(message: str) -> str:
    return message if len(message) <= MAX_FAULT_CHARACTERS else f"{message[:MAX_FAULT_CHARACTERS]}…"
