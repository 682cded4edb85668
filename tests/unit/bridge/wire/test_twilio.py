"""Media Streams' messages as Twilio documents them."""

from __future__ import annotations

import json

import pytest

from bridge.wire import twilio

MEDIA = (
    '{"event":"media","sequenceNumber":"2","media":{"track":"inbound","chunk":"1","timestamp":"20",'
    '"payload":"f39/fw=="},"streamSid":"MZ1"}'
)


def test_the_payload_is_cut_out_of_the_usual_shape():
    assert twilio.media_payload(MEDIA) == "f39/fw=="
    assert twilio.media_timestamp_ms(MEDIA) == 20


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(json.loads(MEDIA)),
        json.dumps(dict(reversed(list(json.loads(MEDIA).items())))),
        MEDIA.replace("f39/fw==", "f39\\/fw=="),
        MEDIA.replace('"timestamp":"20"', '"timestamp":"20","new":{"a":[1]}'),
    ],
    ids=["spaces", "other order", "escaped slash", "unknown field"],
)
def test_any_other_spelling_of_the_same_message_is_read_too(text: str):
    assert twilio.media_payload(text) == "f39/fw=="
    assert twilio.media_timestamp_ms(text) == 20


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"event":"media"}',
        '{"event":"media","media":{"payload":7}}',
        '{"event": "media", "media": {"payload": "no base64!"}}',
        '{"event":"mark","mark":{"name":"1"},"payload":"f39/fw=="}',
    ],
)
def test_what_is_no_caller_audio_is_not_taken_for_it(text: str):
    assert twilio.media_payload(text) is None


def test_start_tells_the_call_and_its_parameters():
    message = twilio.decode(
        '{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA1",'
        '"tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
        '"customParameters":{"token":"t"}},"streamSid":"MZ1"}'
    )
    assert isinstance(message, twilio.Start)
    assert (message.start.call_sid, message.start.custom_parameters) == ("CA1", {"token": "t"})


def test_what_we_send_is_what_twilio_documents():
    out = twilio.Outgoing("MZ1")
    assert json.loads(out.media("AAAA")) == {
        "event": "media",
        "streamSid": "MZ1",
        "media": {"payload": "AAAA"},
    }
    assert json.loads(out.mark("3")) == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "3"}}
    assert json.loads(out.clear) == {"event": "clear", "streamSid": "MZ1"}
