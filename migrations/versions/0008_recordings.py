"""Which parts of calls were recorded, and by which machine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recording_parts",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_recording_parts_call_id_calls"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("call_id", "part", name=op.f("pk_recording_parts")),
    )
    op.create_index(
        "ix_recording_parts_erased",
        "recording_parts",
        ["erased_at"],
        postgresql_where=sa.text("erased_at is not null"),
    )
    op.create_index(
        "ix_recording_parts_kept",
        "recording_parts",
        ["started_at"],
        postgresql_where=sa.text("erased_at is null"),
    )


def downgrade() -> None:
    op.drop_table("recording_parts")
