"""What one bundle adopts: profiles, rubrics and plans, and the rows and alerts that follow.

    look_ahead ─ earlier parts of this log, what this server published and told ─▶ Adopting ─ take ─▶ rows, alerts

A plan comes in parts that may lie in several bundles; it is adopted with its last one. The same text adopted by several
gateways is one plan. Owns that; what an adopted text says belongs to rubrics.py and plans.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import sqlalchemy as sa

from scorelog.format import types
from server.projection import limits, schema
from server.projection.alerts import Alert
from server.projection.errors import Unreadable
from server.projection.facts import number, text
from server.projection.plans import PlanFacts, candidate_rows, plan_row, read_plan
from server.projection.rubrics import Adopted, Adoption
from server.projection.writing import insert_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from scorelog.format.plan import Plan
    from server.evidence.store import BundleRef
    from server.projection.facts import Fact
    from server.projection.relogged import Unwrapped
    from server.projection.rubrics import RubricBook
    from server.projection.store import ProjectionStore

_KINDS: Final = {types.PROFILE_ADOPTED: "profile", types.RUBRIC_ADOPTED: "rubric"}


class Known(Protocol):
    """What this server itself published and told; asked for alarms, never for a score."""

    async def published(self, sha256: str) -> bool:
        """Whether a plan of this hash was published here."""

    async def nonce(self, session_id: str) -> str | None:
        """The nonce that was told for this session, if any was."""


@dataclass(frozen=True, slots=True)
class Beforehand:
    """Asked before a bundle is folded, since folding is pure."""

    parts: tuple[Mapping[str, Any], ...] = ()
    published: Mapping[str, bool] = field(default_factory=dict)
    nonces: Mapping[str, str | None] = field(default_factory=dict)


NOTHING: Final = Beforehand()


async def look_ahead(
    db: AsyncConnection, ref: BundleRef, found: Sequence[Unwrapped], known: Known | None
) -> Beforehand:
    """What the plans and sessions in this bundle need."""
    plans = [one.entry.document for one in found if one.entry.type == types.PLAN_ADOPTED]
    opened = [one.entry.document for one in found if one.entry.type == types.SESSION_OPENED]
    parts: tuple[Mapping[str, Any], ...] = ()
    if plans:
        table = schema.plan_parts
        query = sa.select(table).where(table.c.origin == ref.origin, table.c.index < ref.start)
        rows = (await db.execute(query.order_by(table.c.index.desc()).limit(limits.PLAN_PARTS_MAX))).mappings()
        parts = tuple(reversed([dict(row) for row in rows]))
    if known is None:
        return Beforehand(parts)
    hashes = {one["sha256"] for one in plans if isinstance(one.get("sha256"), str)}
    fields = [one["fields"] for one in opened if isinstance(one.get("fields"), dict)]
    sessions = {one["session"] for one in fields if isinstance(one.get("session"), str)}
    return Beforehand(
        parts,
        {sha256: await known.published(sha256) for sha256 in sorted(hashes)},
        {session: await known.nonce(session) for session in sorted(sessions)},
    )


async def load_adopted(projections: ProjectionStore, book: RubricBook) -> Adopted:
    """Everything that the tables say was adopted."""
    adopted = Adopted(book)
    for row in await projections.adoptions():
        adopted.add(row["origin"], book.take(row["index"], row["kind"], row["sha256"], row["text"]))
    async with projections.reading() as db:
        for plan in (await db.execute(sa.select(schema.adopted_plans))).mappings():
            adopted.plans[plan["sha256"]] = PlanFacts.of(dict(plan))
        for one in (await db.execute(sa.select(schema.plan_adoptions))).mappings():
            adopted.add(one["origin"], Adoption(one["index"], "plan", one["sha256"], one["problem"]))
    return adopted


class Adopting:
    """The adoptions of one bundle, in log order."""

    def __init__(self, adopted: Adopted, before: Beforehand) -> None:
        self._adopted = adopted
        self._before = before
        self._parts = list(before.parts)
        self.rows: dict[sa.Table, list[dict[str, Any]]] = {}
        self.plans: dict[str, tuple[dict[str, Any], Plan]] = {}
        self.rubrics: list[str] = []

    def take(self, fact: Fact) -> list[Alert]:
        """Adopt what the entry adopts, if it is one that does; Unreadable when it has not the shape."""
        if fact.type in _KINDS:
            return self._text(fact, _KINDS[fact.type])
        return self._part(fact) if fact.type == types.PLAN_ADOPTED else []

    def _text(self, fact: Fact, kind: str) -> list[Alert]:
        document, place = fact.entry.document, fact.place
        sha256, whole = text(document, "sha256"), text(document, "text")
        adoption = self._adopted.book.take(place.index, kind, sha256, whole)
        self._adopted.add(place.origin, adoption)
        self._keep(schema.adoptions, fact, kind=kind, sha256=sha256, text=whole)
        if kind == "rubric" and adoption.problem is None:
            self.rubrics.append(sha256)
        return _unusable(fact, adoption)

    def _part(self, fact: Fact) -> list[Alert]:
        document = fact.entry.document
        part = {
            "sha256": text(document, "sha256"),
            "part": number(document, "part"),
            "of": number(document, "of"),
            "text": text(document, "text"),
        }
        if not 1 <= part["part"] <= part["of"] <= limits.PLAN_PARTS_MAX:  # type: ignore[operator]
            raise Unreadable(f"part {part['part']} of {part['of']}: expected 1 to {limits.PLAN_PARTS_MAX}")
        self._parts.append(part)
        self._keep(schema.plan_parts, fact, **part)
        return self._whole(fact, part) if part["part"] == part["of"] else []

    def _whole(self, fact: Fact, last: Mapping[str, Any]) -> list[Alert]:
        place, sha256 = fact.place, str(last["sha256"])
        pieces = _chain(self._parts, last)
        plan, problem = read_plan(pieces, sha256, place.gateway) if pieces else (None, "parts before it are missing")
        problem = problem[: limits.REASON_MAX] if problem else None
        if plan is not None:
            row = plan_row(plan) | {"known": self._before.published.get(sha256)}
            self.plans[sha256] = row, plan
            self._adopted.plans[sha256] = PlanFacts.of(row)
        adoption = Adoption(place.index, "plan", sha256, problem)
        self._adopted.add(place.origin, adoption)
        about = {"gateway": place.gateway, "received_us": place.received_us}
        self._keep(schema.plan_adoptions, fact, sha256=sha256, problem=problem, **about)
        found = _unusable(fact, adoption)
        if plan is not None and self._before.published.get(sha256) is False:
            detail = {"what": "plan", "version": plan.version, "sha256": sha256}
            found.append(_alert(fact, "plan_not_published", detail))
        return found

    def _keep(self, table: sa.Table, fact: Fact, **values: Any) -> None:
        row = {"origin": fact.place.origin, "index": fact.place.index, **values}
        self.rows.setdefault(table, []).append(row)

    async def write(self, db: AsyncConnection) -> list[str]:
        """Plans that no log had adopted before are written; their hashes."""
        table = schema.adopted_plans
        query = sa.select(table.c.sha256).where(table.c.sha256.in_(sorted(self.plans)))
        there = set((await db.execute(query)).scalars()) if self.plans else set()
        new = sorted(set(self.plans) - there)
        for sha256 in new:
            row, plan = self.plans[sha256]
            await db.execute(sa.insert(table).values(row))
            await insert_rows(db, schema.planned_attempts, list(candidate_rows(plan)))
        return new

    async def differing(self, db: AsyncConnection) -> dict[str, Alert | None]:
        """By scope, of each version adopted here: an alarm when its gateways do not have one text."""
        versions = {(row["point"], row["version"]) for row, _ in self.plans.values()}
        return {f"plan/{point}/{version}": await _differs(db, point, version) for point, version in sorted(versions)}


async def _differs(db: AsyncConnection, point: str, version: int) -> Alert | None:
    plans, adoptions = schema.adopted_plans.c, schema.plan_adoptions.c
    joined = schema.plan_adoptions.join(schema.adopted_plans, plans.sha256 == adoptions.sha256)
    query = sa.select(adoptions.gateway, adoptions.sha256, adoptions.received_us).select_from(joined)
    rows = (await db.execute(query.where(plans.point == point, plans.version == version))).all()
    if len({row.sha256 for row in rows}) < 2:  # noqa: PLR2004  one text is as it should be
        return None
    texts = sorted({f"{row.gateway} {row.sha256[:16]}" for row in rows})
    detail = {"point": point, "version": version, "gateways": texts}
    at_us = max(row.received_us for row in rows)
    return Alert("plan_differs", "alarm", None, None, None, None, at_us, detail, level=f"plan/{point}/{version}")


def _chain(parts: Sequence[Mapping[str, Any]], last: Mapping[str, Any]) -> list[str]:
    """The texts of parts 1 to `of` that end with this one; empty when one is missing."""
    pieces: list[str] = []
    for one in reversed(parts):
        wanted = last["of"] - len(pieces)
        if wanted and (one["sha256"], one["of"], one["part"]) == (last["sha256"], last["of"], wanted):
            pieces.append(one["text"])
    return pieces[::-1] if len(pieces) == last["of"] else []


def _unusable(fact: Fact, adoption: Adoption) -> list[Alert]:
    if adoption.problem is None:
        return []
    detail = {"what": adoption.kind, "sha256": adoption.sha256, "reason": adoption.problem}
    return [_alert(fact, "adoption_unusable", detail)]


def _alert(fact: Fact, kind: str, detail: Mapping[str, Any]) -> Alert:
    place = fact.place
    return Alert(kind, "alarm", place.origin, place.index, None, None, place.received_us, detail)
