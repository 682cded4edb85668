"""Calls: `/v1/calls`."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.params import Body, FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct

from api import examples
from api.audit import note
from api.auth import SECURITY, Caller, needs
from api.body import JsonBody
from api.call_events import CallEventPage, EventsAfter, follow, last_event_id, shown_event
from api.errors import Problem, bad_field, not_found
from api.given import TheAddresses, TheDatabase, TheNotifications, TheRecordingFiles, TheTwilio
from api.hanging_up import hang_up
from api.idempotency import Attempt, IdempotencyKeyHeader, once
from api.openapi import example, responses
from api.pagination import Cursor, Limit, NextCursor, decode_cursor, encode_cursor
from api.placing import NewCall, Placing
from database import call_history
from database.call_history import CallFilter
from database.models import FINAL_STATUSES
from database.models import Call as CallRow
from database.pages import After
from database.session import Database
from database.shown import Call, Status, shown_call


class TranscriptItem(Struct, kw_only=True):
    role: Literal["caller", "agent", "tool"]
    text: Annotated[str, Meta(description="An agent's line that was cut off holds only what was heard.")]
    start_ms: Annotated[int, Meta(description="From the answer.")]
    end_ms: Annotated[int, Meta(description="From the answer.")]
    interrupted: Annotated[bool, Meta(description="The caller cut the agent off here.")]


class Transcript(Struct, kw_only=True):
    call_id: str
    items: list[TranscriptItem]


def _time(name: str, description: str) -> Any:
    return QueryParameter(
        name=name,
        description=f"{description} RFC 3339, such as `2026-11-22T10:00:00Z`.",
        schema_extra={"format": "date-time"},
    )


class CallPage(Struct, frozen=True):
    """Some calls, newest first."""

    items: list[Call]
    next_cursor: NextCursor


class CallController(Controller):
    path = "/v1/calls"
    tags = ["Calls"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY

    @post(
        operation_id="placeCall",
        summary="Place a call",
        guards=[needs("calls:write")],
        dto=JsonBody[NewCall],
        return_dto=None,
        responses=responses(
            201,
            Call,
            409,
            body=True,
            example=examples.CALL | {"status": "queued"},
            description="It is being dialled.",
        ),
    )
    async def place(
        self,
        *,
        request: Request[Any, Caller, Any],
        data: Annotated[NewCall, Body(examples=example(examples.NEW_CALL))],
        database: TheDatabase,
        twilio: TheTwilio,
        addresses: TheAddresses,
        idempotency_key: IdempotencyKeyHeader = None,
    ) -> Response[Call]:
        """Waits up to 10 s for Twilio. What Twilio refuses is 422 with Twilio's `code` and the `call_id`.

        When Twilio does not answer, the call stays `queued`, is never dialled again, and fails after 60 s
        unless it is heard of.
        """

        async def work(attempt: Attempt) -> Call:
            return shown_call(await Placing(database, twilio, addresses, request.auth).place(data, attempt))

        return await once(request, database, idempotency_key, Call, work)

    @get(
        operation_id="listCalls",
        summary="List calls",
        guards=[needs("calls:read")],
        responses=responses(200, CallPage, description="Newest first."),
    )
    async def list(
        self,
        *,
        database: TheDatabase,
        limit: Limit = 50,
        cursor: Cursor = None,
        status: Annotated[Status | None, QueryParameter(name="status")] = None,
        agent_id: Annotated[str | None, QueryParameter(name="agent_id")] = None,
        from_: Annotated[str | None, QueryParameter(name="from")] = None,
        to: Annotated[str | None, QueryParameter(name="to")] = None,
        since: Annotated[str | None, _time("since", "Created at or after.")] = None,
        until: Annotated[str | None, _time("until", "Created before.")] = None,
    ) -> CallPage:
        wanted = CallFilter(
            status=status,
            agent_id=agent_id,
            from_=from_,
            to=to,
            since=_moment("since", since),
            until=_moment("until", until),
        )
        after = decode_cursor(cursor, After)
        async with database.session() as session:
            page = await call_history.list_calls(session, wanted, limit=limit, after=after)
        return CallPage([shown_call(row) for row in page.items], encode_cursor(page.next))

    @get(
        "/{call_id:str}",
        operation_id="readCall",
        summary="Read a call",
        guards=[needs("calls:read")],
        responses=responses(200, Call, 404, example=examples.CALL),
    )
    async def read(self, call_id: FromPath[str], database: TheDatabase) -> Call:
        return shown_call(await _found(database, call_id))

    @delete(
        "/{call_id:str}",
        operation_id="eraseCall",
        summary="Erase a call's content",
        guards=[needs("calls:write")],
        responses=responses(204, None, 404, 409),
    )
    async def erase(
        self,
        request: Request[Any, Caller, Any],
        call_id: FromPath[str],
        database: TheDatabase,
        recording_files: TheRecordingFiles,
    ) -> None:
        """Transcript, recording, events, variables, metadata and the other side's number go for good.

        That there was a call, how long and at what cost, stays. Only once it is over.
        """
        async with database.session.begin() as session:
            call = await call_history.find_call(session, call_id, lock=True)
            if call is None:
                raise not_found("call", call_id)
            if call.status not in FINAL_STATUSES:
                raise Problem(409, f"The call is {call.status}: hang it up first, then erase it.")
            await call_history.erase_content(session, call)
            await note(session, request.auth, "call.erased", call_id)
        # What other machines hold of its recording they delete within a minute.
        await asyncio.to_thread(recording_files.erase, call_id)

    @post(
        "/{call_id:str}/hangup",
        operation_id="hangUpCall",
        summary="Hang up",
        guards=[needs("calls:write")],
        status_code=200,
        responses=responses(
            200, Call, 404, 409, 502, 504, example=examples.CALL, description="It is being ended."
        ),
    )
    async def hangup(
        self,
        *,
        request: Request[Any, Caller, Any],
        call_id: FromPath[str],
        database: TheDatabase,
        notifications: TheNotifications,
        twilio: TheTwilio,
    ) -> Call:
        """Works on a ringing and on a live call, whichever process holds it. 409 when it is over already."""
        await hang_up(await _found(database, call_id), request.auth, database, notifications, twilio)
        return shown_call(await _found(database, call_id))

    @get(
        "/{call_id:str}/transcript",
        operation_id="readTranscript",
        summary="Read what was said",
        guards=[needs("calls:read")],
        responses=responses(
            200, Transcript, 404, example=examples.TRANSCRIPT, description="In spoken order."
        ),
    )
    async def transcript(self, call_id: FromPath[str], database: TheDatabase) -> Transcript:
        """Can be read while the call runs; lines may then still change."""
        await _found(database, call_id)
        async with database.session() as session:
            lines = await call_history.transcript(session, call_id)
        items = [msgspec.convert(line, TranscriptItem, from_attributes=True) for line in lines]
        return Transcript(call_id=call_id, items=items)

    @get(
        "/{call_id:str}/events",
        operation_id="listCallEvents",
        summary="List or follow what happened",
        guards=[needs("calls:read")],
        responses=responses(
            200,
            CallEventPage,
            404,
            example=examples.EVENTS,
            description="Oldest first, or a stream of them.",
        ),
    )
    async def events(
        self,
        *,
        request: Request[Any, Caller, Any],
        call_id: FromPath[str],
        database: TheDatabase,
        notifications: TheNotifications,
        limit: Limit = 50,
        cursor: Cursor = None,
        last_event_id_: Annotated[
            str | None,
            HeaderParameter(
                name="Last-Event-ID", description="With `text/event-stream`: go on after this event."
            ),
        ] = None,
    ) -> Response[CallEventPage] | Stream:
        """With `Accept: text/event-stream` a live call is followed as server-sent events until it has ended.

        Their `id` is the event's, `event` its type and `data` the event as JSON.
        """
        await _found(database, call_id)
        if "text/event-stream" in request.headers.get("accept", ""):
            stream = follow(database, notifications, call_id, last_event_id(last_event_id_))
            return Stream(
                stream,
                media_type="text/event-stream",
                headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            )
        place = decode_cursor(cursor, EventsAfter) or EventsAfter(0)
        async with database.session() as session:
            rows = await call_history.events_after(session, call_id, place.event_id, limit=limit + 1)
        items = [shown_event(row) for row in rows[:limit]]
        more = EventsAfter(rows[limit - 1].id) if len(rows) > limit else None
        return Response(CallEventPage(items, encode_cursor(more)))


async def _found(database: Database, call_id: str) -> CallRow:
    async with database.session() as session:
        call = await call_history.find_call(session, call_id)
    if call is None:
        raise not_found("call", call_id)
    return call


def _moment(name: str, text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, Annotated[dt.datetime, Meta(tz=True)])
        return moment.astimezone(dt.UTC)
    except (msgspec.ValidationError, OverflowError) as error:
        raise bad_field(
            name, "is not an RFC 3339 time with its zone, such as 2026-11-22T10:00:00Z"
        ) from error
