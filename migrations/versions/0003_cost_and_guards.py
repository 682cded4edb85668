"""Prices and what calls cost, guards, the audit log, and how long content is kept."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SHIPPED_PRICES = Path(__file__).parent.parent / "prices" / "2026-11.csv"
VALID_FROM = dt.date(2025, 8, 28)
"""Before any call was made with this program."""


def upgrade() -> None:
    prices = op.create_table(
        "prices",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("usd", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("model", "kind", "valid_from", name=op.f("pk_prices")),
    )
    with SHIPPED_PRICES.open(newline="", encoding="utf-8") as file:
        rows = [row | {"usd": Decimal(row["usd"]), "valid_from": VALID_FROM} for row in csv.DictReader(file)]
    op.bulk_insert(prices, rows)
    op.create_table(
        "guards",
        sa.Column("id", sa.Integer(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_guards_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guards")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("api_key_id", sa.Text(), nullable=False),
        sa.Column("api_key_hint", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("fields", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_at_id", "audit_log", ["at", "id"])
    op.add_column("calls", sa.Column("price_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("calls", sa.Column("price_tries", sa.Integer(), server_default="0", nullable=False))
    op.add_column("calls", sa.Column("content_erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_calls_price_due", "calls", ["price_due_at"], postgresql_where="price_due_at is not null"
    )
    op.create_index(
        "ix_calls_content_kept", "calls", ["ended_at"], postgresql_where="content_erased_at is null"
    )


def downgrade() -> None:
    op.drop_index("ix_calls_content_kept", table_name="calls")
    op.drop_index("ix_calls_price_due", table_name="calls")
    op.drop_column("calls", "content_erased_at")
    op.drop_column("calls", "price_tries")
    op.drop_column("calls", "price_due_at")
    op.drop_table("audit_log")
    op.drop_table("guards")
    op.drop_table("prices")
