"""The tables of the evidence database and of the registry (docs/formats/evidence-store.md).

One bundle row per upload: its entries framed as they came, their leaf hashes, its checkpoint. Openings lie in their
own table, so that they can be erased. Tiles repeat the leaf hashes in groups of 256 with the hash of each full group,
so that a proof reads a few rows. Small columns stand before large ones: SQLite walks no overflow pages for them.
Tables are STRICT in SQLite: a value of another type cannot get in.

The registry (who may upload) is written by the operator's commands while the server runs; in the SQLite form it is a
file of its own, so that exactly one process and one connection ever writes the evidence file. Tables of other rooms
that belong there (plans) are put into its MetaData by a module that `server/database/tables.py` names: `init` makes
them in both forms, and a migration (docs/server.md) brings them to databases that are there already.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1
TILE_WIDTH = 256

# SQLite gives rowids only to columns declared exactly INTEGER, which has 64 bits there; PostgreSQL says BIGINT.
INT64 = BigInteger().with_variant(Integer(), "sqlite")

evidence = MetaData()
registry = MetaData()

meta = Table(
    "meta",
    evidence,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_strict=True,
)

# How many rows a table has had; they are never deleted.
counts = Table(
    "counts",
    evidence,
    Column("name", Text, primary_key=True),
    Column("rows_ever", INT64, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    sqlite_strict=True,
)

logs = Table(
    "logs",
    evidence,
    Column("id", INT64, primary_key=True, autoincrement=True),
    Column("origin", Text, nullable=False, unique=True),
    Column("gateway_id", Text, nullable=False),
    Column("generation", INT64, nullable=False),
    Column("size", INT64, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("range_hashes", LargeBinary, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("cosigned", LargeBinary),
    Column("cosigned_size", INT64, nullable=False),
    Column("cosigned_s", INT64, nullable=False),
    Column("frozen", Text),
    Column("updated_us", INT64, nullable=False),
    Index("logs_by_gateway", "gateway_id", "generation"),
    sqlite_strict=True,
)

bundles = Table(
    "bundles",
    evidence,
    Column("seq", INT64, primary_key=True, autoincrement=True),
    Column("log_id", INT64, ForeignKey("logs.id"), nullable=False),
    Column("start", INT64, nullable=False),
    Column("stop", INT64, nullable=False),
    Column("received_us", INT64, nullable=False),
    Column("cosigned_s", INT64, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("entries", LargeBinary, nullable=False),
    UniqueConstraint("log_id", "start"),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)

openings = Table(
    "openings",
    evidence,
    Column("log_id", INT64, ForeignKey("logs.id"), primary_key=True),
    Column("entry_index", INT64, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("blind", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    sqlite_strict=True,
)

tiles = Table(
    "tiles",
    evidence,
    Column("log_id", INT64, ForeignKey("logs.id"), primary_key=True),
    Column("level", INT64, primary_key=True, autoincrement=False),
    Column("n", INT64, primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    sqlite_strict=True,
)

witnessed = Table(
    "witnessed",
    evidence,
    Column("origin", Text, primary_key=True),
    Column("size", INT64, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("cosigned_s", INT64, nullable=False),
    Column("note", LargeBinary, nullable=False),
    sqlite_strict=True,
)

refusals = Table(
    "refusals",
    evidence,
    Column("id", INT64, primary_key=True, autoincrement=True),
    Column("origin", Text, nullable=False),
    Column("gateway_id", Text, nullable=False),
    Column("status", INT64, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_us", INT64, nullable=False),
    Column("times", INT64, nullable=False),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("origin", "status", "body_sha256"),
    sqlite_strict=True,
)

alarms = Table(
    "alarms",
    evidence,
    Column("id", INT64, primary_key=True, autoincrement=True),
    Column("identity", LargeBinary, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("origin", Text),
    Column("entry_index", INT64),
    Column("detail", Text, nullable=False),
    Column("first_us", INT64, nullable=False),
    Column("last_us", INT64, nullable=False),
    Column("times", INT64, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("evidence", LargeBinary, nullable=False),
    sqlite_strict=True,
)

gateways = Table(
    "gateways",
    registry,
    Column("id", Text, primary_key=True),
    Column("log_key", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("added_us", INT64, nullable=False),
    sqlite_strict=True,
)

certificates = Table(
    "certificates",
    registry,
    Column("gateway_id", Text, ForeignKey("gateways.id"), primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("first_seen_us", INT64, nullable=False),
    sqlite_strict=True,
)
