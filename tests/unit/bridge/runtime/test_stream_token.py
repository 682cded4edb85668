"""Whose media stream it is must not be guessable, nor usable for another call or later."""

from __future__ import annotations

import datetime as dt

import pytest

from bridge.runtime.stream_token import StreamClaim, StreamTokens

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
EXPIRES = NOW + dt.timedelta(seconds=60)


def signed(tokens: StreamTokens) -> str:
    return tokens.sign(call_id="call_1", call_sid="CA1", attach_number=1, expires_at=EXPIRES)


def test_a_right_token_names_call_and_attach() -> None:
    tokens = StreamTokens(["secret"])
    assert tokens.verify(signed(tokens), call_sid="CA1", now=NOW) == StreamClaim("call_1", 1)


def test_the_same_facts_give_the_same_token() -> None:
    """A webhook that Twilio repeats must be answered with the same TwiML."""
    assert signed(StreamTokens(["secret"])) == signed(StreamTokens(["secret", "older"]))


def test_a_token_is_good_to_its_last_second_and_no_longer() -> None:
    tokens = StreamTokens(["secret"])
    token = signed(tokens)
    assert tokens.verify(token, call_sid="CA1", now=EXPIRES) is not None
    assert tokens.verify(token, call_sid="CA1", now=EXPIRES + dt.timedelta(seconds=1)) is None


def test_a_token_is_of_one_call_only() -> None:
    tokens = StreamTokens(["secret"])
    assert tokens.verify(signed(tokens), call_sid="CA2", now=NOW) is None


def test_an_old_key_still_verifies_while_keys_rotate() -> None:
    token = signed(StreamTokens(["old"]))
    assert StreamTokens(["new", "old"]).verify(token, call_sid="CA1", now=NOW) is not None
    assert StreamTokens(["new"]).verify(token, call_sid="CA1", now=NOW) is None


@pytest.mark.parametrize("token", ["", ".", "a.b.c.d", "call_1.1.9999999999.00", "é.1.2.3", "." * 400])
def test_made_up_tokens_are_refused(token: str) -> None:
    assert StreamTokens(["secret"]).verify(token, call_sid="CA1", now=NOW) is None


def test_a_changed_claim_is_refused() -> None:
    tokens = StreamTokens(["secret"])
    token = signed(tokens).replace("call_1.1.", "call_1.2.")
    assert tokens.verify(token, call_sid="CA1", now=NOW) is None


def test_a_token_fits_into_a_stream_parameter() -> None:
    """Twilio takes 500 characters for name and value: https://www.twilio.com/docs/voice/twiml/stream"""
    token = StreamTokens(["secret"]).sign(
        call_id="call_" + "0" * 32, call_sid="CA" + "0" * 32, attach_number=99, expires_at=EXPIRES
    )
    assert len("token" + token) < 500
