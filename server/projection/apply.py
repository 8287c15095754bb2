"""One bundle of entries into the tables, inside the transaction that also moves the cursor.

    StoredEntry ─ unwrap ─ fact_of ─▶ Fact ─ judge ─▶ rows of entries, items, marks, tickets, alerts      (per entry)
                      └─ Unreadable ─▶ quarantine and an alert                                     (never blocks)
    touched rigs ─ fold ─▶ rigs        touched attempts ─ compose ─▶ attempts                      (per bundle)

The same bundle twice changes nothing; bundles of different logs may come in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from scorelog.format import types
from server.projection import limits, schema
from server.projection.alerts import Alert, alerts_of
from server.projection.compose import compose
from server.projection.errors import Unreadable
from server.projection.facts import (
    Fact,
    Place,
    fact_of,
    gateway_of,
    number,
    optional_number,
    optional_text,
    text,
    time_us,
)
from server.projection.judge import Judgement, judge
from server.projection.relogged import DOUBTS, Unwrapped, unwrap, verdicts
from server.projection.rigfold import DoneItem, RigState, fold
from server.projection.scores import Result, ScoreRow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.evidence.store import BundleRef, StoredEntry
    from server.projection.rubrics import Adopted, Adoption

MARKS: Final = frozenset(
    {types.IDENTITY_CHECKED, types.CANDIDATE_ACKNOWLEDGED, types.ATTEMPT_FINISHED, types.ATTEMPT_ABORTED},
)


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
    adoptions: list[dict[str, Any]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    tickets: list[dict[str, Any]] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)


class Applier:
    """Keeps what the next bundle needs: adoptions and the rigs' states, both also in the tables."""

    def __init__(self, adopted: Adopted, rigs: dict[tuple[str, str], RigState]) -> None:
        self.adopted = adopted
        self.rigs = rigs

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
        known = await verdicts(db, ref.origin, [found for _, found in opened if found])
        for count, (entry, found) in enumerate(opened):
            if count % limits.ENTRIES_PER_TURN == 0:
                await breathe()
            if found:
                self._one(entry, replace(found, flags=(*found.flags, *known.get(found.leaf, ()))), rows, applied, ref)
        await self._write(db, ref, rows)
        for attempt in sorted({row["attempt"] for row in (*rows.items, *rows.marks, *rows.tickets) if row["attempt"]}):
            applied.results += await self._compose(db, attempt)
        await write_rigs(db, applied.rigs)
        applied.scores = [_score(row, await _ticket(db, row["attempt"])) for row in rows.items]
        applied.alerts, applied.entries = len(rows.alerts), len(stored)
        return applied

    async def set_aside(self, db: AsyncConnection, ref: BundleRef, entry: StoredEntry, reason: str) -> Applied:
        """Quarantine one entry that the tables did not take."""
        rows = _Rows()
        _quarantine(entry, reason, rows)
        await self._write(db, ref, rows)
        return Applied(alerts=len(rows.alerts), entries=1)

    def settle(self, applied: Applied) -> None:
        """The transaction is durable: what it wrote is now the state to go on from."""
        self.rigs.update(applied.rigs)

    def _one(self, stored: StoredEntry, found: Unwrapped, rows: _Rows, applied: Applied, ref: BundleRef) -> None:
        try:
            fact = fact_of(found, Place(stored.origin, stored.index, ref.seq, stored.received_us))
            judged = _noted(judge(fact, self.adopted), fact)
            key = (fact.place.gateway, fact.rig or "")
            before = applied.rigs.get(key) or self.rigs.get(key)
            item = _item_row(fact, judged) if fact.type == types.ITEM_FINISHED and fact.counts else None
            state = self._folded(before, fact, judged, item) if fact.rig and fact.counts else None
            adoption = self._adopt(fact)
            row = _entry_row(fact, judged)
        except Unreadable as error:
            _quarantine(stored, str(error), rows)
            return
        except Exception as error:  # noqa: BLE001  a bug that one entry meets must not hide all that follow it (P8)
            _quarantine(stored, f"the server cannot read it ({type(error).__name__})", rows)
            return
        rows.entries.append(row)
        rows.alerts.extend(alerts_of(fact, judged))
        if adoption:
            rows.adoptions.append(_adoption_row(fact, adoption))
            if adoption.problem:
                rows.alerts.append(_adoption_alert(fact, adoption))
        if item:
            rows.items.append(item)
        if fact.attempt and fact.type in MARKS and fact.counts:
            rows.marks.append(_mark_row(fact, judged))
        if fact.attempt and fact.ticket is not None and fact.counts:
            rows.tickets.append({**_key(fact), "attempt": fact.attempt, "value": fact.ticket})
        if state:
            applied.rigs[key] = state

    def _folded(self, before: RigState | None, fact: Fact, judged: Judgement, item: dict[str, Any] | None) -> RigState:
        done = _done(item) if item else None
        state = fold(before, fact, done)
        code = judged.fields.get("item") or (state.item or None)
        if code:
            rubric, _ = self.adopted.rubric(fact.place.origin, fact.place.index, str(code))
            state = replace(state, rubric=rubric.sha256 if rubric else state.rubric)
        return state

    def _adopt(self, fact: Fact) -> Adoption | None:
        if fact.type not in {types.PROFILE_ADOPTED, types.RUBRIC_ADOPTED}:
            return None
        kind = "profile" if fact.type == types.PROFILE_ADOPTED else "rubric"
        document = fact.entry.document
        adoption = self.adopted.book.take(fact.place.index, kind, text(document, "sha256"), text(document, "text"))
        self.adopted.add(fact.place.origin, adoption)
        return adoption

    async def _write(self, db: AsyncConnection, ref: BundleRef, rows: _Rows) -> None:
        for table, new in (
            (schema.entries, rows.entries),
            (schema.adoptions, rows.adoptions),
            (schema.items, rows.items),
            (schema.marks, rows.marks),
            (schema.tickets, rows.tickets),
            (schema.quarantine, rows.quarantine),
        ):
            within = (table.c.origin == ref.origin, table.c.index >= ref.start, table.c.index < ref.stop)
            await db.execute(sa.delete(table).where(*within))
            if new:
                await db.execute(sa.insert(table), new)
        scopes = {f"{alert.origin}/{alert.index}" for alert in rows.alerts}
        await replace_alerts(db, scopes, [alert.to_row(f"{alert.origin}/{alert.index}") for alert in rows.alerts])

    async def _compose(self, db: AsyncConnection, attempt: str) -> list[Result]:
        items, marks, tickets = [
            [dict(row) for row in (await db.execute(sa.select(table).where(table.c.attempt == attempt))).mappings()]
            for table in (schema.items, schema.marks, schema.tickets)
        ]
        await db.execute(sa.delete(schema.attempts).where(schema.attempts.c.attempt == attempt))
        scope = f"attempt/{attempt}"
        found: tuple[Alert, ...] = ()
        results = []
        if items or marks:
            composed = compose(attempt, items, marks, [row["value"] for row in tickets], self.adopted.book)
            await db.execute(sa.insert(schema.attempts).values(composed.row))
            found = composed.alerts
            results = [result_of(composed.row)]
        await replace_alerts(db, {scope}, [alert.to_row(scope) for alert in found])
        return results


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
            "body": state.to_json(),
        }
        await db.execute(sa.insert(schema.rigs).values(row))
    for rig in sorted({rig for _, rig in rigs}):
        owners = (await db.execute(sa.select(schema.rigs).where(schema.rigs.c.rig == rig))).all()
        alert = _owners_alert(rig, {row.gateway: row.received_us for row in owners})
        await replace_alerts(db, {f"rig/{rig}"}, [alert.to_row(f"rig/{rig}")] if alert else [])


def result_of(row: Mapping[str, Any]) -> Result:
    """What the live board needs of a row of `attempts`."""
    return Result(row["attempt"], row["total_e6"], row["passed"], row["verdict"])


def _owners_alert(rig: str, heard: dict[str, int]) -> Alert | None:
    """One gateway owns a rig: the same serial from two is a contradiction."""
    if len(heard) == 1:
        return None
    detail = {"gateways": sorted(heard)}
    return Alert("rig_two_gateways", "alarm", None, None, rig, None, max(heard.values()), detail, level="rig")


async def replace_alerts(db: AsyncConnection, scopes: set[str], rows: Sequence[dict[str, Any]]) -> None:
    """All alerts of these scopes are now exactly these."""
    for scope in sorted(scopes):
        await db.execute(sa.delete(schema.alerts).where(schema.alerts.c.scope == scope))
    by_id = {row["id"]: row for row in rows}
    if by_id:
        await db.execute(sa.delete(schema.alerts).where(schema.alerts.c.id.in_(by_id)))
        await db.execute(sa.insert(schema.alerts), list(by_id.values()))


async def _ticket(db: AsyncConnection, attempt: str | None) -> str | None:
    query = sa.select(schema.attempts.c.ticket).where(schema.attempts.c.attempt == attempt)
    return (await db.execute(query)).scalar_one_or_none() if attempt else None


def _key(fact: Fact) -> dict[str, Any]:
    return {"origin": fact.place.origin, "index": fact.place.index}


def _opened(stored: StoredEntry, pieces: Sequence[StoredEntry], rows: _Rows) -> Unwrapped | None:
    try:
        return unwrap(stored, pieces)
    except Unreadable as error:
        _quarantine(stored, str(error), rows)
        return None


def _noted(judged: Judgement, fact: Fact) -> Judgement:
    """Whoever reads the score also reads that nothing bears it out but the gateway's word."""
    doubts = tuple(flag for flag in fact.flags if flag in DOUBTS.values() and fact.counts)
    return replace(judged, notes=(*judged.notes, *doubts)) if doubts else judged


def _entry_row(fact: Fact, judged: Judgement) -> dict[str, Any]:
    flags = [*dict.fromkeys((*fact.flags, *judged.notes))]
    if judged.verdict in {"mismatch", "impossible"}:
        flags.append(judged.verdict)
    anchored = fact.entry.document.get("receipt") if fact.type == types.ANCHOR else None
    return {
        **_key(fact),
        "bundle": fact.place.bundle,
        "received_us": fact.place.received_us,
        "type": fact.type,
        "rig": fact.rig,
        "station": fact.entry.station,
        "attempt": fact.attempt if fact.counts else None,
        "read_us": fact.read_us,
        "sync": fact.entry.read.sync,
        "rig_time": fact.entry.rig_time,
        "guarantee": fact.entry.guarantee,
        "anchor": anchored if isinstance(anchored, str) else None,
        "fields": dict(fact.fields),
        "flags": flags,
        "leaf": fact.leaf,
    }


def _item_row(fact: Fact, judged: Judgement) -> dict[str, Any]:
    """The decoded fields count; the gateway's own stand in where nothing could be decoded, and the verdict says so."""
    fields = judged.fields or fact.fields
    deductions = fields.get("deductions") or []
    if not isinstance(deductions, list) or not all(isinstance(one, dict) for one in deductions):
        raise Unreadable("fields.deductions: expected a list of objects")
    if fact.rig is None:
        raise Unreadable("rig: expected text")
    for name in ("started", "finished"):
        time_us(optional_text(fields, name))
    return {
        **_key(fact),
        "bundle": fact.place.bundle,
        "received_us": fact.place.received_us,
        "gateway": fact.place.gateway,
        "rig": fact.rig,
        "station": fact.entry.station,
        "attempt": fact.attempt,
        "exam_no": optional_number(fields, "exam_no"),
        "item": text(fields, "item"),
        "ordinal": number(fields, "ordinal"),
        "mode": optional_text(fields, "mode") or "exam",
        "outcome": text(fields, "outcome"),
        "score_claimed": optional_number(fields, "score"),
        "score_recomputed": judged.score,
        "verdict": judged.verdict,
        "differences": [one.to_json() for one in judged.differences],
        "notes": list(judged.notes),
        "deductions": deductions,
        "veto_effect": judged.veto_effect,
        "elapsed_s": optional_number(fields, "elapsed_s"),
        "limit_s": optional_number(fields, "limit_s"),
        "started": optional_text(fields, "started"),
        "finished": optional_text(fields, "finished"),
        "read_us": fact.read_us,
        "rubric": judged.rubric,
        "guarantee": fact.entry.guarantee,
        "source": fact.entry.source,
    }


def _mark_row(fact: Fact, judged: Judgement) -> dict[str, Any]:
    return {
        **_key(fact),
        "received_us": fact.place.received_us,
        "attempt": fact.attempt,
        "rig": fact.rig,
        "station": fact.entry.station,
        "type": fact.type,
        "read_us": fact.read_us,
        "fields": dict(judged.fields or fact.fields),
    }


def _done(item: dict[str, Any]) -> DoneItem:
    return DoneItem(
        item["item"],
        item["ordinal"],
        item["outcome"],
        item["score_claimed"],
        item["score_recomputed"],
        item["verdict"],
        item["origin"],
        item["index"],
    )


def _score(row: dict[str, Any], ticket: str | None) -> ScoreRow:
    return ScoreRow(ticket=ticket, **row)


def _adoption_row(fact: Fact, adoption: Adoption) -> dict[str, Any]:
    document = fact.entry.document
    return {**_key(fact), "kind": adoption.kind, "sha256": document["sha256"], "text": document["text"]}


def _adoption_alert(fact: Fact, adoption: Adoption) -> Alert:
    detail = {"what": adoption.kind, "sha256": adoption.sha256, "reason": adoption.problem}
    place = fact.place
    return Alert("adoption_unusable", "alarm", place.origin, place.index, None, None, place.received_us, detail)


def _quarantine(stored: StoredEntry, reason: str, rows: _Rows) -> None:
    short = reason[: limits.REASON_MAX]
    rows.quarantine.append(
        {"origin": stored.origin, "index": stored.index, "received_us": stored.received_us, "reason": short},
    )
    rows.alerts.append(
        Alert(
            "quarantined",
            "alarm",
            stored.origin,
            stored.index,
            None,
            None,
            stored.received_us,
            {"gateway": gateway_of(stored.origin), "reason": short},
        ),
    )
