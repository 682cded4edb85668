"""A call that has cost what it may is ended, with words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.unit.bridge.call.story import Story

PRICES = {"input_audio": Decimal(32), "output_audio": Decimal(64)}
A_CENT = {"output_token_details": {"audio_tokens": 156}}


def answer(story: Story, number: int, usage: dict[str, Any]) -> None:
    """The agent says something, and OpenAI counts it."""
    response_id = f"resp_{number}"
    story.agent_begins(f"item_{number}", response_id, request=story.request())
    story.delta(f"item_{number}", 400, response_id)
    story.model("response.output_audio.done", response_id=response_id, item_id=f"item_{number}")
    story.response_done(response_id, usage=usage)
    story.marks_return()


def test_at_its_limit_a_call_is_ended_with_a_farewell():
    story = Story(max_cost_per_call="0.019", prices=PRICES).live()
    answer(story, 1, A_CENT)
    assert not story.sent("response.create"), "half of it is spent"
    answer(story, 2, A_CENT)
    [farewell] = story.sent("response.create")
    assert "goodbye" in farewell["response"]["instructions"]
    assert story.ending is None, "the caller hears it first"
    answer(story, 3, A_CENT)
    assert story.ending is not None
    assert story.ending.reason == "cost_limit"
    assert story.totals().cost == Decimal(3 * 156 * 64) / 1_000_000


def test_a_farewell_at_the_limit_is_not_called_off_by_the_caller():
    """Talking on would cost on."""
    story = Story(max_cost_per_call="0.005", prices=PRICES).live()
    answer(story, 1, A_CENT)
    story.caller_speaks("item_u")
    story.later(60)
    assert story.ending is not None
    assert story.ending.reason == "cost_limit"


def test_without_a_limit_nothing_is_said_of_money():
    story = Story(prices=PRICES).live()
    answer(story, 1, {"output_token_details": {"audio_tokens": 10_000_000}})
    assert not story.sent("response.create")
    assert story.totals().cost == 640


def test_a_cost_that_is_not_known_ends_no_call():
    story = Story(max_cost_per_call="0.001").live()
    answer(story, 1, A_CENT)
    assert story.totals().cost is None
    assert not story.sent("response.create")
