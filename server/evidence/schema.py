"""The tables of the evidence database and of the registry (docs/formats/evidence-store.md).

One bundle row per upload: its entries framed as they came, their leaf hashes, its checkpoint. Openings lie in their
own table, so that they can be erased. Tiles repeat the leaf hashes in groups of 256 with the hash of each full group,
so that a proof reads a few rows. Small columns stand before large ones: SQLite walks no overflow pages for them.

The registry (who may upload) is written by the operator's commands while the server runs; in the SQLite form it is a
file of its own, so that exactly one process and one connection ever writes the evidence file.
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
    String,
    Table,
    UniqueConstraint,
)

SCHEMA_VERSION = 1
TILE_WIDTH = 256

# SQLite gives rowids only to columns declared exactly INTEGER; PostgreSQL needs 64 bits.
SERIAL = BigInteger().with_variant(Integer(), "sqlite")

evidence = MetaData()
registry = MetaData()

meta = Table("meta", evidence, Column("key", String, primary_key=True), Column("value", String, nullable=False))

# How many rows a table has had; they are never deleted.
counts = Table(
    "counts",
    evidence,
    Column("name", String, primary_key=True),
    Column("rows_ever", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)

logs = Table(
    "logs",
    evidence,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("origin", String, nullable=False, unique=True),
    Column("gateway_id", String, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("range_hashes", LargeBinary, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("cosigned", LargeBinary),
    Column("cosigned_size", BigInteger, nullable=False),
    Column("cosigned_s", BigInteger, nullable=False),
    Column("frozen", String),
    Column("updated_us", BigInteger, nullable=False),
    Index("logs_by_gateway", "gateway_id", "generation"),
)

bundles = Table(
    "bundles",
    evidence,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("log_id", SERIAL, ForeignKey("logs.id"), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("stop", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("cosigned_s", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("entries", LargeBinary, nullable=False),
    UniqueConstraint("log_id", "start"),
    sqlite_autoincrement=True,
)

openings = Table(
    "openings",
    evidence,
    Column("log_id", SERIAL, ForeignKey("logs.id"), primary_key=True),
    Column("entry_index", BigInteger, primary_key=True),
    Column("field", String, primary_key=True),
    Column("blind", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
)

tiles = Table(
    "tiles",
    evidence,
    Column("log_id", SERIAL, ForeignKey("logs.id"), primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
)

witnessed = Table(
    "witnessed",
    evidence,
    Column("origin", String, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("cosigned_s", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
)

refusals = Table(
    "refusals",
    evidence,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("origin", String, nullable=False),
    Column("gateway_id", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("origin", "status", "body_sha256"),
)

alarms = Table(
    "alarms",
    evidence,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("identity", LargeBinary, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("origin", String),
    Column("entry_index", BigInteger),
    Column("detail", String, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("evidence", LargeBinary, nullable=False),
)

gateways = Table(
    "gateways",
    registry,
    Column("id", String, primary_key=True),
    Column("log_key", LargeBinary, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String),
    Column("added_us", BigInteger, nullable=False),
)

certificates = Table(
    "certificates",
    registry,
    Column("gateway_id", String, ForeignKey("gateways.id"), primary_key=True),
    Column("fingerprint", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("reason", String),
    Column("first_seen_us", BigInteger, nullable=False),
)
