"""One bundle of entries into the tables, inside the transaction that also moves the cursor.

    StoredEntry ─ unwrap ─ fact_of ─▶ Fact ─ judge ─▶ rows of entries, items, marks, tickets, alerts      (per entry)
                      └─ Unreadable ─▶ quarantine and an alert                                     (never blocks)
    touched rigs ─ fold ─▶ rigs        touched attempts ─ recompose ─▶ attempts                    (per bundle)

The same bundle twice changes nothing; bundles of different logs may come in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scorelog.format import types
from server.projection import limits, schema
from server.projection.adopting import Adopting, look_ahead
from server.projection.alerts import Alert, alerts_of
from server.projection.composing import affected, recompose, replace_alerts
from server.projection.errors import Unreadable
from server.projection.facts import Fact, Place, fact_of
from server.projection.judge import Judgement, judge
from server.projection.planchecks import notes_on, owner_of, plan_alerts
from server.projection.relogged import DOUBTS, Unwrapped, unwrap, verdicts
from server.projection.rigfold import RigState, fold
from server.projection.rows import (
    MARKS,
    SESSION_MARKS,
    done_of,
    entry_row,
    item_row,
    key_of,
    mark_row,
    quarantined,
    score_of,
    session_row,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.evidence.store import BundleRef, StoredEntry
    from server.projection.adopting import Beforehand, Known
    from server.projection.plans import PlanFacts
    from server.projection.rubrics import Adopted
    from server.projection.scores import Result, ScoreRow


@dataclass(slots=True)
class Applied:
    """What changed, for whoever shows it."""

    rigs: dict[tuple[str, str], RigState] = field(default_factory=dict)
    scores: list[ScoreRow] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    alerts: int = 0
    entries: int = 0

    def add(self, later: Applied) -> None:
        """The same as if both had been one bundle."""
        self.rigs.update(later.rigs)
        self.scores += later.scores
        self.results += later.results
        self.alerts += later.alerts
        self.entries += later.entries


@dataclass(slots=True)
class _Rows:
    entries: list[dict[str, Any]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    tickets: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    def set_aside(self, stored: StoredEntry, reason: str) -> None:
        row, alert = quarantined(stored, reason)
        self.quarantine.append(row)
        self.alerts.append(alert)

    def attempts(self) -> set[str]:
        return {row["attempt"] for row in (*self.items, *self.marks, *self.tickets) if row["attempt"]}


class Applier:
    """Keeps what the next bundle needs: adoptions and the rigs' states, both also in the tables."""

    def __init__(self, adopted: Adopted, rigs: dict[tuple[str, str], RigState], known: Known | None = None) -> None:
        self.adopted = adopted
        self.rigs = rigs
        self._known = known

    async def apply(
        self,
        db: AsyncConnection,
        ref: BundleRef,
        stored: Sequence[StoredEntry],
        breathe: Callable[[], Awaitable[None]],
        pieces: Mapping[int, Sequence[StoredEntry]] = MappingProxyType({}),
    ) -> Applied:
        """Project one bundle. The caller commits, and calls `settle` with the result after that.

        `pieces`: by index, the parts before an entry that ends one which travelled in parts.
        """
        rows, applied = _Rows(), Applied()
        opened = [(entry, _opened(entry, pieces.get(entry.index, ()), rows)) for entry in stored]
        inside = [found for _, found in opened if found]
        verdict = await verdicts(db, ref.origin, inside)
        before = await look_ahead(db, ref, inside, self._known)
        fold_one = _Fold(self, rows, applied, Adopting(self.adopted, before), before, ref)
        for count, (entry, found) in enumerate(opened):
            if count % limits.ENTRIES_PER_TURN == 0:
                await breathe()
            if found:
                fold_one.entry(entry, replace(found, flags=(*found.flags, *verdict.get(found.leaf, ()))))
        changed = await _write(db, ref, rows, fold_one.adopting)
        applied.results = await recompose(db, rows.attempts() | changed, self.adopted)
        await write_rigs(db, applied.rigs)
        applied.scores = [score_of(row, await _ticket(db, row["attempt"])) for row in rows.items]
        applied.alerts, applied.entries = len(rows.alerts), len(stored)
        return applied

    async def set_aside(self, db: AsyncConnection, ref: BundleRef, entry: StoredEntry, reason: str) -> Applied:
        """Quarantine one entry that the tables did not take."""
        rows = _Rows()
        rows.set_aside(entry, reason)
        await _write(db, ref, rows, None)
        return Applied(alerts=len(rows.alerts), entries=1)

    def settle(self, applied: Applied) -> None:
        """The transaction is durable: what it wrote is now the state to go on from."""
        self.rigs.update(applied.rigs)


@dataclass(slots=True)
class _Fold:
    """One bundle while its entries are folded, one after the other."""

    applier: Applier
    rows: _Rows
    applied: Applied
    adopting: Adopting
    before: Beforehand
    ref: BundleRef

    def entry(self, stored: StoredEntry, found: Unwrapped) -> None:
        """Everything that one entry says, or its quarantine."""
        adopted = self.applier.adopted
        try:
            fact = fact_of(found, Place(stored.origin, stored.index, self.ref.seq, stored.received_us))
            plan = adopted.plan(fact.place.origin, fact.place.index)
            judged = _noted(judge(fact, adopted), fact, plan)
            key = (fact.place.gateway, fact.rig or "")
            item = item_row(fact, judged) if fact.type == types.ITEM_FINISHED and fact.counts else None
            state = self._state(key, fact, judged, item, plan) if fact.rig and fact.counts else None
            session = session_row(fact) if fact.type in SESSION_MARKS and fact.counts else None
            row, alerts = entry_row(fact, judged), plan_alerts(fact, plan, self.before.nonces)
            alerts += self.adopting.take(fact)
        except Unreadable as error:
            self.rows.set_aside(stored, str(error))
            return
        except Exception as error:  # noqa: BLE001  a bug that one entry meets must not hide all that follow it (P8)
            self.rows.set_aside(stored, f"the server cannot read it ({type(error).__name__})")
            return
        self.rows.entries.append(row)
        self.rows.alerts += [*alerts_of(fact, judged), *alerts]
        self.rows.items += [item] if item else []
        self.rows.sessions += [session] if session else []
        if state:
            self.applied.rigs[key] = state
        self._of_attempt(fact, judged)

    def _of_attempt(self, fact: Fact, judged: Judgement) -> None:
        if fact.attempt and fact.type in MARKS and fact.counts:
            self.rows.marks.append(mark_row(fact, judged))
        if fact.attempt and fact.ticket is not None and fact.counts:
            self.rows.tickets.append({**key_of(fact), "attempt": fact.attempt, "value": fact.ticket})

    def _state(
        self, key: tuple[str, str], fact: Fact, judged: Judgement, item: dict[str, Any] | None, plan: PlanFacts | None
    ) -> RigState:
        before = self.applied.rigs.get(key) or self.applier.rigs.get(key)
        state = fold(before, fact, done_of(item) if item else None)
        code = judged.fields.get("item") or (state.item or None)
        if code:
            rubric, _ = self.applier.adopted.rubric_for(fact, str(code))
            state = replace(state, rubric=rubric.sha256 if rubric else state.rubric)
        owner = owner_of(fact, plan)
        if owner and state.owner is None:
            place = fact.place
            state = replace(state, owner=(owner, place.origin, place.index, place.received_us))
        return state


async def _write(db: AsyncConnection, ref: BundleRef, rows: _Rows, adopting: Adopting | None) -> set[str]:
    """All rows of this bundle are now exactly these; the attempts elsewhere that rest on something new."""
    adoptions = adopting.rows if adopting else {}
    again = await _there(db, ref)
    for table, new in (
        (schema.entries, rows.entries),
        (schema.adoptions, adoptions.get(schema.adoptions)),
        (schema.plan_parts, adoptions.get(schema.plan_parts)),
        (schema.plan_adoptions, adoptions.get(schema.plan_adoptions)),
        (schema.session_marks, rows.sessions),
        (schema.items, rows.items),
        (schema.marks, rows.marks),
        (schema.tickets, rows.tickets),
        (schema.quarantine, rows.quarantine),
    ):
        if again:
            await db.execute(sa.delete(table).where(*_within(table, ref)))
        if new:
            await db.execute(sa.insert(table), new)
    scopes = {f"{alert.origin}/{alert.index}" for alert in rows.alerts}
    await replace_alerts(db, scopes, [alert.to_row(f"{alert.origin}/{alert.index}") for alert in rows.alerts])
    plans = await adopting.write(db) if adopting else []
    for scope, alert in (await adopting.differing(db) if adopting else {}).items():
        await replace_alerts(db, {scope}, [alert.to_row(scope)] if alert else [])
    sessions = {row["session"] for row in rows.sessions}
    if not (plans or sessions or (adopting and adopting.rubrics)):
        return set()
    return await affected(db, plans=plans, rubrics=adopting.rubrics if adopting else (), sessions=sessions)


async def _there(db: AsyncConnection, ref: BundleRef) -> bool:
    """Whether something of this bundle was projected before: each entry is in one of these two tables."""
    for table in (schema.entries, schema.quarantine):
        query = sa.select(table.c.index).where(*_within(table, ref)).limit(1)
        if (await db.execute(query)).first() is not None:
            return True
    return False


def _within(table: sa.Table, ref: BundleRef) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.origin == ref.origin, table.c.index >= ref.start, table.c.index < ref.stop


async def write_rigs(db: AsyncConnection, rigs: dict[tuple[str, str], RigState]) -> None:
    """Replace the rows of these rigs."""
    for (gateway, rig), state in rigs.items():
        await db.execute(sa.delete(schema.rigs).where(schema.rigs.c.gateway == gateway, schema.rigs.c.rig == rig))
        row = {
            "gateway": gateway,
            "rig": rig,
            "origin": state.origin,
            "index": state.index,
            "received_us": state.received_us,
            "attempt": state.attempt,
            "body": state.to_json(),
        }
        await db.execute(sa.insert(schema.rigs).values(row))
        alert = _owner_alert(state)
        if alert:  # once another owner was seen, that stays
            await replace_alerts(db, {f"owner/{gateway}/{rig}"}, [alert.to_row(f"owner/{gateway}/{rig}")])
    for rig in sorted({rig for _, rig in rigs}):
        owners = (await db.execute(sa.select(schema.rigs).where(schema.rigs.c.rig == rig))).all()
        alert = _owners_alert(rig, {row.gateway: row.received_us for row in owners})
        await replace_alerts(db, {f"rig/{rig}"}, [alert.to_row(f"rig/{rig}")] if alert else [])


def _owner_alert(state: RigState) -> Alert | None:
    """B7: the plan gives the rig to another gateway; with the first entry that shows it."""
    if state.owner is None:
        return None
    owner, origin, index, received_us = state.owner
    detail = {"gateway": state.gateway, "owner": owner}
    return Alert("rig_not_owned", "alarm", origin, index, state.rig, None, received_us, detail, level="owner")


def _owners_alert(rig: str, heard: dict[str, int]) -> Alert | None:
    """One gateway owns a rig: the same serial from two is a contradiction."""
    if len(heard) == 1:
        return None
    detail = {"gateways": sorted(heard)}
    return Alert("rig_two_gateways", "alarm", None, None, rig, None, max(heard.values()), detail, level="rig")


async def _ticket(db: AsyncConnection, attempt: str | None) -> str | None:
    query = sa.select(schema.attempts.c.ticket).where(schema.attempts.c.attempt == attempt)
    return (await db.execute(query)).scalar_one_or_none() if attempt else None


def _opened(stored: StoredEntry, pieces: Sequence[StoredEntry], rows: _Rows) -> Unwrapped | None:
    try:
        return unwrap(stored, pieces)
    except Unreadable as error:
        rows.set_aside(stored, str(error))
        return None


def _noted(judged: Judgement, fact: Fact, plan: PlanFacts | None) -> Judgement:
    """Whoever reads the score also reads that nothing bears it out but the gateway's word, and what is odd about it."""
    doubts = tuple(flag for flag in fact.flags if flag in DOUBTS.values() and fact.counts)
    more = (*doubts, *notes_on(fact, plan))
    return replace(judged, notes=(*judged.notes, *more)) if more else judged
