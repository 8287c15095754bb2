"""The tables of plans, their openings and the nonces of their sessions (docs/formats/plan.md)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from server.migrations.types import BYTES, INT64, TEXT

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "plans",
        sa.Column("point_id", TEXT, primary_key=True),
        sa.Column("version", INT64, primary_key=True, autoincrement=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("published_us", INT64, nullable=False),
        sa.Column("text", BYTES, nullable=False),
        sa.UniqueConstraint("sha256"),
        sqlite_strict=True,
    )
    op.create_table(
        "plan_gateways",
        sa.Column("gateway_id", TEXT, primary_key=True),
        sa.Column("point_id", TEXT, primary_key=True),
        sa.Column("version", INT64, primary_key=True, autoincrement=False),
        sa.ForeignKeyConstraint(["point_id", "version"], ["plans.point_id", "plans.version"]),
        sqlite_strict=True,
    )
    op.create_table(
        "plan_sessions",
        sa.Column("session_id", TEXT, primary_key=True),
        sa.Column("point_id", TEXT, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "plan_rubrics",
        sa.Column("sha256", TEXT, primary_key=True),
        sa.Column("text", BYTES, nullable=False),
        sqlite_strict=True,
    )
    _personal()
    op.create_table(
        "session_nonces",
        sa.Column("session_id", TEXT, primary_key=True),
        sa.Column("nonce", TEXT, nullable=False),
        sa.Column("made_us", INT64, nullable=False),
        sqlite_strict=True,
    )


def _personal() -> None:
    op.create_table(
        "plan_openings",
        sa.Column("attempt", TEXT, primary_key=True),
        sa.Column("field", TEXT, primary_key=True),
        sa.Column("sha256", TEXT, primary_key=True),
        sa.Column("session_id", TEXT, nullable=False),
        sa.Column("try_no", INT64, nullable=False),
        sa.Column("version", INT64, nullable=False),
        sa.Column("blind", BYTES, nullable=False),
        sa.Column("value", BYTES, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("plan_openings_by_value", "plan_openings", ["field", "value"])
    op.create_table(
        "plan_persons",
        sa.Column("attempt", TEXT, primary_key=True),
        sa.Column("keyed", TEXT, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("plan_persons_by_keyed", "plan_persons", ["keyed"])
