"""Many bundles into the tables at once, inside the transaction that also moves the cursor.

    Read ─ folding ─▶ rows ─ flush ─▶ tables          (entries in log order; many rows a statement)
    touched rigs ─▶ rigs        touched attempts ─ recompose ─▶ attempts        alerts        (each once a batch)

The same bundle twice changes nothing; bundles of different logs may come in any order; however they are cut into
batches, the tables are the same. Rows go in early only where a later entry must find them there (an entry that was
logged again, a plan in parts).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from scorelog.format import types
from server.projection import schema
from server.projection.adopting import NOTHING, Adopting, look_ahead
from server.projection.composing import Composing, affected
from server.projection.folding import Folded, Folding, RigKey
from server.projection.relogged import verdicts
from server.projection.rigrows import Rigs
from server.projection.rows import score_of
from server.projection.working import WorkingSet
from server.projection.writing import insert_rows, replace_alerts, upsert_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.evidence.store import BundleRef
    from server.projection.adopting import Known
    from server.projection.reading import Read
    from server.projection.rigfold import RigState
    from server.projection.rubrics import Adopted, Marked
    from server.projection.scores import Result, ScoreRow
    from server.projection.turns import Turns

_TABLES: Final = (
    schema.entries,
    schema.adoptions,
    schema.plan_parts,
    schema.plan_adoptions,
    schema.session_marks,
    schema.items,
    schema.marks,
    schema.quarantine,
)
_LOOKED_AHEAD: Final = frozenset({types.PLAN_ADOPTED, types.SESSION_OPENED})


@dataclass(slots=True)
class Applied:
    """What changed, for whoever shows it; and how far each log is in the tables."""

    rigs: dict[RigKey, RigState] = field(default_factory=dict)
    scores: list[ScoreRow] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    heads: dict[str, int] = field(default_factory=dict)
    alerts: int = 0
    entries: int = 0

    def add(self, later: Applied) -> None:
        """The same as if both had been one batch."""
        self.rigs.update(later.rigs)
        self.scores += later.scores
        self.results += later.results
        self.heads.update(later.heads)
        self.alerts += later.alerts
        self.entries += later.entries


class Applier:
    """Keeps what the next batch needs, all of it also in the tables: adoptions, rigs, attempts that are under way."""

    def __init__(
        self,
        adopted: Adopted,
        rigs: Mapping[RigKey, RigState],
        turns: Turns,
        known: Known | None = None,
        *,
        matched: bool = False,
    ) -> None:
        self.adopted = adopted
        self.rigs = Rigs(rigs)
        self.work = WorkingSet()
        self.composing = Composing(adopted, self.work, matched, turns)
        self._turns = turns
        self._known = known
        self._heads: dict[str, int] = {}
        self._before: Marked = adopted.mark()

    async def apply(self, db: AsyncConnection, reads: Sequence[Read]) -> Applied:
        """Project these bundles. The caller commits and then calls `settle`; if that failed, `undo`."""
        self._before = self.adopted.mark()
        folded, heads = Folded(), await self._cleared(db, reads)
        for read in reads:
            await self._bundle(db, read, folded)
            heads[read.ref.origin] = max(heads[read.ref.origin], read.ref.stop)
        await self._flush(db, folded)
        done = await self.composing.recompose(db, folded.attempts | await self._affected(db, folded))
        await self.rigs.write(db, folded.rigs)
        by_id = {row["id"]: row for alert in folded.alerts for row in (alert.to_row(f"{alert.origin}/{alert.index}"),)}
        await upsert_rows(db, schema.alerts, list(by_id.values()), self._turns)
        scores = [score_of(row, done.tickets[row["attempt"]] if row["attempt"] else None) for row in folded.items]
        return Applied(folded.rigs, scores, done.results, heads, len(folded.alerts), folded.entries)

    async def set_aside(self, db: AsyncConnection, read: Read, reason: str) -> Applied:
        """Quarantine the one entry of this part of a bundle, which the tables did not take."""
        folded, heads = Folded(), await self._cleared(db, [read])
        folded.set_aside(read.stored[0], reason)
        await self._flush(db, folded)
        await upsert_rows(db, schema.alerts, [one.to_row(f"{one.origin}/{one.index}") for one in folded.alerts])
        return Applied(heads=heads | {read.ref.origin: read.ref.stop}, alerts=1, entries=1)

    def settle(self, applied: Applied) -> None:
        """The transaction is durable: what it wrote is now the state to go on from."""
        self.rigs.settle(applied.rigs)
        self._heads.update(applied.heads)

    def undo(self) -> None:
        """The transaction was rolled back: go on from what was before it."""
        self.adopted.back_to(self._before)
        self.work.forget()

    async def _cleared(self, db: AsyncConnection, reads: Sequence[Read]) -> dict[str, int]:
        """Rows of a bundle that was projected before go away; how far each of these logs is in the tables."""
        heads: dict[str, int] = {}
        for read in reads:
            origin = read.ref.origin
            if origin not in heads:
                known = self._heads.get(origin)
                heads[origin] = await _head(db, origin) if known is None else known
            if read.ref.start < heads[origin]:
                self.work.forget()
                for table in _TABLES:
                    await db.execute(sa.delete(table).where(*_within(table, read.ref)))
        return heads

    async def _bundle(self, db: AsyncConnection, read: Read, folded: Folded) -> None:
        opened = []
        for stored in read.stored:
            if self._turns.over:
                await self._turns.give_way()
            opened.append((stored, folded.opened(stored, read.pieces.get(stored.index, ()))))
        inside = [found for _, found in opened if found]
        verdict: Mapping[str, tuple[str, ...]] = {}
        before = NOTHING
        if any(found.flags for found in inside):  # what was logged again is compared with what the tables hold
            await self._flush(db, folded)
            verdict = await verdicts(db, read.ref.origin, inside)
        if any(found.entry.type in _LOOKED_AHEAD for found in inside):
            await self._flush(db, folded)
            before = await look_ahead(db, read.ref, inside, self._known)
        adopting = Adopting(self.adopted, before)
        folding = Folding(folded, self.adopted, self.rigs.states, adopting, before.nonces, read.ref)
        for stored, found in opened:
            if self._turns.over:
                await self._turns.give_way()
            if found:
                more = verdict.get(found.leaf)
                folding.entry(stored, replace(found, flags=(*found.flags, *more)) if more else found)
        folded.entries += len(read.stored)
        if adopting.rows:
            await self._adopt(db, adopting, folded)

    async def _adopt(self, db: AsyncConnection, adopting: Adopting, folded: Folded) -> None:
        for table, rows in adopting.rows.items():
            folded.rows.setdefault(table, []).extend(rows)
        folded.rubrics.update(adopting.rubrics)
        if not adopting.plans:
            return
        await self._flush(db, folded)
        folded.plans.update(await adopting.write(db))
        self.work.replanned()
        for scope, alert in (await adopting.differing(db)).items():
            await replace_alerts(db, {scope}, [alert.to_row(scope)] if alert else [])

    async def _flush(self, db: AsyncConnection, folded: Folded) -> None:
        """All rows so far are in the tables, and the attempts that are held have them too."""
        rows, folded.rows = folded.rows, {}
        tickets, folded.tickets = folded.tickets, set()
        items, marks = rows.get(schema.items, []), rows.get(schema.marks, [])
        touched = {row["attempt"] for several in (items, marks) for row in several if row["attempt"]}
        await self.work.load(db, touched | {attempt for attempt, _ in tickets})
        await insert_rows(db, schema.tickets, self.work.add(items, marks, tickets))
        self.work.sessions_moved(row["session"] for row in rows.get(schema.session_marks, ()))
        for table in _TABLES:
            if several := rows.get(table):
                await insert_rows(db, table, several, self._turns)

    async def _affected(self, db: AsyncConnection, folded: Folded) -> set[str]:
        """Attempts elsewhere that rest on something new."""
        if not (folded.plans or folded.rubrics or folded.sessions):
            return set()
        return await affected(db, plans=folded.plans, rubrics=folded.rubrics, sessions=folded.sessions)


async def _head(db: AsyncConnection, origin: str) -> int:
    """The index after the last entry of a log that the tables know: each is in one of these two."""
    newest = [
        sa.select(sa.func.max(table.c.index)).where(table.c.origin == origin).scalar_subquery()
        for table in (schema.entries, schema.quarantine)
    ]
    found: tuple[Any, ...] = tuple((await db.execute(sa.select(*newest))).one())
    return max((index + 1 for index in found if index is not None), default=0)


def _within(table: sa.Table, ref: BundleRef) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.origin == ref.origin, table.c.index >= ref.start, table.c.index < ref.stop
