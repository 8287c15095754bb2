"""What pages and API share: one place where each question is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.errors import Missing
from server.people import limits
from server.projection import queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.people.alertdesk import AlertDesk
    from server.people.context import PeopleContext
    from server.people.guard import Guard
    from server.people.proofs import Prover
    from server.people.timeline import Timelines


@dataclass(frozen=True, slots=True)
class Services:
    """Made once by create_people_app."""

    context: PeopleContext
    guard: Guard
    prover: Prover
    desk: AlertDesk
    timelines: Timelines

    async def attempts(
        self, search: str, state: str, before: str, limit: int, *, tickets: bool = True
    ) -> list[dict[str, Any]]:
        """One page of attempts behind a cursor."""
        last_us, _, attempt = before.partition("-")
        place = (int(last_us), attempt) if before else None
        async with self.context.projections.reading() as db:
            return await queries.attempts(
                db, search=search.strip(), state=state, before=place, limit=limit, tickets=tickets
            )

    @staticmethod
    def cursor(row: Mapping[str, Any]) -> str:
        """The cursor behind this attempt."""
        return f"{row['last_us']}-{row['attempt']}"

    async def evidence(self, attempt: str, *, openings: bool) -> bytes:
        """The attempt's bundle: its entries, and the profiles, rubrics and plans by which they can be judged again."""
        async with self.context.projections.reading() as db:
            entries = await queries.timeline(db, attempt, limits.EVIDENCE_ENTRIES_MAX)
            row = await queries.attempt(db, attempt)
            if row is None or not entries:
                raise Missing(f"no attempt {attempt}")
            rubrics = {score.rubric for score in await queries.items_of(db, attempt) if score.rubric}
            places = {(entry["origin"], entry["index"]) for entry in entries}
            named = await self._named(sorted(places))
            for origin in {origin for origin, _ in places}:
                for index in await queries.adopted_at(db, origin, sorted(rubrics | named)):
                    places.add((origin, index))
        return await self.prover.evidence(attempt, sorted(places), openings=openings)

    async def _named(self, places: list[tuple[str, int]]) -> set[str]:
        """The profiles and plans that the entries name."""
        found: set[str] = set()
        for origin, index in places:
            entry = self.prover.parsed(await self.prover.entry(origin, index))
            if entry:
                found.update(name for name in (entry.profile, entry.plan) if name)
        return found
