"""The tables of projections.db. Every column follows from evidence alone; the file may be deleted at any time.

`bundle` is the EntryStore's global bundle number, the projector's cursor. Times are µs UTC. Scores are hundredths,
exact totals are 10^-6 points (weight in 1/10000 times hundredths). The only personal value is the ticket, in `tickets`
and copied into `attempts` and `rigs`: gone after its erasure and a rebuild.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()
_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("index", _BIG, primary_key=True),
    sa.Column("bundle", _BIG, nullable=False),
    sa.Column("received_us", _BIG, nullable=False),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("rig", sa.String(64)),
    sa.Column("station", sa.String(64)),
    sa.Column("attempt", sa.String(32)),
    sa.Column("read_us", _BIG),
    sa.Column("sync", sa.String(16)),
    sa.Column("rig_time", sa.String(32)),
    sa.Column("guarantee", sa.String(32)),
    sa.Column("anchor", sa.Text),
    sa.Column("fields", sa.JSON, nullable=False),
    sa.Column("flags", sa.JSON, nullable=False),
    sa.Column("leaf", sa.String(64), nullable=False, index=True),  # of the entry inside, where it was logged again
    sa.Index("entries_attempt", "attempt", "origin", "index"),
    sa.Index("entries_rig", "rig", "origin", "index"),
    sa.Index("entries_type", "type", "origin", "index"),
)

adoptions = sa.Table(
    "adoptions",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("index", _BIG, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("index", _BIG, primary_key=True),
    sa.Column("bundle", _BIG, nullable=False),
    sa.Column("received_us", _BIG, nullable=False),
    sa.Column("gateway", sa.String(64), nullable=False),
    sa.Column("rig", sa.String(64), nullable=False),
    sa.Column("station", sa.String(64)),
    sa.Column("attempt", sa.String(32)),
    sa.Column("exam_no", _BIG),
    sa.Column("item", sa.String(16), nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("score_claimed", sa.Integer),
    sa.Column("score_recomputed", sa.Integer),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("differences", sa.JSON, nullable=False),
    sa.Column("notes", sa.JSON, nullable=False),
    sa.Column("deductions", sa.JSON, nullable=False),
    sa.Column("veto_effect", sa.String(16)),
    sa.Column("elapsed_s", sa.Integer),
    sa.Column("limit_s", sa.Integer),
    sa.Column("started", sa.String(32)),
    sa.Column("finished", sa.String(32)),
    sa.Column("read_us", _BIG),
    sa.Column("rubric", sa.String(64)),
    sa.Column("guarantee", sa.String(32)),
    sa.Column("source", sa.String(16)),
    sa.Index("items_cursor", "bundle", "index"),
    sa.Index("items_attempt", "attempt"),
)

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("index", _BIG, primary_key=True),
    sa.Column("received_us", _BIG, nullable=False),
    sa.Column("attempt", sa.String(32), nullable=False, index=True),
    sa.Column("rig", sa.String(64)),
    sa.Column("station", sa.String(64)),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("read_us", _BIG),
    sa.Column("fields", sa.JSON, nullable=False),
)

tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("index", _BIG, primary_key=True),
    sa.Column("attempt", sa.String(32), nullable=False, index=True),
    sa.Column("value", sa.Text, nullable=False),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("attempt", sa.String(32), primary_key=True),
    sa.Column("ticket", sa.Text),
    sa.Column("rigs", sa.JSON, nullable=False),
    sa.Column("stations", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("try_no", sa.Integer),
    sa.Column("identity", sa.String(16)),
    sa.Column("ack", sa.String(16)),
    sa.Column("abort_reason", sa.String(16)),
    sa.Column("item_count", sa.Integer, nullable=False),
    sa.Column("rubric", sa.String(64)),
    sa.Column("pass_mark", sa.Integer),
    sa.Column("claimed_total", sa.Integer),
    sa.Column("total_e6", _BIG),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("failed_by_veto", sa.Boolean, nullable=False),
    sa.Column("passed", sa.Boolean),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("notes", sa.JSON, nullable=False),
    sa.Column("first_us", _BIG, nullable=False),
    sa.Column("last_us", _BIG, nullable=False),
    sa.Index("attempts_last", "last_us", "attempt"),
)

rigs = sa.Table(
    "rigs",
    metadata,
    sa.Column("gateway", sa.String(64), primary_key=True),
    sa.Column("rig", sa.String(64), primary_key=True),
    sa.Column("origin", sa.String(255), nullable=False),
    sa.Column("index", _BIG, nullable=False),
    sa.Column("received_us", _BIG, nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("scope", sa.String(300), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("severity", sa.String(10), nullable=False),
    sa.Column("origin", sa.String(255)),
    sa.Column("index", _BIG),
    sa.Column("rig", sa.String(64)),
    sa.Column("attempt", sa.String(32)),
    sa.Column("at_us", _BIG, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("alerts_at", "at_us", "id"),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("index", _BIG, primary_key=True),
    sa.Column("received_us", _BIG, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
