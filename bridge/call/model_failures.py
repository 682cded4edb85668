"""When the voice model fails: the same once more, then another session, and at last none."""

from __future__ import annotations

from bridge.call.conversation import Conversation
from bridge.call.course import Course
from bridge.call.engine import ResponseEnded, SessionFailed
from bridge.call.events import ModelClosed, ModelUnreachable
from bridge.call.remote_tools import RemoteTools
from bridge.call.sessions import Session, Sessions
from bridge.call.waiting import Waiting


class ModelFailures:
    def __init__(
        self,
        model: Sessions,
        talk: Conversation,
        remote_tools: RemoteTools,
        waiting: Waiting,
        course: Course,
    ) -> None:
        self._model = model
        self._talk = talk
        self._remote_tools = remote_tools
        self._waiting = waiting
        self._course = course
        self._retried = False
        """A response has failed, and nothing has been heard of the model since."""

    # A session

    def closed(self, event: ModelClosed) -> None:
        session = self._model.numbered(event.session)
        if session is not None:
            self.session_failed(session, session.engine.closed(event.code, event.reason))

    def unreachable(self, event: ModelUnreachable) -> None:
        failure = SessionFailed(event.refused, event.code, event.message)
        self.session_failed(self._model.numbered(event.session), failure)

    def opens_too_slowly(self) -> None:
        failure = SessionFailed(False, "timeout", "The session was not ready in time.")
        self.session_failed(self._model.coming or self._model.current, failure)

    def too_late(self) -> None:
        failure = self._model.failure or SessionFailed(False, "unreachable", "No session could be had.")
        self._course.give_up(failure)

    def session_failed(self, session: Session | None, failure: SessionFailed) -> None:
        """A session was lost, or could not be had. What of its speech is with Twilio is heard to the end."""
        if session is None or self._course.given_up is not None:
            return
        had_the_call = session is self._model.current
        self._model.failed(session, failure)
        why = {"code": failure.code, "message": failure.message, "refused": failure.refused}
        if not had_the_call:
            self._talk.record("model.unreachable", **why)
        else:
            self._talk.record("model.lost", **why)
            self._talk.session_lost()
            self._remote_tools.model_lost()
            self._waiting.session_lost()
        if not self._course.goes_on:
            self._course.session_lost()
        elif self._model.lost_at is not None and (failure.refused or self._model.lost_too_often):
            self._course.give_up(failure)

    # A response

    def response_ended(self, event: ResponseEnded) -> None:
        if event.status != "failed":
            cut = event.status == "cancelled"
            self._retried = self._retried and (cut or self._talk.silent_ms > 0)
            return
        self._talk.record("model.error", code=event.code, message=event.message)
        self._try_again(SessionFailed(False, event.code or "failed", event.message or ""))

    def mind_silence(self) -> None:
        """Audio in which there is nothing to hear is asked for again."""
        if self._waiting.says_nothing and not self._course.ended:
            self._talk.record("model.error", code="silent_audio", message="There is nothing in the audio.")
            self._talk.silence_cut()
            self._model.send(self._model.engine.stop_speaking())
            self._try_again(SessionFailed(False, "silent_audio", "There is nothing in the audio."))

    def answer_overdue(self) -> None:
        self._talk.record("model.error", code="no_answer", message="The model has not begun to speak.")
        self._waiting.ask_again()
        self._model.send(self._model.engine.stop_speaking())
        self._try_again(SessionFailed(False, "no_answer", "The model does not answer."))

    def response_endless(self) -> None:
        failure = SessionFailed(False, "endless_response", "A response did not end.")
        self.session_failed(self._model.current, failure)

    def _try_again(self, failure: SessionFailed) -> None:
        """The same once more; the second time with another session."""
        if self._retried:
            self._retried = False
            self.session_failed(self._model.current, failure)
        elif not self._talk.caller.speaking:
            self._retried = True
            self._talk.due()
            self._model.send(self._model.engine.speak(None, purpose="retry"))
