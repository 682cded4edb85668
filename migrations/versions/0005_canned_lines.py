"""Operators' own canned speech, of an agent or of a language."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "canned_lines",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("audio", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(agent_id is null) <> (language is null)", name=op.f("ck_canned_lines_owner")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_canned_lines_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canned_lines")),
        sa.UniqueConstraint("agent_id", "line", name=op.f("uq_canned_lines_agent_id_line")),
        sa.UniqueConstraint("language", "line", name=op.f("uq_canned_lines_language_line")),
    )


def downgrade() -> None:
    op.drop_table("canned_lines")
