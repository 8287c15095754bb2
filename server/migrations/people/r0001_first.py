"""The tables of version 0.1.0. Databases of that version have them and no table of revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from server.migrations.types import INT64, TEXT

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "accounts",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("created_us", INT64, nullable=False),
    )
    op.create_table(
        "acknowledgements",
        sa.Column("alert", TEXT, primary_key=True),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("at_us", INT64, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("csrf", TEXT, nullable=False),
        sa.Column("created_us", INT64, nullable=False),
        sa.Column("seen_us", INT64, nullable=False),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"])
    op.create_table(
        "tokens",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("label", TEXT, nullable=False, unique=True),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("created_us", INT64, nullable=False),
    )
