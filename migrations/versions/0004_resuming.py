"""What a call that is resumed elsewhere needs: whole tool calls, lines not yet finished, who holds it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("holder", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("attach_offers", sa.Integer(), server_default="0", nullable=False))
    op.add_column("calls", sa.Column("attach_offered_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("calls", sa.Column("after_stream_token", sa.Text(), nullable=True))
    op.add_column(
        "transcript_lines", sa.Column("tool", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    op.add_column(
        "transcript_lines", sa.Column("partial", sa.Boolean(), server_default="false", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("transcript_lines", "partial")
    op.drop_column("transcript_lines", "tool")
    op.drop_column("calls", "after_stream_token")
    op.drop_column("calls", "attach_offered_at")
    op.drop_column("calls", "attach_offers")
    op.drop_column("calls", "holder")
