from __future__ import annotations

from bridge.call.variables import fill, unfilled


def test_values_defaults_and_nothing_are_put_in() -> None:
    template = "Hello {{name|there}}, you are {{ age }} and it is {{now}}. {{gone}}"
    assert fill(template, {"age": 42, "now": "noon"}) == "Hello there, you are 42 and it is noon. "
    assert fill("{{yes}} {{name|x}}", {"yes": True, "name": "Ada"}) == "true Ada"


def test_a_value_is_not_filled_again() -> None:
    """A caller's own words must not reach other variables."""
    assert fill("{{a}}", {"a": "{{secret}}", "secret": "42"}) == "{{secret}}"


def test_other_braces_stay_as_they_are() -> None:
    assert fill('Answer as {"a": {"b": 1}} or {{ not a name }}.', {}) == (
        'Answer as {"a": {"b": 1}} or {{ not a name }}.'
    )


def test_unfilled_are_those_without_default_value_and_not_built_in() -> None:
    template = "{{a}} {{b|x}} {{c|}} {{d}} {{caller_number}} {{called_number}} {{now}}"
    assert unfilled(template) == {"a", "d"}
    assert unfilled(template, ["d"]) == {"a"}
