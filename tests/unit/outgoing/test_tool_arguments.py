"""Arguments are the model's: they are held against the schema before anything is sent anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from outgoing.tool_arguments import ArgumentsRefused, read_arguments, why_no_schema

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {"order": {"type": "integer"}, "when": {"$ref": "#/$defs/day"}},
    "required": ["order"],
    "additionalProperties": False,
    "$defs": {"day": {"type": "string", "pattern": "^[a-z]+day$"}},
}


def test_arguments_that_fit_are_read():
    assert read_arguments('{"order": 7, "when": "friday"}', ORDER) == {"order": 7, "when": "friday"}


def test_a_function_without_parameters_may_be_called_with_nothing():
    assert read_arguments("", {"type": "object", "properties": {}}) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"order": 7', "no JSON"),
        ("[7]", "no JSON object"),
        ('{"order": NaN}', "no JSON"),
        ("[" * 100_000, "too long"),
        ("[" * 50_000, "no JSON"),
        ("{}", "'order' is a required property"),
        ('{"order": "7"}', "$.order"),
        ('{"order": 7, "when": "christmas"}', "$.when"),
        ('{"order": 7, "extra": 1}', "extra"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_what_is_wrong(text: str, words: str):
    """The model reads it and calls again."""
    with pytest.raises(ArgumentsRefused) as refused:
        read_arguments(text, ORDER)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"multipleOf": 0.1}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/nowhere"}}},
        {"type": "object", "$ref": "#"},
        {"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}},
    ],
)
def test_a_schema_that_cannot_be_followed_harms_nothing(schema: dict[str, Any]):
    """Neither a crash nor a look at somebody's address."""
    with pytest.raises(ArgumentsRefused):
        read_arguments('{"a": 1e400}', schema)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, '"type": "object"'),
        ({"type": "string"}, '"type": "object"'),
        ({"type": "object", "properties": {"a": {"type": "number?"}}}, "is no JSON Schema"),
        ({"type": "object", "properties": {"a": {"pattern": "("}}}, "is no JSON Schema"),
        ({"type": "object", "properties": {"a": {"$ref": "http://10.0.0.1/x"}}}, "must begin with #"),
    ],
)
def test_what_is_no_schema_of_arguments_is_refused_when_it_is_saved(schema: dict[str, Any], words: str):
    assert words in str(why_no_schema(schema))


def test_a_good_schema_is_one():
    assert why_no_schema(ORDER) is None
