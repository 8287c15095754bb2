"""The tables of version 0.1.0. Databases of that version have them and no table of revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from server.migrations.types import BYTES, INT64, TEXT

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "gateways",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("log_key", BYTES, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("added_us", INT64, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "certificates",
        sa.Column("gateway_id", TEXT, sa.ForeignKey("gateways.id"), primary_key=True),
        sa.Column("fingerprint", TEXT, primary_key=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("reason", TEXT),
        sa.Column("first_seen_us", INT64, nullable=False),
        sqlite_strict=True,
    )
