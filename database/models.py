"""The tables. Ids are made in Python so that any Postgres from 15 up will do."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import MetaData

CALL_STATUSES = (
    "queued",
    "initiated",
    "ringing",
    "in-progress",
    "completed",
    "busy",
    "no-answer",
    "failed",
    "canceled",
)
FINAL_STATUSES = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
DELIVERY_STATUSES = ("pending", "delivered", "dead")


def new_id(prefix: str) -> str:
    """`agent_0193…`: a millisecond time, then 80 random bits, so that ids sort by age."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own name)
        str: Text(),
        dt.datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: ARRAY(Text()),
    }


class Agent(Base):
    """The name under which versions are kept; what it does is in its newest `AgentVersion`."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    """The newest version; `If-Match` of a PATCH names it."""
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    hidden_at: Mapped[dt.datetime | None]
    """Set by DELETE when calls still refer to it: kept, and no longer shown."""


class AgentVersion(Base):
    """What an agent was at one moment. Never changed; a call names the one that it ran on."""

    __tablename__ = "agent_versions"

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    config: Mapped[dict[str, Any]]
    """Every field of the REST API's agent but ids and times; secrets in it are encrypted."""
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class PhoneNumber(Base):
    __tablename__ = "phone_numbers"

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    """E.164."""
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id"), index=True)
    twilio_sid: Mapped[str | None]
    fallback_url: Mapped[str | None]
    when_full: Mapped[str | None]
    forward_to: Mapped[str | None]
    previous_webhooks: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """What Twilio had before we pointed the number here; DELETE puts it back."""
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class Call(Base):
    __tablename__ = "calls"
    __table_args__ = (
        CheckConstraint("direction in ('inbound', 'outbound')", name="direction"),
        CheckConstraint("status in (" + ", ".join(f"'{s}'" for s in CALL_STATUSES) + ")", name="status"),
        ForeignKeyConstraint(
            ["agent_id", "agent_version"], ["agent_versions.agent_id", "agent_versions.version"]
        ),
        Index("ix_calls_created_at_id", "created_at", "id"),
        Index("ix_calls_agent_id_created_at", "agent_id", "created_at"),
        Index("ix_calls_unfinished", "status", postgresql_where="ended_at is null"),
        Index("ix_calls_price_due", "price_due_at", postgresql_where="price_due_at is not null"),
        Index("ix_calls_content_kept", "ended_at", postgresql_where="content_erased_at is null"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    direction: Mapped[str]
    status: Mapped[str]
    status_sequence: Mapped[int] = mapped_column(server_default="-1")
    """Twilio's `SequenceNumber` of the last status callback taken in; an older one changes nothing."""
    agent_id: Mapped[str]
    agent_version: Mapped[int]
    phone_number_id: Mapped[str | None] = mapped_column(
        ForeignKey("phone_numbers.id", ondelete="SET NULL"), index=True
    )
    from_: Mapped[str] = mapped_column("from")
    to: Mapped[str]
    twilio_call_sid: Mapped[str | None] = mapped_column(unique=True)
    variables: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", server_default="{}")
    max_call_seconds: Mapped[int | None]
    """From `POST /v1/calls`; over the agent's own."""
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    answered_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    ended_reason: Mapped[str | None]
    """May be set while the call is still up: what after-stream is to carry out."""
    answered_by: Mapped[str | None]
    usage: Mapped[dict[str, Any] | None]
    cost: Mapped[dict[str, Any] | None]
    latency: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    """`{code, message}` of Twilio or OpenAI."""
    transfer: Mapped[dict[str, Any] | None]
    """To whom the caller was put through last, and what became of it: `bridge.call.transfer.Transfer`."""
    price_due_at: Mapped[dt.datetime | None]
    """When Twilio is to be asked for its price next; None: not yet over, known, or given up."""
    price_tries: Mapped[int] = mapped_column(server_default="0")
    content_erased_at: Mapped[dt.datetime | None]
    """When what was said was deleted, on request or because it was kept long enough."""

    attach_number: Mapped[int] = mapped_column(server_default="0")
    """How many media streams this call has had; the stream token names the next one."""
    attach_expires_at: Mapped[dt.datetime | None]
    """Until when the token in the TwiML last returned is good: a retried webhook returns the same."""
    slot: Mapped[str | None]
    """The process that holds, or is to hold, the model session, as it is named in addresses."""
    holder: Mapped[str | None]
    """The same process, by the name that no other one ever has."""
    attach_offers: Mapped[int] = mapped_column(server_default="0")
    """How often a lost media stream was asked for again without its having worked for a while since."""
    attach_offered_at: Mapped[dt.datetime | None]
    """When the first of them was."""
    after_stream_token: Mapped[str | None]
    """Twilio's idempotency token of the last of them: a repeated request gets the same answer."""
    twilio_checked_at: Mapped[dt.datetime | None]
    """When Twilio last told its end, or was asked how it is."""


class CallEvent(Base):
    """What happened on a call. Written under the call's row lock, so that ids rise as they become visible."""

    __tablename__ = "call_events"
    __table_args__ = (Index("ix_call_events_call_id_id", "call_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"))
    at: Mapped[dt.datetime]
    offset_ms: Mapped[int]
    """From the answer; negative before it."""
    type: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


class TranscriptLine(Base):
    __tablename__ = "transcript_lines"
    __table_args__ = (CheckConstraint("role in ('caller', 'agent', 'tool')", name="role"),)

    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    """The voice model's own id of the item."""
    position: Mapped[int]
    """Order in which things were said; may change while a call runs."""
    role: Mapped[str]
    text: Mapped[str]
    start_ms: Mapped[int]
    end_ms: Mapped[int]
    interrupted: Mapped[bool] = mapped_column(server_default="false")
    tool: Mapped[dict[str, Any] | None]
    """Of a tool's line: `{name, tool_call_id, arguments, output}`; `output` null while it runs."""
    partial: Mapped[bool] = mapped_column(server_default="false")
    """What has been heard so far of something that the agent is still saying."""


class CannedLine(Base):
    """Speech of the operator's for when the voice model cannot speak."""

    __tablename__ = "canned_lines"
    __table_args__ = (
        CheckConstraint("(agent_id is null) <> (language is null)", name="owner"),
        UniqueConstraint("agent_id", "line"),
        UniqueConstraint("language", "line"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    """A new one with each change."""
    agent_id: Mapped[str | None] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    language: Mapped[str | None]
    """Of all agents that speak it and have no line of their own; in lower case."""
    line: Mapped[str]
    """A field of `bridge.call.lines.Lines`."""
    text: Mapped[str]
    audio: Mapped[bytes]
    """Mu-law, 8 kHz."""
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class RecordingPart(Base):
    """What was recorded of one media stream. The sound is a file on the machine that is named."""

    __tablename__ = "recording_parts"
    __table_args__ = (
        Index("ix_recording_parts_erased", "erased_at", postgresql_where="erased_at is not null"),
        Index("ix_recording_parts_kept", "started_at", postgresql_where="erased_at is null"),
    )

    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True)
    """The attach number of its stream."""
    started_at: Mapped[dt.datetime]
    machine: Mapped[str]
    size: Mapped[int | None] = mapped_column(BigInteger)
    """In bytes; None: it goes on, or its process was lost."""
    erased_at: Mapped[dt.datetime | None]
    """The files are to be deleted; then the row is."""


class CallCommand(Base):
    """Something to be done on a live call by whichever process holds it."""

    __tablename__ = "call_commands"
    __table_args__ = (Index("ix_call_commands_open", "call_id", postgresql_where="acknowledged_at is null"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"))
    command: Mapped[str]
    """`answered`, `hangup`, …"""
    data: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    acknowledged_at: Mapped[dt.datetime | None]


class Journal(Base):
    """How far the journal of one process is written. A batch that comes a second time, from the spool of a
    process that was killed or after a commit of which nobody heard, is known by its number."""

    __tablename__ = "journals"

    id: Mapped[str] = mapped_column(primary_key=True)
    """Of one process from its start to its end."""
    written: Mapped[int] = mapped_column(BigInteger)
    """The number of the last batch."""


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    hint: Mapped[str]
    """The secret's first characters, for telling keys apart."""
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    """Of 256 random bits: nothing to slow down a guesser for."""
    scopes: Mapped[list[str]]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]


class Price(Base):
    """What OpenAI takes for a kind of usage of one model, from a day on. The operator's to edit."""

    __tablename__ = "prices"

    model: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    """`bridge.call.cost.PriceKind`."""
    valid_from: Mapped[dt.date] = mapped_column(primary_key=True)
    """UTC; until the next one of the same kind."""
    usd: Mapped[Decimal]
    """Of a million tokens, or of a minute."""


class GuardSettings(Base):
    """One row at most: what may be dialled, and how much. `database.guards.Guards`."""

    __tablename__ = "guards"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, server_default="1")
    config: Mapped[dict[str, Any]]
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class AuditEntry(Base):
    """What an operator did. Written in the transaction that did it; never changed."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_at_id", "at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    api_key_id: Mapped[str]
    """`admin`: the key of the settings."""
    api_key_hint: Mapped[str]
    action: Mapped[str]
    """`agent.changed`, …"""
    object_id: Mapped[str | None]
    fields: Mapped[list[str]]
    """Names of what was set or changed. Values are nowhere in this table: some are secret."""


class IdempotencyKey(Base):
    """The answer to a POST that bore an `Idempotency-Key`, kept for 24 hours."""

    __tablename__ = "idempotency_keys"

    api_key_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    """Of method, path and body."""
    status_code: Mapped[int | None]
    """None while the first request is running."""
    body: Mapped[str | None]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now(), index=True)


class Webhook(Base):
    """An address of the operator's that wants to hear of call events."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    events: Mapped[list[str]]
    """Types of call events; `*` is all of them."""
    secret: Mapped[str]
    """What deliveries are signed with, encrypted."""
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class WebhookDelivery(Base):
    """One call event on its way to one webhook. The queue only says when to try; what counts is here."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("status in (" + ", ".join(f"'{s}'" for s in DELIVERY_STATUSES) + ")", name="status"),
        Index("ix_webhook_deliveries_webhook_id_created_at_id", "webhook_id", "created_at", "id"),
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where="status = 'pending'"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    """The header `webhook-id`: the same at every attempt."""
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    event_type: Mapped[str]
    body: Mapped[str]
    """What is signed and sent, byte for byte the same at every attempt."""
    status: Mapped[str] = mapped_column(server_default="pending")
    round: Mapped[int] = mapped_column(server_default="0")
    """Rises when the operator asks for it again; what an earlier round still does no longer counts."""
    attempts: Mapped[int] = mapped_column(server_default="0")
    """In this round."""
    response_code: Mapped[int | None]
    """Of the last attempt; None: nobody answered."""
    error: Mapped[str | None]
    """Why the last attempt failed."""
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now(), index=True)
    last_attempt_at: Mapped[dt.datetime | None]
    next_attempt_at: Mapped[dt.datetime | None] = mapped_column(server_default=func.now())
    """None once it is delivered or dead."""
