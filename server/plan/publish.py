"""Publishing: PLAN.toml and what it names to the next version of the point's plan (docs/formats/plan.md).

    files ─▶ source, sittings ─▶ checks (all findings at once) ─▶ draft ─▶ unchanged? ─▶ PlanStore.publish

Owns the order of it and what a version is compared with. Nothing is stored with a finding, nor when nothing changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from scorelog.format.errors import PlanError
from scorelog.format.limits import PLAN_BYTES_MAX
from scorelog.format.plan import encode_plan, parse_plan
from server.errors import ConfigError, ListError
from server.plan.draft import Draft, Kept, make_draft, utc
from server.plan.findings import Finding
from server.plan.identity import keyed_hash
from server.plan.overlaps import Seat, overlaps
from server.plan.publication import Publication
from server.plan.sheets import read_bytes, read_sittings
from server.plan.source import read_source

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable
    from pathlib import Path

    from scorelog.format.plan import Plan
    from scorelog.journal.clock import Clock
    from server.evidence.store import Gateway
    from server.plan.sheets import Sitting
    from server.plan.source import PlanSource
    from server.plan.store import PlanStore, StoredPlan

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that holds. `publication` None: the current version says the same already."""

    point: str
    version: int
    publication: Publication | None
    plan: Plan
    drawn: int
    warnings: tuple[str, ...]

    @property
    def candidates(self) -> int:
        """Of all sessions."""
        return sum(len(session.candidates) for session in self.plan.sessions)


@dataclass(frozen=True, slots=True)
class Publisher:
    """What publishing needs. `id_key` is the server's own key for id numbers."""

    plans: PlanStore
    gateways: tuple[Gateway, ...]
    id_key: bytes
    source: random.Random
    clock: Clock

    async def prepare(self, path: Path) -> Prepared:
        """Read, check and draw; ListError with every finding. Stores nothing."""
        written, sittings = await self._read(path)
        current = await self.plans.current(written.point)
        draft = make_draft(sittings, await self._kept(written, sittings), self.id_key, self.source)
        warnings = (*self._warnings(written, draft), *_unknown_items(written, sittings))
        if current is not None:
            same = self._encoded(path, draft, written, current.version, utc(_moment(current.published_us)))
            if same == current.text:
                return Prepared(written.point, current.version, None, current.plan, 0, warnings)
        version, now = (current.version if current else 0) + 1, self.clock.now_us() // 1_000_000 * 1_000_000
        plan = parse_plan(self._encoded(path, draft, written, version, utc(_moment(now))))
        rubrics = {each.rubric.sha256: each.rubric.text for each in sittings}
        made = Publication(plan, now, rubrics, tuple(draft.openings), draft.persons)
        return Prepared(written.point, version, made, plan, draft.drawn, warnings)

    async def publish(self, path: Path) -> Prepared:
        """The same, and store it if it says something new."""
        prepared = await self.prepare(path)
        if prepared.publication is not None:
            await self.plans.publish(prepared.publication)
            plan = prepared.plan
            figures = {"sessions": len(plan.sessions), "candidates": prepared.candidates, "drawn": prepared.drawn}
            log.info("plan published", point=plan.point, version=plan.version, sha256=plan.sha256, **figures)
        return prepared

    async def _read(self, path: Path) -> tuple[PlanSource, list[Sitting]]:
        try:
            written, findings = read_source(read_bytes(path, PLAN_BYTES_MAX))
        except ListError as error:
            raise ListError([each.of(path.name) for each in error.findings]) from None
        sittings = read_sittings(written, path.parent, findings)
        findings += await self._taken(written)
        findings = [each if each.file else each.of(path.name) for each in findings]
        findings += overlaps([*self._seats(sittings), *await self._elsewhere(written, sittings)])
        if findings:
            raise ListError(findings)
        return written, sittings

    async def _taken(self, written: PlanSource) -> list[Finding]:
        """Session ids and gateways of other points."""
        owners = await self.plans.session_points()
        remedy = "give it another id"
        found = [
            Finding(each.place.of("id"), "session.id", f"is a session of point {owners[each.id]}", remedy, unit="line")
            for each in written.sessions
            if owners.get(each.id, written.point) != written.point
        ]
        for gateway in sorted({rig["gateway"] for rig in written.rigs if rig["gateway"]}):
            other = await self.plans.for_gateway(gateway)
            if other is not None and other.point != written.point:
                problem = f"gateway {gateway} serves point {other.point}"
                found.append(Finding(0, "", problem, "publish a plan of that point without it first"))
        return found

    def _seats(self, sittings: Iterable[Sitting]) -> list[Seat]:
        return [
            Seat(
                one.ticket,
                keyed_hash(self.id_key, one.id_number),
                each.session.id,
                _us(each.session.opens),
                _us(each.session.closes),
                row,
                each.file,
            )
            for each in sittings
            for row, one in zip(each.rows, each.candidates, strict=True)
        ]

    async def _elsewhere(self, written: PlanSource, sittings: list[Sitting]) -> list[Seat]:
        """Who sits in an overlapping session of another point's current plan."""
        windows = [(_us(each.session.opens), _us(each.session.closes)) for each in sittings]
        seats: list[Seat] = []
        for point in await self.plans.points():
            stored = await self.plans.current(point) if point != written.point else None
            for session in stored.plan.sessions if stored else ():
                if any(session.opens_us < closes and opens < session.closes_us for opens, closes in windows):
                    attempts = [one.attempt for one in session.candidates]
                    values, keyed = await self.plans.openings(attempts), await self.plans.keyed(attempts)
                    seats += [
                        Seat(
                            values.get(each, {}).get("ticket", ""),
                            keyed.get(each, ""),
                            session.id,
                            session.opens_us,
                            session.closes_us,
                        )
                        for each in attempts
                    ]
        return seats

    async def _kept(self, written: PlanSource, sittings: list[Sitting]) -> Kept:
        attempts = await self.plans.minted(each.session.id for each in sittings)
        wanted = {
            found
            for each in sittings
            for one in each.candidates
            if (found := attempts.get((each.session.id, one.ticket, one.try_no)))
        }
        items: dict[str, tuple[str, ...]] = {}
        for head in reversed(await self.plans.heads(written.point) if wanted else []):
            stored = await self.plans.version(written.point, head.version)
            items = _items(stored) | items
            if wanted <= items.keys():
                break
        return Kept(attempts, await self.plans.newest_openings(wanted), items)

    def _warnings(self, written: PlanSource, draft: Draft) -> Iterable[str]:
        known = {each.id: each.status for each in self.gateways}
        for gateway in sorted({rig["gateway"] for rig in written.rigs}):
            if known.get(gateway) != "active":
                said = "is revoked" if gateway in known else "is not enrolled yet"
                yield f"gateway {gateway} {said}: it cannot fetch the plan"
        if draft.redrawn:
            yield f"{draft.redrawn} candidates were drawn again: their earlier items cannot be examined any more"

    @staticmethod
    def _encoded(path: Path, draft: Draft, written: PlanSource, version: int, published: str) -> bytes:
        try:
            return encode_plan(draft.document(written, version, published))
        except PlanError as error:
            raise ConfigError(
                f"{path.name}: the plan's text does not hold: {error}; if it is too long, take past sessions out"
            ) from error


def _unknown_items(written: PlanSource, sittings: Iterable[Sitting]) -> Iterable[str]:
    """A code that no rubric of the plan has is a slip of the pen, or another occupation's: nobody can be sent there."""
    known = {item.code for sitting in sittings for item in sitting.rubric.items}
    for rig in written.rigs if known else ():
        if codes := sorted(set(rig["items"]) - known):
            yield f"rig {rig['serial']}: {', '.join(codes)}: no session's rubric has it"


def _items(stored: StoredPlan | None) -> dict[str, tuple[str, ...]]:
    sessions = stored.plan.sessions if stored else ()
    return {one.attempt: one.items for session in sessions for one in session.candidates}


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC).replace(microsecond=us % 1_000_000)


def _us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
