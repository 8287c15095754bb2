"""When the projector rests between two batches (docs/profiles.md, Projector)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from people_world import attempt_id

from server.projection import limits

if TYPE_CHECKING:
    from fake_clock import FakeClock
    from people_site import Site
    from people_world import Log, Rig


async def arrive(site: Site, log: Log, bundles: int) -> None:
    """So many bundles of one entry each, told at once."""
    first = site.sent.get(log.origin, 0)
    for stop in range(first + 1, first + bundles + 1):
        await site.upload(log, stop=stop, project=False)
    site.projector.notify()


async def projected(site: Site, entries: int) -> bool:
    """Whether so many are in the tables without any time passing."""
    for _ in range(500):
        if site.projector.entries >= entries:
            return True
        await asyncio.sleep(0.001)  # the database's threads; the clock of the projector stands still
    return False


@pytest.mark.parametrize("bundles", [limits.REST_FROM_BUNDLES - 1, limits.REST_FROM_BUNDLES])
async def test_only_after_many_bundles_the_projector_rests(site: Site, log: Log, rig: Rig, bundles: int) -> None:
    """P6: limit - 1 and limit; what comes during the rest is one batch after it, within REST_S of the clock."""
    clock: FakeClock = site.clock  # type: ignore[assignment]  # the site's own is fake
    rig.whole_exam("T-1", attempt_id(1))
    rests = bundles == limits.REST_FROM_BUNDLES
    await arrive(site, log, bundles)
    running = asyncio.ensure_future(site.projector.run())
    try:
        assert await projected(site, bundles)
        async with asyncio.timeout(10):
            while rests and not clock.sleepers:
                await asyncio.sleep(0)
        await arrive(site, log, 1)
        if rests:
            await clock.advance(limits.REST_S / 2)
            assert site.projector.entries == bundles
            await clock.advance(limits.REST_S / 2)
        assert await projected(site, bundles + 1)
    finally:
        running.cancel()
