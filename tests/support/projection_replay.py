"""Uploads of several logs in any order and cut, projected along the way; and everything that the tables then hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore

from server.projection import schema
from server.projection.projector import Projector
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from people_world import Log

Tables = dict[str, list[tuple[Any, ...]]]


async def content(projections: ProjectionStore) -> Tables:
    """Everything in the tables, but for the number of the bundle, which is the store's."""
    found = {}
    async with projections.reading() as db:
        for table in schema.metadata.sorted_tables:
            if table.name == "meta":
                continue
            columns = [column for column in table.c if column.name != "bundle"]
            rows = (await db.execute(sa.select(*columns))).all()
            found[table.name] = sorted(tuple(map(repr, row)) for row in rows)
    return found


async def replay(folder: Path, logs: Sequence[Log], pieces: Iterable[tuple[int, int]], steps: set[int]) -> Tables:
    """Store the pieces (which log, how many entries) in this order, projecting after the given ones, then the rest.

    What another projector finds, and what a rebuild makes, is the same; that is looked at here.
    """
    store, clock = FakeEntryStore(), FakeClock()
    projections = await ProjectionStore.open(folder / "projections.db")
    projector = Projector(store, projections, clock)
    sent = [0] * len(logs)
    try:
        for number, (which, count) in enumerate([*pieces, *((every, 10_000) for every in range(len(logs)))]):
            log, start = logs[which], sent[which]
            sent[which] = stop = min(len(log.entries), start + count)
            if start < stop:
                opened = log.openings_in(start, stop)
                await store.append_entries(log.origin, log.entries[start:stop], opened, received_us=7)
            if number in steps:
                await projector.catch_up()
        await projector.catch_up()
        grown = await content(projections)
        again = Projector(store, projections, clock)
        assert await again.catch_up() == 0
        assert await again.rebuild() == sum(sent)
        assert await content(projections) == grown
        return grown
    finally:
        await projections.close()
