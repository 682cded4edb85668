"""Everything that OpenAI may do wrong, on request."""

from __future__ import annotations

import json

import pytest

from simulator.audio import mulaw
from simulator.model.outlet import Close
from simulator.model.reply import CloseSocket, Fail, Say, SendRaw
from simulator.model.script import Asked, Heard, Script, Step
from simulator.model.settings import ModelBehaviour, ModelTiming, Transcription
from tests.unit.simulator.talk import Talk, error, types, voice

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def talk_with(transcription: Transcription) -> Talk:
    return Talk(behaviour=ModelBehaviour(transcription=transcription))


def test_transcriptions_come_word_by_word_and_then_whole() -> None:
    talk = talk_with("normal")
    talk.say("When do you open?")
    talk.finish()
    deltas = talk.all("conversation.item.input_audio_transcription.delta")
    completed = talk.last(TRANSCRIBED)
    assert "".join(delta["delta"] for delta in deltas) == completed["transcript"] == "When do you open?"
    assert completed["item_id"] == talk.last("input_audio_buffer.committed")["item_id"]
    item = talk.send("conversation.item.retrieve", item_id=completed["item_id"])[0]["item"]
    assert item["content"][0]["transcript"] == "When do you open?"


def test_a_late_transcription_comes_after_its_answer() -> None:
    talk = talk_with("late")
    talk.say("When do you open?")
    order = types(talk.finish())
    assert order.index(TRANSCRIBED) > order.index("response.done")


def test_swapped_transcriptions_come_in_the_wrong_order() -> None:
    talk = talk_with("swapped")
    for text in ("One?", "Two?"):
        talk.say(text)
        talk.finish()
    assert [event["transcript"] for event in talk.all(TRANSCRIBED)] == ["Two?", "One?"]


def test_a_failed_transcription_leaves_the_turn_alone() -> None:
    talk = talk_with("failed")
    talk.say("When do you open?")
    talk.finish()
    assert talk.last("conversation.item.input_audio_transcription.failed")["error"]["message"]
    assert talk.last("response.output_audio_transcript.done")["transcript"] == "We open at nine."


def test_there_may_be_no_transcription() -> None:
    talk = talk_with("missing")
    talk.say("When do you open?")
    talk.finish()
    assert talk.all(TRANSCRIBED) == []


def test_whisper_sends_its_text_at_once() -> None:
    transcription = {"input": {"transcription": {"model": "whisper-1"}}}
    talk = Talk()
    talk.send("session.update", session={"type": "realtime", "audio": transcription})
    talk.say("When do you open?")
    talk.finish()
    assert len(talk.all("conversation.item.input_audio_transcription.delta")) == 1


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "server_error", "insufficient_quota"])
def test_a_response_fails_with_the_code_asked_for(code: str) -> None:
    talk = Talk(Script(Step(Asked(), Fail(code, "No.")), Step(Asked(), Say("Better."))))
    talk.send("response.create")
    assert types(talk.finish()) == ["response.done", "rate_limits.updated"]
    done = talk.last("response.done")["response"]
    assert done["status"] == "failed"
    assert (done["status_details"]["error"]["code"], done["status_details"]["error"]["message"]) == (
        code,
        "No.",
    )
    talk.send("response.create")
    talk.finish()
    assert talk.last("response.done")["response"]["status"] == "completed"


def test_a_session_expires() -> None:
    talk = Talk(timing=ModelTiming(session_limit_s=120))
    talk.wait(119)
    assert talk.closed is None
    expired = error(talk.wait(2))
    assert (expired["code"], expired["message"]) == (
        "session_expired",
        "Your session hit the maximum duration of 2 minutes.",
    )
    assert talk.closed == Close(1001, expired["message"])
    assert talk.send("response.create") == []
    assert talk.session.deadline is None


def test_a_script_can_close_the_socket() -> None:
    talk = Talk(Script(Step(Asked(), Say("I must"), CloseSocket(1011, "oops"), Say("never said"))))
    talk.send("response.create")
    talk.finish()
    assert talk.closed == Close(1011, "oops")
    assert "response.done" not in types(talk.events)


def test_a_script_can_send_anything() -> None:
    talk = Talk(Script(Step(Asked(), SendRaw("not json"), SendRaw(""))))
    talk.send("response.create")
    talk.finish()
    assert "not json" in talk.frames
    assert "" in talk.frames


def test_unknown_events_and_obfuscation_are_mixed_in() -> None:
    talk = Talk(behaviour=ModelBehaviour(unknown_events=True, obfuscation=True))
    talk.send("response.create")
    talk.finish()
    assert talk.all("session.weather.changed")
    assert all("obfuscation" in delta for delta in talk.all("response.output_audio.delta"))


def test_usage_may_be_missing() -> None:
    talk = Talk(behaviour=ModelBehaviour(usage=False))
    talk.send("response.create")
    talk.finish()
    assert talk.last("response.done")["response"]["usage"] is None


def test_a_server_may_confirm_a_format_and_not_keep_it() -> None:
    talk = Talk(behaviour=ModelBehaviour(keeps_pcm=True))
    assert talk.last("session.updated")["session"]["audio"]["output"]["format"]["type"] == "audio/pcm"


def test_a_mute_server_says_nothing() -> None:
    talk = Talk(behaviour=ModelBehaviour(mute=True))
    talk.send("response.create")
    talk.finish()
    assert talk.events == []


def test_a_voice_that_fails_fails_the_response() -> None:
    talk = Talk(voice_works=False)
    talk.send("response.create")
    talk.finish()
    done = talk.last("response.done")["response"]
    assert done["status_details"]["error"]["code"] == "server_error"


def test_unmarked_speech_goes_to_the_recogniser() -> None:
    """And the answer waits until it is understood."""
    mind = Script(Step(Heard("When do you open"), Say("At nine.")))
    talk = Talk(mind, recognised="When do you open?")
    talk.hear(voice("When do you open?") + mulaw.silence(520))
    talk.finish()
    assert talk.last(TRANSCRIBED)["transcript"] == "When do you open?"
    assert talk.session.record.heard == ["When do you open?"]
    assert mind.problems == []


def test_the_same_seed_gives_the_same_session() -> None:
    def frames() -> list[str]:
        talk = Talk()
        talk.send("response.create")
        talk.finish()
        return talk.frames

    assert frames() == frames()


def test_what_the_client_asked_for_is_kept_to_be_read() -> None:
    talk = Talk()
    talk.silence(40)
    talk.send("response.create", event_id="x")
    assert [event["type"] for event in talk.session.record.received] == ["session.update", "response.create"]
    assert talk.session.record.appended_ms == 40
    assert json.loads(talk.frames[0])["type"] == "session.created"
