"""The projections hold the same in a file of SQLite and in PostgreSQL: attempts of plans, alarms, matches."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from planned_world import A, B, Point, point
from projection_replay import content

from server.database import kept
from server.database.postgres import connect
from server.database.schemas import create_kept
from server.matches.store import Match
from server.projection.projector import Projector
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from pathlib import Path

LOST = "c0" * 16


class Decided:
    """One match, kept elsewhere."""

    async def after(self, number: int) -> list[Match]:
        return [Match(1, LOST, A, "chief", "同一考生", 5)] if number < 1 else []


def world() -> Point:
    here = point(Random(3), max_bytes=700)
    here.whole(B, ticket="T-2")
    here.rigs["A-01"].part(A, "K11", 1900, (2, 500))
    here.rigs["A-02"].session = here.rigs["A-02"].plan = ""
    here.rigs["A-02"].part(LOST, "K21", 1000, (2, 1250))
    return here


async def projected(projections: ProjectionStore) -> dict[str, list[tuple[Any, ...]]]:
    store = FakeEntryStore()
    projector = Projector(store, projections, FakeClock(), matches=Decided())
    for log in world().logs.values():
        opened = log.openings_in(0, len(log.entries))
        await store.append_entries(log.origin, log.entries, opened, received_us=7)
        await projector.catch_up()
    found = await content(projections)
    await projector.rebuild()
    assert await content(projections) == found
    return found


async def test_both_forms_hold_the_same(tmp_path: Path, postgres_url: str) -> None:
    """One set of tables, one result, whichever database holds them."""
    projections = await ProjectionStore.open(tmp_path / "projections.db")
    in_file = await projected(projections)
    await projections.close()
    database = connect(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"), readers=2, writers=2)
    try:
        with database.writer.begin() as connection:
            create_kept(connection)
        projections = await asyncio.to_thread(kept.open_projections, database)
        await projections.prepare()
        assert await projected(projections) == in_file
        await projections.close()
    finally:
        database.dispose()
    assert len(in_file["attempts"]) == 3
    assert len(in_file["matched"]) == 1
