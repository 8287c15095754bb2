"""The table of matches: staged attempt -> planned attempt (docs/formats/plan.md S2)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from server.migrations.types import BYTES, INT64, TEXT

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "matches",
        sa.Column("number", INT64, primary_key=True, autoincrement=False),
        sa.Column("staged", TEXT, nullable=False),
        sa.Column("planned", TEXT),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("at_us", INT64, nullable=False),
        sa.Column("seal", BYTES, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("matches_by_staged", "matches", ["staged", "number"])
