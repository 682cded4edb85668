"""The documents that callers' calls run on."""

from __future__ import annotations

from xml.etree import ElementTree

from telephony import twiml


def verbs(document: str) -> list[str]:
    return [element.tag for element in ElementTree.fromstring(document)]  # noqa: S314 (our own document)


def test_the_answer_connects_and_says_what_comes_next_in_both_ways() -> None:
    document = twiml.connect(
        stream_url="wss://h.example/twilio/media/0",
        token="t.1",
        after_stream_url="https://h.example/a#rc=2&rp=all",
    )
    assert document == (
        '<?xml version="1.0" encoding="UTF-8"?><Response>'
        '<Connect action="https://h.example/a#rc=2&amp;rp=all" method="POST">'
        '<Stream url="wss://h.example/twilio/media/0"><Parameter name="token" value="t.1" /></Stream>'
        "</Connect>"
        '<Redirect method="POST">https://h.example/a#rc=2&amp;rp=all</Redirect></Response>'
    )


def test_an_apology_rings_the_fallback_number_where_there_is_one() -> None:
    assert verbs(twiml.apologise(None)) == ["Say", "Hangup"]
    with_fallback = twiml.apologise("+15550001111")
    assert verbs(with_fallback) == ["Say", "Dial", "Hangup"]
    assert ">+15550001111</Dial>" in with_fallback


def test_when_full_the_number_says_what_its_owner_wrote() -> None:
    assert ">Call tomorrow &lt;3</Say>" in twiml.when_full("Call tomorrow <3", None)
    assert verbs(twiml.when_full("Hold on.", "+15550001111")) == ["Say", "Dial", "Hangup"]
    assert verbs(twiml.when_full(None, "+15550001111")) == ["Say", "Dial", "Hangup"]
    assert verbs(twiml.when_full(None, None)) == ["Say", "Hangup"]


def test_the_rest_is_one_verb() -> None:
    assert verbs(twiml.hang_up()) == ["Hangup"]
    assert verbs(twiml.reject()) == ["Reject"]
