"""From entries to rows, one after the other, in memory. Pure but for what the applier hands in.

    StoredEntry ─ unwrap ─ fact_of ─▶ Fact ─ judge ─▶ rows of entries, items, marks, tickets, alerts
                      └─ Unreadable ─▶ quarantine and an alert                                     (never blocks)

Owns what one entry says. When rows are written, and what follows from several entries, belongs to apply.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from scorelog.format import types
from server.projection import schema
from server.projection.alerts import Alert, alerts_of
from server.projection.errors import Unreadable
from server.projection.facts import Fact, Place, fact_of
from server.projection.judge import Judgement, judge
from server.projection.planchecks import notes_on, owner_of, plan_alerts
from server.projection.relogged import DOUBTS, Unwrapped, unwrap
from server.projection.rigfold import RigState, changed, fold
from server.projection.rows import (
    MARKS,
    SESSION_MARKS,
    done_of,
    entry_row,
    item_row,
    mark_row,
    quarantined,
    session_row,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from server.evidence.store import BundleRef, StoredEntry
    from server.projection.adopting import Adopting
    from server.projection.plans import PlanFacts
    from server.projection.rubrics import Adopted

Row = dict[str, Any]
RigKey = tuple[str, str]
_DOUBTS = frozenset(DOUBTS.values())


@dataclass(slots=True)
class Folded:
    """What some entries say: rows that are not in the tables yet, and what is written once at the end of the batch."""

    rows: dict[sa.Table, list[Row]] = field(default_factory=dict)
    tickets: set[tuple[str, str]] = field(default_factory=set)
    items: list[Row] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    rigs: dict[RigKey, RigState] = field(default_factory=dict)
    attempts: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    plans: set[str] = field(default_factory=set)
    rubrics: set[str] = field(default_factory=set)
    entries: int = 0

    def keep(self, table: sa.Table, row: Row) -> None:
        """One more row."""
        self.rows.setdefault(table, []).append(row)

    def set_aside(self, stored: StoredEntry, reason: str) -> None:
        """Keep no more of this entry than that it is there."""
        row, alert = quarantined(stored, reason)
        self.keep(schema.quarantine, row)
        self.alerts.append(alert)

    def opened(self, stored: StoredEntry, pieces: Sequence[StoredEntry]) -> Unwrapped | None:
        """The entry inside, or its quarantine."""
        try:
            return unwrap(stored, pieces)
        except Unreadable as error:
            self.set_aside(stored, str(error))
            return None


@dataclass(slots=True)
class Folding:
    """One bundle while its entries are folded."""

    folded: Folded
    adopted: Adopted
    rigs: Mapping[RigKey, RigState]
    adopting: Adopting
    nonces: Mapping[str, str | None]
    ref: BundleRef

    def entry(self, stored: StoredEntry, found: Unwrapped) -> None:
        """Everything that one entry says, or its quarantine."""
        try:
            fact = fact_of(found, Place(stored.origin, stored.index, self.ref.seq, stored.received_us))
            plan = self.adopted.plan(stored.origin, stored.index)
            judged = _noted(judge(fact, self.adopted), fact, plan)
            item = item_row(fact, judged) if fact.type == types.ITEM_FINISHED and fact.counts else None
            state = self._state(fact, judged, item, plan) if fact.rig and fact.counts else None
            session = session_row(fact) if fact.type in SESSION_MARKS and fact.counts else None
            row, alerts = entry_row(fact, judged), plan_alerts(fact, plan, self.nonces)
            alerts += self.adopting.take(fact)
        except Unreadable as error:
            self.folded.set_aside(stored, str(error))
            return
        except Exception as error:  # noqa: BLE001  a bug that one entry meets must not hide all that follow it (P8)
            self.folded.set_aside(stored, f"the server cannot read it ({type(error).__name__})")
            return
        self._keep(fact, judged, row, item)
        self.folded.alerts += [*alerts_of(fact, judged), *alerts]
        if session:
            self.folded.keep(schema.session_marks, session)
            self.folded.sessions.add(session["session"])
        if state:
            self.folded.rigs[state.gateway, state.rig] = state

    def _keep(self, fact: Fact, judged: Judgement, row: Row, item: Row | None) -> None:
        keep = self.folded.keep
        keep(schema.entries, row)
        if item:
            keep(schema.items, item)
            self.folded.items.append(item)
        if fact.attempt is None or not fact.counts:
            return
        if fact.type in MARKS:
            keep(schema.marks, mark_row(fact, judged))
        ticket = fact.ticket
        if ticket is not None:
            self.folded.tickets.add((fact.attempt, ticket))
        if item or ticket is not None or fact.type in MARKS:
            self.folded.attempts.add(fact.attempt)

    def _state(self, fact: Fact, judged: Judgement, item: Row | None, plan: PlanFacts | None) -> RigState:
        key = fact.place.gateway, fact.rig or ""
        state = fold(self.folded.rigs.get(key) or self.rigs.get(key), fact, done_of(item) if item else None)
        code = judged.fields.get("item") or (state.item or None)
        if code:
            rubric, _ = self.adopted.rubric_for(fact, str(code))
            if rubric and rubric.sha256 != state.rubric:
                state = changed(state, {"rubric": rubric.sha256})
        owner = owner_of(fact, plan)
        if owner and state.owner is None:
            place = fact.place
            state = changed(state, {"owner": (owner, place.origin, place.index, place.received_us)})
        return state


def _noted(judged: Judgement, fact: Fact, plan: PlanFacts | None) -> Judgement:
    """Whoever reads the score also reads that nothing bears it out but the gateway's word, and what is odd about it."""
    doubts = tuple(flag for flag in fact.flags if flag in _DOUBTS and fact.counts)
    more = (*doubts, *notes_on(fact, plan))
    return replace(judged, notes=(*judged.notes, *more)) if more else judged
