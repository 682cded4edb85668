"""How long a call waits for things, in seconds."""

from __future__ import annotations

from msgspec import Struct


class CallLimits(Struct, frozen=True):
    session_opens: float = 5.0
    """For the socket of a call's first session."""
    session_ready: float = 8.0
    """From there to a configured session."""
    session_reopens: float = 2.0
    """For the socket of a later one."""
    session_reconfigured: float = 1.0
    """And for its configuration."""
    model_back: float = 12.0
    """Without any session; then the caller is told."""
    successor_ahead: float = 360.0
    """Before a session's own end another one is opened."""
    successor_latest: float = 20.0
    """Before that end it takes over, whoever is speaking."""
    stream_asked: float = 1.0
    """For Twilio to ask what comes after a media stream that was lost; then it is told by REST."""
    stream_back: float = 15.0
    """Without a media stream: as long as Twilio waits for an answer."""
    stream_dead: float = 2.0
    """That nothing went through a media stream before it was given up as dead, about."""
    stream_works: float = 2.0
    """Of audio, for a stream that was asked for again to count as well."""
    kept_waiting: float = 1.5
    """Of silence while the agent is due to speak; then a line from memory is said."""
    still_waiting: float = 1.5
    """Between such lines."""
    answer: float = 4.0
    """For the model to begin a response, or to go on with one that it has broken off; then it is asked again,
    and the next time its session is taken to be stuck."""
    thinking: float = 12.0
    """For a response that has begun to be heard of."""
    response: float = 120.0
    """For one response to be made; then it is cancelled."""
    silent_audio: float = 1.5
    """Of agent audio in which nothing can be heard; then it is asked for again."""
    farewell_begins: float = 8.0
    """For the model to begin its closing words."""
    farewell: float = 30.0
    """For closing words in all."""
    filler: float = 1.0
    """Of silence while a tool runs; then its `say_while_running` is said."""
    last_mark: float = 2.0
    """Beyond the length of the audio that is still to be played."""
    last_words: float = 2.0
    """For the transcription of what the caller said last, after hanging up."""
    beep: float = 30.0
    """For a mailbox that the agent has recognised to beep; then the message is left all the same."""
    silence_of_machine: float = 2.0
    """Of a mailbox that has spoken; then it is taken to record."""
    protected: float = 60.0
    """For words that must be heard to their end to be begun; then callers may interrupt again."""
    message: float = 180.0
    """For a message to be left in all."""


LIMITS = CallLimits()
