"""S5, P8: an entry that is whole, and that the projections cannot make sense of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from people_world import attempt_id

from server.projection import limits, queries

if TYPE_CHECKING:
    from people_site import Site
    from people_world import Log, Rig


async def test_an_entry_that_only_the_projections_cannot_read_is_quarantined(site: Site, log: Log, rig: Rig) -> None:
    """P8, S5: told with its index and reason, and what comes after it is scored."""
    log.add("plan.adopted", sha256="00" * 32, version=1, part=3, of=2, text="")
    index = len(log.entries) - 1
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log)
    async with site.projections.reading() as db:
        kept = await queries.quarantined(db, 10)
        scores = await queries.newest_scores(db, 10)
    assert [(row["index"], row["reason"]) for row in kept] == [
        (index, f"part 3 of 2: expected 1 to {limits.PLAN_PARTS_MAX}")
    ]
    assert scores
