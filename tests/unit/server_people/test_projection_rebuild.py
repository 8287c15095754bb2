"""Projections are deleted and rebuilt at will: what they hold depends on the evidence and on nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import sqlalchemy as sa
from fake_entry_store import FakeEntryStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people_world import Log, Rig, attempt_id
from projection_replay import Tables, content, replay

from server.projection import limits, schema
from server.projection.projector import Projector
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from people_site import Site


def two_logs() -> list[Log]:
    """Two gateways with whole, vetoed, aborted and open exams, one attempt over both, and an unreadable entry."""
    logs = [Log("gw-01", Random(1)).adopt(), Log("gw-02", Random(2)).adopt()]
    rigs = [Rig(f"LV-000{number}", f"A-0{number}", logs[number % 2]) for number in range(4)]
    rigs[0].whole_exam("T-1", attempt_id(1))
    rigs[1].open_exam("T-2", attempt_id(2))
    rigs[1].start("K21")
    rigs[1].deduct(7, 500, veto=True)
    rigs[1].finish("veto")
    rigs[1].close(0, failed=True)
    for rig in rigs[2:]:
        rig.open_exam("T-3", attempt_id(3))
        rig.start("K11" if rig is rigs[2] else "K31")
        rig.deduct(2, 300)
        rig.finish(score=5000 if rig is rigs[3] else None)
    logs[0].entries.append(b"unreadable")
    rigs[2].abort("examiner")
    rigs[3].start("K42")
    rigs[3].deduct(3, 100)
    logs[1].add("rig.online", rig="LV-0000", station="A-00", reason="connected", last_seq=1)
    return logs


_REFERENCE: Tables = {}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pieces=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 12)), max_size=10),
    steps=st.sets(st.integers(0, 12)),
)
def test_splits_orders_and_rebuilds_give_the_same_tables(pieces: list[tuple[int, int]], steps: set[int]) -> None:
    """However the uploads were cut and interleaved, whenever the projector ran: the same rows, also after a rebuild."""
    with TemporaryDirectory() as folder:
        found = asyncio.run(replay(Path(folder), two_logs(), pieces, steps))
    if not _REFERENCE:
        _REFERENCE.update(found)
    assert found == _REFERENCE
    assert len(found["items"]) == 7
    assert found["quarantine"]


async def test_a_projector_goes_on_where_the_last_one_was(site: Site, log: Log, rig: Rig, tmp_path: Path) -> None:
    """Cursor and rows change together: nothing twice, nothing missing after a restart."""
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log, stop=7)
    fresh = Projector(site.store, site.projections, site.clock)
    await site.upload(log, project=False)
    assert await fresh.catch_up() == len(log.entries) - 7
    grown = await content(site.projections)
    await fresh.rebuild()
    assert await content(site.projections) == grown


async def test_other_evidence_under_the_cursor_starts_over(site: Site, log: Log, rig: Rig, tmp_path: Path) -> None:
    """After a restore from backup the bundle numbers mean something else: the projections are made again."""
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log)
    other = FakeEntryStore()
    await other.append_entries(log.origin, log.entries[:3], log.openings_in(0, 3))
    projector = Projector(other, site.projections, site.clock)
    assert await projector.catch_up() == 3
    assert len((await content(site.projections))["entries"]) == 3


async def test_a_broken_or_older_file_is_replaced(tmp_path: Path) -> None:
    """projections.db is worth nothing: what SQLite cannot read, or another version wrote, is thrown away."""
    path = tmp_path / "projections.db"
    path.write_bytes(b"this is no database" * 400)
    store = await ProjectionStore.open(path)
    assert (await store.cursor()) == {"seq": 0}
    async with store.writing() as db:
        await db.execute(sa.update(schema.meta).values(value=str(limits.SCHEMA_VERSION - 1)))
        await db.execute(sa.insert(schema.meta).values(name="cursor", value='{"seq": 9}'))
    await store.close()
    store = await ProjectionStore.open(path)
    assert (await store.cursor()) == {"seq": 0}
    await store.close()


async def test_the_projector_projects_as_soon_as_it_is_told(site: Site, log: Log, rig: Rig) -> None:
    """P6: notify wakes it; no time has to pass on the clock."""
    running = asyncio.ensure_future(site.projector.run())
    rig.whole_exam("T-1", attempt_id(1))
    await site.upload(log, project=False)
    site.projector.notify()
    async with asyncio.timeout(5):
        while site.projector.entries < len(log.entries):
            await asyncio.sleep(0)  # a turn of the loop, not a wait
    running.cancel()
    assert len(site.board.snapshot()["scores"]) == 4
