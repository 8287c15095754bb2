"""What a rig claimed wrongly under nobody's name is told once: where its records went."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from planned_world import A, point
from projection_replay import content

from server.matches.store import Match
from server.projection.projector import Projector
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from pathlib import Path

    from people_world import Log

LOST = "ff" * 16  # after every other id, so that it would be composed last


class Decided:
    """One match, kept elsewhere."""

    async def after(self, number: int) -> list[Match]:
        return [Match(1, LOST, A, "chief", "同一考生", 5)] if number < 1 else []


async def upload(store: FakeEntryStore, log: Log, sent: dict[str, int]) -> None:
    start = sent.get(log.origin, 0)
    sent[log.origin] = stop = len(log.entries)
    opened = log.openings_in(start, stop)
    await store.append_entries(log.origin, log.entries[start:stop], opened, received_us=7)


async def test_the_alarm_about_a_matched_claim_does_not_depend_on_what_came_when(tmp_path: Path) -> None:
    """P4: after a match and a later record of the same attempt, the same alarms as after a rebuild, once each."""
    store, sent = FakeEntryStore(), dict[str, int]()
    projections = await ProjectionStore.open(tmp_path / "projections.db")
    projector = Projector(store, projections, FakeClock(), matches=Decided())
    here = point(Random(3))
    lost = here.rigs["A-02"]
    lost.session = lost.plan = ""
    lost.part(LOST, "K21", 3399, (2, 1250), (3, 250), ticket="")  # it was 3400
    here.rigs["A-01"].part(A, "K11", 1900, (2, 500))
    for log in here.logs.values():
        await upload(store, log, sent)
    await projector.catch_up()
    here.rigs["B-01"].part(A, "K31", 2000)
    await upload(store, here.logs["gw-02"], sent)
    await projector.catch_up()
    grown = await content(projections)
    await projector.rebuild()
    assert await content(projections) == grown
    await projections.close()
    claims = [row for row in grown["alerts"] if "'recompute_mismatch'" in row]
    assert len(claims) == 1
    assert repr(f"attempt/{A}") in claims[0]
