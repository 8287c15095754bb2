"""The tables of projections.db. Every column follows from evidence alone; the file may be deleted at any time.

`bundle` is the EntryStore's global bundle number, the projector's cursor. Times are µs UTC. Scores are hundredths,
exact totals are 10^-6 points (weight in 1/10000 times hundredths). The only personal value is the ticket, in `tickets`
and copied into `attempts` and `rigs`: gone after its erasure and a rebuild. What a person wrote as the reason of a
match (`why`) may name somebody too. `matched` repeats the kept matches, so that an attempt is composed from tables of
one database alone.
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

# Each part of an adopted plan as it came; the last one of each text is repeated in plan_adoptions.
plan_parts = sa.Table(
    "plan_parts",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("index", _BIG, primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("of", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

plan_adoptions = sa.Table(
    "plan_adoptions",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("index", _BIG, primary_key=True),
    sa.Column("gateway", sa.String(64), nullable=False),
    sa.Column("received_us", _BIG, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("problem", sa.Text),  # why this adoption counts for nothing
)

# Every text that at least one of its gateways adopted, once, whoever came first.
adopted_plans = sa.Table(
    "adopted_plans",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("point", sa.String(64), nullable=False),
    sa.Column("version", _BIG, nullable=False),
    sa.Column("published", sa.String(32), nullable=False),
    sa.Column("region", sa.String(16), nullable=False),
    sa.Column("name", sa.JSON, nullable=False),  # {zh, en}
    sa.Column("gateways", sa.JSON, nullable=False),
    sa.Column("rooms", sa.JSON, nullable=False),  # [{id, name, stations: [{id, rigs: [{serial, …}]}]}]
    sa.Column("known", sa.Boolean),  # this server published it; None where nobody can tell
    sa.Column("sessions", sa.JSON, nullable=False),  # [{id, occupation, rubric, opens_us, closes_us, stations}]
    sa.Index("adopted_plans_version", "point", "version"),
)

planned_attempts = sa.Table(
    "planned_attempts",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("attempt", sa.String(32), primary_key=True),
    sa.Column("point", sa.String(64), nullable=False),
    sa.Column("version", _BIG, nullable=False),
    sa.Column("session", sa.String(64), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),  # in the session's list, from 0
    sa.Column("try_no", sa.Integer, nullable=False),
    sa.Column("rubric", sa.String(64), nullable=False),
    sa.Column("items", sa.JSON, nullable=False),  # codes, in order
    sa.Column("places", sa.JSON, nullable=False),  # a station for each, or empty
    sa.Index("planned_attempts_attempt", "attempt", "version"),
    sa.Index("planned_attempts_session", "session", "sha256", "position"),
)

session_marks = sa.Table(
    "session_marks",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("index", _BIG, primary_key=True),
    sa.Column("gateway", sa.String(64), nullable=False),
    sa.Column("session", sa.String(64), nullable=False, index=True),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("plan", sa.String(64)),
    sa.Column("nonce", sa.String(32)),
    sa.Column("reason", sa.String(16)),
    sa.Column("read_us", _BIG, nullable=False),
    sa.Column("received_us", _BIG, nullable=False),
)

# The matches that stand: staged attempt -> planned attempt (server/matches keeps them all).
matched = sa.Table(
    "matched",
    metadata,
    sa.Column("staged", sa.String(32), primary_key=True),
    sa.Column("planned", sa.String(32), nullable=False, index=True),
    sa.Column("number", _BIG, nullable=False),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("at_us", _BIG, nullable=False),
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
    sa.Column("session", sa.String(64)),
    sa.Column("binding", sa.String(16)),
    sa.Column("decoded", sa.Boolean, nullable=False),  # the fields are those of the raw words
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
    sa.Column("session", sa.String(64)),
    sa.Column("binding", sa.String(16)),
    sa.Column("notes", sa.JSON, nullable=False),
)

# What the entries of an attempt say, each value once: nearly all of them repeat it.
tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("attempt", sa.String(32), primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
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
    sa.Column("session", sa.String(64)),  # of the plan that counts; None: staged
    sa.Column("point", sa.String(64)),
    sa.Column("plan", sa.String(64)),
    sa.Column("planned", sa.JSON, nullable=False),  # [{item, place}], place None: any rig
    sa.Column("runs", sa.JSON, nullable=False),  # every end of an item, as server/projection/runs.py says it
    sa.Column("staged", sa.Boolean, nullable=False),  # bound to nobody, or outside any session
    sa.Column("matched_to", sa.String(32)),
    sa.Column("matches", sa.JSON, nullable=False),  # [{staged, account, why, at_us}] that brought records here
    sa.Index("attempts_last", "last_us", "attempt"),
    sa.Index("attempts_session", "session"),
    sa.Index("attempts_staged", "staged", "last_us"),
)

rigs = sa.Table(
    "rigs",
    metadata,
    sa.Column("gateway", sa.String(64), primary_key=True),
    sa.Column("rig", sa.String(64), primary_key=True),
    sa.Column("origin", sa.String(255), nullable=False),
    sa.Column("index", _BIG, nullable=False),
    sa.Column("received_us", _BIG, nullable=False),
    sa.Column("attempt", sa.String(32), index=True),
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
