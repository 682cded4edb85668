"""The documents of a trial call, which finds out what Twilio does: `callbridge doctor --live-call`."""

# pyright: reportUnknownMemberType=false
# (The verbs of Twilio's package carry no types.)

from __future__ import annotations

from twilio.twiml.voice_response import Connect, Stream, VoiceResponse


def connect(*, stream_url: str, action_url: str, redirect_url: str) -> str:
    """Unlike a real call's, the two addresses differ: so it shows which of them is asked."""
    bridge = Connect(action=action_url, method="POST")
    bridge.append(Stream(url=stream_url))
    response = VoiceResponse()
    response.append(bridge)
    response.redirect(redirect_url, method="POST")
    return str(response)


def redirect(url: str) -> str:
    response = VoiceResponse()
    response.redirect(url, method="POST")
    return str(response)
