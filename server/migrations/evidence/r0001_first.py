"""The tables of version 0.1.0. Databases of that version have them and no table of revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from server.migrations.types import BYTES, INT64, TEXT

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    _reports()
    _logs()
    _refusals()
    _bundles()


def _reports() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", INT64, primary_key=True, autoincrement=True),
        sa.Column("identity", BYTES, nullable=False, unique=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("origin", TEXT),
        sa.Column("entry_index", INT64),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("first_us", INT64, nullable=False),
        sa.Column("last_us", INT64, nullable=False),
        sa.Column("times", INT64, nullable=False),
        sa.Column("seal", BYTES, nullable=False),
        sa.Column("evidence", BYTES, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "counts",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("rows_ever", INT64, nullable=False),
        sa.Column("seal", BYTES, nullable=False),
        sqlite_strict=True,
    )


def _logs() -> None:
    op.create_table(
        "logs",
        sa.Column("id", INT64, primary_key=True, autoincrement=True),
        sa.Column("origin", TEXT, nullable=False, unique=True),
        sa.Column("gateway_id", TEXT, nullable=False),
        sa.Column("generation", INT64, nullable=False),
        sa.Column("size", INT64, nullable=False),
        sa.Column("root", BYTES, nullable=False),
        sa.Column("range_hashes", BYTES, nullable=False),
        sa.Column("checkpoint", BYTES, nullable=False),
        sa.Column("cosigned", BYTES),
        sa.Column("cosigned_size", INT64, nullable=False),
        sa.Column("cosigned_s", INT64, nullable=False),
        sa.Column("frozen", TEXT),
        sa.Column("updated_us", INT64, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("logs_by_gateway", "logs", ["gateway_id", "generation"])


def _refusals() -> None:
    op.create_table(
        "meta",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("value", TEXT, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "refusals",
        sa.Column("id", INT64, primary_key=True, autoincrement=True),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("gateway_id", TEXT, nullable=False),
        sa.Column("status", INT64, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("at_us", INT64, nullable=False),
        sa.Column("times", INT64, nullable=False),
        sa.Column("body_sha256", BYTES, nullable=False),
        sa.Column("seal", BYTES, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.UniqueConstraint("origin", "status", "body_sha256"),
        sqlite_strict=True,
    )
    op.create_table(
        "witnessed",
        sa.Column("origin", TEXT, primary_key=True),
        sa.Column("size", INT64, nullable=False),
        sa.Column("root", BYTES, nullable=False),
        sa.Column("cosigned_s", INT64, nullable=False),
        sa.Column("note", BYTES, nullable=False),
        sqlite_strict=True,
    )


def _bundles() -> None:
    op.create_table(
        "bundles",
        sa.Column("seq", INT64, primary_key=True, autoincrement=True),
        sa.Column("log_id", INT64, sa.ForeignKey("logs.id"), nullable=False),
        sa.Column("start", INT64, nullable=False),
        sa.Column("stop", INT64, nullable=False),
        sa.Column("received_us", INT64, nullable=False),
        sa.Column("cosigned_s", INT64, nullable=False),
        sa.Column("seal", BYTES, nullable=False),
        sa.Column("checkpoint", BYTES, nullable=False),
        sa.Column("leaves", BYTES, nullable=False),
        sa.Column("entries", BYTES, nullable=False),
        sa.UniqueConstraint("log_id", "start"),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "openings",
        sa.Column("log_id", INT64, sa.ForeignKey("logs.id"), primary_key=True),
        sa.Column("entry_index", INT64, primary_key=True),
        sa.Column("field", TEXT, primary_key=True),
        sa.Column("blind", BYTES, nullable=False),
        sa.Column("value", BYTES, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "tiles",
        sa.Column("log_id", INT64, sa.ForeignKey("logs.id"), primary_key=True),
        sa.Column("level", INT64, primary_key=True, autoincrement=False),
        sa.Column("n", INT64, primary_key=True),
        sa.Column("root", BYTES, nullable=False),
        sa.Column("hashes", BYTES, nullable=False),
        sqlite_strict=True,
    )
