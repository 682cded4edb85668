"""The documents that we ever send. https://www.twilio.com/docs/voice/twiml"""

# pyright: reportUnknownMemberType=false
# (The verbs of Twilio's package carry no types.)

from __future__ import annotations

from twilio.twiml.voice_response import Connect, Dial, Stream, VoiceResponse

APOLOGY = "I am sorry, something has gone wrong on our side."
FULL = "I am sorry, all lines are busy right now."
CONNECTING = "I am connecting you to somebody."
CALL_AGAIN = "Please call again later. Goodbye."

DIAL_SECONDS = 30
WAIT_SECONDS = 4


def connect(*, stream_url: str, token: str, after_stream_url: str) -> str:
    """Hand the call to the agent. Twilio documents `action` for Connect but not for its Stream: if it is
    honoured
    the Redirect is never reached, if not it leads to the same address."""
    stream = Stream(url=stream_url)
    stream.parameter(name="token", value=token)
    bridge = Connect(action=after_stream_url, method="POST")
    bridge.append(stream)
    response = VoiceResponse()
    response.append(bridge)
    response.redirect(after_stream_url, method="POST")
    return str(response)


def apologise(fallback_number: str | None, *, words: str = APOLOGY) -> str:
    """Say that it is our fault, then ring the fallback number if there is one. No `words`: it was said."""
    response = VoiceResponse()
    if words:
        response.say(f"{words} {CALL_AGAIN if fallback_number is None else CONNECTING}")
    if fallback_number is not None:
        response.dial(fallback_number, timeout=DIAL_SECONDS)
    response.hangup()
    return str(response)


def wait(after_stream_url: str) -> str:
    """Nothing, until REST says what comes next; if it does not, ask again."""
    response = VoiceResponse()
    response.pause(length=WAIT_SECONDS)
    response.redirect(after_stream_url, method="POST")
    return str(response)


def when_full(message: str | None, forward_to: str | None) -> str:
    """No call can be taken: the number's own message, or the number it forwards to."""
    if message is None:
        return apologise(forward_to, words=FULL)
    response = VoiceResponse()
    response.say(message)
    if forward_to is not None:
        response.dial(forward_to, timeout=DIAL_SECONDS)
    response.hangup()
    return str(response)


def dial(
    to: str,
    *,
    caller_id: str | None,
    timeout_seconds: int,
    whisper_url: str | None,
    status_url: str,
    after_dial_url: str,
) -> str:
    """Put the caller through to a number or a SIP address. What comes next is asked for at `after_dial_url`,
    whatever becomes of it. https://www.twilio.com/docs/voice/twiml/dial"""
    verb = Dial(
        action=after_dial_url,
        method="POST",
        answer_on_bridge=True,
        timeout=timeout_seconds,
        **({} if caller_id is None else {"caller_id": caller_id}),
    )
    more: dict[str, str] = {
        "status_callback": status_url,
        "status_callback_event": "answered completed",
        "status_callback_method": "POST",
    }
    if whisper_url is not None:
        more |= {"url": whisper_url, "method": "POST"}
    if to.startswith("+"):
        verb.number(to, **more)
    else:
        verb.sip(to, **more)
    response = VoiceResponse()
    response.append(verb)
    return str(response)


def whisper(words: str | None) -> str:
    """For whoever picks up, before they are joined to the caller."""
    response = VoiceResponse()
    if words is not None:
        response.say(words)
    return str(response)


def hang_up() -> str:
    response = VoiceResponse()
    response.hangup()
    return str(response)


def reject() -> str:
    """Not answered, and not billed."""
    response = VoiceResponse()
    response.reject(reason="rejected")
    return str(response)
