"""The tables of plans in the registry: texts, their openings, rubrics, nonces. The same in SQLite and PostgreSQL.

Append-only. Personal are `plan_openings` (value and blind) and `plan_persons` (a keyed hash of the id number): only
these two are ever erased, and the texts with their commitments stay as they were.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Table, Text, UniqueConstraint

from server.evidence.schema import INT64, registry

__all__ = [
    "plan_gateways", "plan_openings", "plan_persons", "plan_rubrics", "plan_sessions", "plans", "registry",
    "session_nonces",
]  # fmt: skip

plans: Final = Table(
    "plans",
    registry,
    Column("point_id", Text, primary_key=True),
    Column("version", INT64, primary_key=True, autoincrement=False),
    Column("sha256", Text, nullable=False),
    Column("published_us", INT64, nullable=False),
    Column("text", LargeBinary, nullable=False),
    UniqueConstraint("sha256"),
    sqlite_strict=True,
)

# Which gateways a version names: the way from a certificate to its plan.
plan_gateways: Final = Table(
    "plan_gateways",
    registry,
    Column("gateway_id", Text, primary_key=True),
    Column("point_id", Text, primary_key=True),
    Column("version", INT64, primary_key=True, autoincrement=False),
    ForeignKeyConstraint(["point_id", "version"], ["plans.point_id", "plans.version"]),
    sqlite_strict=True,
)

# A session id belongs to one point for ever: its nonce is one, and entries name it.
plan_sessions: Final = Table(
    "plan_sessions",
    registry,
    Column("session_id", Text, primary_key=True),
    Column("point_id", Text, nullable=False),
    sqlite_strict=True,
)

plan_rubrics: Final = Table(
    "plan_rubrics",
    registry,
    Column("sha256", Text, primary_key=True),
    Column("text", LargeBinary, nullable=False),
    sqlite_strict=True,
)

# A corrected name is a second row: an older version's commitment keeps its own opening.
plan_openings: Final = Table(
    "plan_openings",
    registry,
    Column("attempt", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("try_no", INT64, nullable=False),
    Column("version", INT64, nullable=False),
    Column("blind", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Index("plan_openings_by_value", "field", "value"),
    sqlite_strict=True,
)

plan_persons: Final = Table(
    "plan_persons",
    registry,
    Column("attempt", Text, primary_key=True),
    Column("keyed", Text, nullable=False),
    Index("plan_persons_by_keyed", "keyed"),
    sqlite_strict=True,
)

session_nonces: Final = Table(
    "session_nonces",
    registry,
    Column("session_id", Text, primary_key=True),
    Column("nonce", Text, nullable=False),
    Column("made_us", INT64, nullable=False),
    sqlite_strict=True,
)
