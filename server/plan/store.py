"""PlanStore: the published plans of all points, over the registry's tables (docs/formats/plan.md).

    publish ─▶ plans ─▶ current(point) · for_gateway(gateway) ─▶ the gateway's fetch
            └▶ plan_openings ─▶ openings(attempts): pages behind a login, the gateway's fetch, nobody else
    heartbeat ─▶ nonce(session) ─▶ session_nonces

Owns reading and storing. A text is compared with its hash whenever it is read: a row that was changed from outside is
Damaged, and never served. What may be published is judged in publish.py, before.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from scorelog.format.errors import PlanError
from scorelog.format.plan import PlanOpening, parse_plan
from server.errors import Damaged
from server.plan import limits, statements
from server.plan.schema import plans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from scorelog.format.plan import Plan, Session
    from server.database.seam import Database
    from server.plan.publication import PlanHead, Publication


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """One version, read and checked. `rubrics` are the texts that its sessions name, each once, in their order."""

    point: str
    version: int
    sha256: str
    text: bytes = field(repr=False)
    published_us: int
    rubrics: tuple[bytes, ...] = field(repr=False)
    plan: Plan = field(repr=False)

    def open_sessions(self, now_us: int) -> tuple[Session, ...]:
        """The sessions whose window [opens, closes) is open."""
        return tuple(each for each in self.plan.sessions if each.opens_us <= now_us < each.closes_us)


class PlanStore:
    """Plans of one server."""

    def __init__(self, registry: Database) -> None:
        self._registry = registry
        self._kept: OrderedDict[str, StoredPlan] = OrderedDict()
        self._nonces: dict[str, str] = {}

    # -- reading ---------------------------------------------------------------------------------------------------

    async def points(self) -> list[str]:
        """Points that have a plan, by id."""
        return sorted({head.point for head in await self.heads()})

    async def heads(self, point_id: str | None = None) -> list[PlanHead]:
        """Every version of a point (None: of all points), by point and version."""
        return await self._registry.read(partial(statements.heads, point_id=point_id))

    async def current(self, point_id: str) -> StoredPlan | None:
        """The newest version of a point."""
        return await self._find(lambda connection: statements.head(connection, plans.c.point_id == point_id))

    async def version(self, point_id: str, version: int) -> StoredPlan | None:
        """One version of a point."""
        where = (plans.c.point_id == point_id, plans.c.version == version)
        return await self._find(lambda connection: statements.head(connection, *where))

    async def by_sha256(self, sha256: str) -> StoredPlan | None:
        """The plan of this name."""
        return await self._find(lambda connection: statements.head(connection, plans.c.sha256 == sha256))

    async def for_gateway(self, gateway_id: str) -> StoredPlan | None:
        """The current plan of the point whose rigs name this gateway."""
        return await self._find(partial(statements.for_gateway, gateway_id=gateway_id))

    async def session_points(self) -> dict[str, str]:
        """Session -> the point that it belongs to for ever."""
        return await self._registry.read(statements.session_points)

    async def _find(self, look: Callable[[Connection], PlanHead | None]) -> StoredPlan | None:
        head = await self._registry.read(look)
        if head is None:
            return None
        kept = self._kept.get(head.sha256)
        if kept is None:
            kept = self._kept[head.sha256] = await self._registry.read(partial(_stored, head=head))
            while len(self._kept) > limits.PLANS_IN_MEMORY:
                self._kept.popitem(last=False)
        self._kept.move_to_end(head.sha256)
        return kept

    # -- personal --------------------------------------------------------------------------------------------------

    async def openings(self, attempt_ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """Attempt -> field -> value, the newest of each, as far as they are there. Personal: never logged."""
        found: dict[str, dict[str, str]] = {}
        for _, one in await self._registry.read(partial(statements.openings, attempts=tuple(attempt_ids))):
            found.setdefault(one.attempt, {})[one.field] = one.value
        return found

    async def newest_openings(self, attempt_ids: Iterable[str]) -> dict[tuple[str, str], PlanOpening]:
        """(attempt, field) -> the newest opening that is still there."""
        found = await self._registry.read(partial(statements.openings, attempts=tuple(attempt_ids)))
        return {(one.attempt, one.field): one for _, one in found}

    async def openings_of(self, plan: Plan) -> tuple[PlanOpening, ...]:
        """What opens the commitments of this very plan, as far as it is still there."""
        stated = {
            (candidate.attempt, one.field, one.sha256)
            for session in plan.sessions
            for candidate in session.candidates
            for one in candidate.commitments
        }
        attempts = {attempt for attempt, _, _ in stated}
        found = await self._registry.read(partial(statements.openings, attempts=attempts))
        return tuple(one for sha256, one in found if (one.attempt, one.field, sha256) in stated)

    async def find_ticket(self, ticket: str) -> list[str]:
        """Ids of the attempts with this ticket."""
        return await self._registry.read(partial(statements.find_ticket, ticket=ticket))

    async def minted(self, session_ids: Iterable[str]) -> dict[tuple[str, str, int], str]:
        """(session, ticket, try) -> attempt, as earlier versions have them."""
        return await self._registry.read(partial(statements.minted, session_ids=sorted(set(session_ids))))

    async def keyed(self, attempt_ids: Iterable[str]) -> dict[str, str]:
        """Attempt -> keyed hash of its id number."""
        return await self._registry.read(partial(statements.keyed, attempts=tuple(attempt_ids)))

    # -- writing ---------------------------------------------------------------------------------------------------

    async def publish(self, made: Publication) -> None:
        """Store one version whole or not at all; Busy when another one of the point was stored in between."""
        await self._registry.write(partial(statements.publish, made=made))

    async def nonce(self, session_id: str, now_us: int) -> str | None:
        """The nonce of a session whose window is open at `now_us`, made now if it is the first call; else None."""
        point = (await self._registry.read(statements.session_points)).get(session_id)
        stored = await self.current(point) if point is not None else None
        if stored is None or session_id not in {each.id for each in stored.open_sessions(now_us)}:
            return None
        return await self._nonce(session_id, now_us)

    async def nonces(self, stored: StoredPlan, now_us: int) -> list[tuple[str, str]]:
        """(session, nonce) of every open session of a current plan."""
        return [(each.id, await self._nonce(each.id, now_us)) for each in stored.open_sessions(now_us)]

    async def _nonce(self, session_id: str, now_us: int) -> str:
        if session_id not in self._nonces:
            known = await self._registry.read(partial(statements.known_nonce, session_id=session_id))
            if known is None:
                make = partial(statements.make_nonce, session_id=session_id, now_us=now_us)
                known = await self._registry.write(make)
            if len(self._nonces) >= limits.NONCES_IN_MEMORY:
                self._nonces.clear()
            self._nonces[session_id] = known
        return self._nonces[session_id]


def _stored(connection: Connection, head: PlanHead) -> StoredPlan:
    text = statements.plan_text(connection, head.sha256)
    where = f"plan {head.version} of {head.point}"
    if hashlib.sha256(text).hexdigest() != head.sha256:
        raise Damaged(f"{where}: the stored text is not the one that was published")
    try:
        plan = parse_plan(text)
    except PlanError as error:
        raise Damaged(f"{where}: {error}") from error
    names = list(dict.fromkeys(session.rubric for session in plan.sessions))
    texts = statements.rubric_texts(connection, names)
    for name in names:
        if hashlib.sha256(texts.get(name, b"")).hexdigest() != name:
            raise Damaged(f"{where}: rubric {name[:16]} is not there as it was published")
    rubrics = tuple(texts[name] for name in names)
    return StoredPlan(head.point, head.version, head.sha256, text, head.published_us, rubrics, plan)
