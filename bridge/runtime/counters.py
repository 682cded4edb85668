"""What a process has counted since it started. Plain numbers: metrics read them when they are scraped."""

from __future__ import annotations

from msgspec import Struct


class Counters(Struct, kw_only=True):
    calls_prepared: int = 0
    calls_unclaimed: int = 0
    """Model sessions that were opened for nothing: no stream came in time."""
    calls_let_go: int = 0
    """Model sessions that were closed because the stream went to another process."""
    calls_resumed: int = 0
    """Taken up from another process: it was lost, or gave them away."""
    calls_moved: int = 0
    """Given to another process because this one was stopping."""
    calls_answered_without_postgres: int = 0
    calls_refused_full: int = 0
    calls_refused_overloaded: int = 0
    """The event loop was late."""
    calls_broken: int = 0
    """Ended by a bug of ours."""
    streams_started: int = 0
    streams_lost: int = 0
    streams_resumed: int = 0
    streams_moved: int = 0
    """Asked for again without Twilio's having asked what comes next."""
    streams_refused: int = 0
    """Wrong, used or late tokens, and streams that did not begin as Twilio's do."""
    streams_over_asgi: int = 0
    """Not taken over from the web server: each costs more than twice as much."""
    signatures_refused: int = 0
    phone_messages_malformed: int = 0
    phone_messages_ignored: int = 0
    model_messages_malformed: int = 0
    model_sessions_opened: int = 0
    model_sessions_refused: int = 0
    model_sessions_unreachable: int = 0
    model_sessions_lost: int = 0
    model_sessions_resumed: int = 0
    """Calls that went on with another session, be it that one was lost or that its time ran out."""
    lines_played: int = 0
    """From memory, because the model kept the caller waiting."""
    caller_frames_dropped: int = 0
    agent_frames_dropped: int = 0
    endings_left_to_after_stream: int = 0
    """Twilio's REST API did not carry the ending out."""
    forgotten_rows_closed: int = 0
    """Twilio's word that the call is over had not come, or had found nobody."""
    forgotten_calls_ended: int = 0
    """They went on at Twilio's though we had ended them."""

    def count_event(self, type_: str) -> None:
        """Some of what is recorded of calls."""
        match type_:
            case "stream.lost":
                self.streams_lost += 1
            case "stream.resumed":
                self.streams_resumed += 1
            case "model.lost":
                self.model_sessions_lost += 1
            case "model.resumed":
                self.model_sessions_resumed += 1
            case "agent.line_played":
                self.lines_played += 1
            case _:
                pass
