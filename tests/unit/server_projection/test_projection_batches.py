"""Many bundles a transaction: the same tables as one by one, also after one that broke; a poison entry stays alone."""

from __future__ import annotations

import contextlib
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from fake_clock import FakeClock
from fake_entry_store import FakeEntryStore
from people_world import Log, Rig, attempt_id
from planned_world import A, B, Point, adopt_plan, document, point, text_of
from projection_replay import content

from scorelog.format.canonical import encode
from server.database import kept
from server.database.postgres import connect
from server.database.schemas import create_kept
from server.errors import Damaged
from server.projection import limits, schema
from server.projection.projector import Projector
from server.projection.store import ProjectionStore
from server.projection.turns import Turns
from server.projection.working import WorkingSet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from projection_replay import Tables
    from sqlalchemy.ext.asyncio import AsyncConnection

    from server.evidence.store import LogState, StoredEntry
    from server.projection.scores import Update


class Breaking(ProjectionStore):
    """Breaks the transactions of these numbers, from 1, just before they are committed; counts them all."""

    breaks: frozenset[int] = frozenset()
    begun = 0

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        async with super().writing() as db:
            self.begun += 1
            yield db
            if self.begun in self.breaks:
                raise sa.exc.OperationalError("COMMIT", None, OSError("gone"))


class Watched(FakeEntryStore):
    """Counts how often the state of logs was asked for; some entries cannot be read back."""

    asked = 0
    bad: tuple[str, int] | None = None

    async def log(self, origin: str) -> LogState | None:
        self.asked += 1
        return await super().log(origin)

    async def logs(self) -> list[LogState]:
        self.asked += 1
        return await super().logs()

    async def entries(self, origin: str, start: int, stop: int) -> list[StoredEntry]:
        if self.bad and self.bad[0] == origin and start <= self.bad[1] < stop:
            raise Damaged(f"{origin}: bundle at index {start}")
        return await super().entries(origin, start, stop)


class Ear:
    """Hears what the live board would."""

    def __init__(self) -> None:
        self.heard: list[Update] = []

    def projected(self, update: Update) -> None:
        self.heard.append(update)

    def cosigned(self, origin: str, size: int) -> None:
        pass


@pytest.fixture
async def projections(tmp_path: Path) -> AsyncIterator[Breaking]:
    made = await Breaking.open(tmp_path / "projections.db")
    assert isinstance(made, Breaking)
    yield made
    await made.close()


def world() -> Point:
    """A plan in parts, exams over two gateways, a session that closes, an entry that cannot be read."""
    made = point(Random(3), max_bytes=700)
    made.whole(B, ticket="T-2")
    made.rigs["A-01"].part(A, "K11", 1900, (2, 500))
    made.logs["gw-01"].entries.append(b"unreadable")
    made.rigs["B-01"].part(A, "K31", 2000)
    for log in made.logs.values():
        log.add("session.closed", fields={"session": "S20261123-1", "reason": "over", "plan": made.plan})
        adopt_plan(log, text_of(document(version=2)))
    return made


async def store_all(store: FakeEntryStore, logs: Sequence[Log], size: int, *, done: dict[str, int]) -> None:
    """The rest of each log, in bundles of so many, one of each log in turn."""
    while any(done.get(log.origin, 0) < len(log.entries) for log in logs):
        for log in logs:
            start = done.get(log.origin, 0)
            stop = done[log.origin] = min(len(log.entries), start + size)
            if start < stop:
                opened = log.openings_in(start, stop)
                await store.append_entries(log.origin, log.entries[start:stop], opened, received_us=7)


async def reference(folder: Path, logs: Sequence[Log]) -> Tables:
    """The tables, one entry a transaction."""
    folder.mkdir()  # noqa: ASYNC240  one system call
    store, projections = FakeEntryStore(), await ProjectionStore.open(folder / "projections.db")
    projector = Projector(store, projections, FakeClock())
    for log in logs:
        for index, entry in enumerate(log.entries):
            await store.append_entries(log.origin, [entry], log.openings_in(index, index + 1), received_us=7)
            await projector.catch_up()
    found = await content(projections)
    await projections.close()
    return found


async def test_a_batch_that_breaks_leaves_nothing_and_is_done_again(projections: Breaking, tmp_path: Path) -> None:
    """Killed anywhere it goes on from the last whole batch: nothing twice, nothing missing, nothing stale in memory."""
    logs = list(world().logs.values())
    wanted = await reference(tmp_path / "one-by-one", logs)
    store, done = FakeEntryStore(), dict[str, int]()
    projector = Projector(store, projections, FakeClock())
    projections.breaks = frozenset({1, 3, 4, 6})
    half = [Log(log.gateway, log.rng, log.generation, log.entries[:12], log.openings) for log in logs]
    for several in (half, logs):
        await store_all(store, several, 3, done=done)
        for _ in range(3):
            with contextlib.suppress(sa.exc.OperationalError):
                await projector.catch_up()
    await projector.catch_up()
    assert projections.begun >= 5
    assert await content(projections) == wanted


async def test_all_that_waits_is_one_transaction_and_is_told_in_order(projections: Breaking) -> None:
    """P6: a backlog of many bundles costs few commits; each state, score and result is told, scores in their order."""
    store, ear = Watched(), Ear()
    log = Log("gw-01", Random(1)).adopt()
    rig = Rig("LV-0001", "A-01", log)
    for number in range(4):
        rig.whole_exam(f"T-{number}", attempt_id(number))
    await store_all(store, [log], 1, done={})
    projector = Projector(store, projections, FakeClock(), listener=ear)
    await projector.catch_up()
    assert projections.begun == 1
    scores = [score for update in ear.heard for score in update.scores]
    assert [score.index for score in scores] == sorted(score.index for score in scores)
    assert [score.ticket for score in scores] == [f"T-{number}" for number in range(4) for _ in range(4)]
    assert {one.attempt for update in ear.heard for one in update.results} == {attempt_id(each) for each in range(4)}
    assert ear.heard[-1].rigs[0].closed == "finished"


async def test_the_same_bundles_again_change_nothing(projections: Breaking) -> None:
    """Rows that are there already are written anew, and nothing of them doubles."""
    store, logs = FakeEntryStore(), list(world().logs.values())
    await store_all(store, logs, 5, done={})
    await Projector(store, projections, FakeClock()).catch_up()
    before = await content(projections)
    async with projections.writing() as db:
        await db.execute(sa.delete(schema.meta).where(schema.meta.c.name == "cursor"))
    assert await Projector(store, projections, FakeClock()).catch_up() == sum(len(log.entries) for log in logs)
    assert await content(projections) == before


async def test_a_bundle_that_cannot_be_read_back_hides_no_other(projections: Breaking) -> None:
    """P8: of a batch, only the damaged bundle is missing, with an alarm; all others are there."""
    store, log = Watched(), Log("gw-01", Random(1)).adopt()
    Rig("LV-0001", "A-01", log).whole_exam("T-1", attempt_id(1))
    await store_all(store, [log], 2, done={})
    store.bad = log.origin, 5
    await Projector(store, projections, FakeClock()).catch_up()
    found = await content(projections)
    assert len(found["entries"]) == len(log.entries) - 2
    assert sum("evidence_damaged" in repr(row) for row in found["alerts"]) == 1


async def test_the_cosignatures_of_many_logs_are_looked_up_at_once(projections: Breaking) -> None:
    """One question for all logs that wait for a cosignature, not one for each."""
    store = Watched()
    logs = [Log(f"gw-{number:02d}", Random(number)).adopt() for number in range(1, 31)]
    await store_all(store, logs, 1, done={})
    projector = Projector(store, projections, FakeClock())
    await projector.catch_up()
    assert store.asked <= 4  # at start, after the batch, at its end


async def test_what_is_held_is_bounded_and_never_stale(projections: Breaking) -> None:
    """Beyond the limit the least lately touched attempts are let go and read back when they are touched again."""
    work = WorkingSet()
    names = [attempt_id(number) for number in range(limits.ATTEMPTS_HELD + 1)]
    async with projections.reading() as db:
        await work.load(db, names[:-1])
        work.trim()
        assert len(work) == limits.ATTEMPTS_HELD
        await work.load(db, names)
        work.trim()
    assert len(work) == limits.ATTEMPTS_HELD
    work.forget()
    assert len(work) == 0


async def test_an_attempt_that_is_over_is_soon_let_go(projections: Breaking, tmp_path: Path) -> None:
    """B16: memory follows the exams that run, not those that ever ran; what comes late is composed all the same."""
    store, done = FakeEntryStore(), dict[str, int]()
    log = Log("gw-01", Random(5)).adopt()
    rig = Rig("LV-0001", "A-01", log)
    most = limits.ATTEMPTS_OVER_HELD
    running = Rig("LV-0002", "A-02", log)
    running.open_exam("T-0", attempt_id(0))
    for number in range(1, most + 12):
        rig.open_exam(f"T-{number}", attempt_id(number))
        rig.abort()
    projector = Projector(store, projections, FakeClock())
    await store_all(store, [log], 8, done=done)
    await projector.catch_up()
    work = projector._applier.work
    assert len(work) == most + 1
    assert attempt_id(0) in work._held
    gone = next(number for number in range(1, most + 12) if attempt_id(number) not in work._held)
    again = Rig("LV-0003", "A-03", log)
    again.open_exam(f"T-{gone}", attempt_id(gone))
    await store_all(store, [log], 8, done=done)
    await projector.catch_up()
    assert len(work) == most + 1, "an aborted exam stays over"
    assert await content(projections) == await reference(tmp_path / "one-by-one", [log])


async def test_what_was_held_goes_stale_with_a_new_plan_and_a_closed_session(
    projections: Breaking, tmp_path: Path
) -> None:
    """An attempt that is held follows a later plan and the end of its session, as one that is read back does."""
    made = world()
    logs = list(made.logs.values())
    wanted = await reference(tmp_path / "one-by-one", logs)
    store, done = FakeEntryStore(), dict[str, int]()
    projector = Projector(store, projections, FakeClock())
    for cut in (9, 14, 30, 10_000):  # the exams come before the first, the close and the new plan after the last cut
        part = [Log(log.gateway, log.rng, log.generation, log.entries[:cut], log.openings) for log in logs]
        await store_all(store, part, 2, done=done)
        await projector.catch_up()
    assert await content(projections) == wanted
    assert [row for row in wanted["attempts"] if "'finished'" in row]


class Hasty(FakeClock):
    """A clock on which each look takes as long as it says."""

    step_us = 0

    def mono_us(self) -> int:
        self._mono_us += self.step_us
        return self._mono_us


@pytest.mark.parametrize(("busy_us", "looks"), [(10, 2), (1_000, 9)])
async def test_ingest_goes_first_within_a_bound(busy_us: int, looks: int) -> None:
    """After its slice the projector gives way until the others are quiet, and not for ever while they are not."""
    clock = Hasty()
    turns = Turns(clock)
    assert turns.over
    clock.step_us = busy_us
    before = clock._mono_us
    await turns.give_way()
    assert (clock._mono_us - before) // busy_us == looks
    clock.step_us = 0
    assert not turns.over
    await clock.advance(limits.SLICE_US / 1e6)
    assert turns.over


def poisoned(entries: int, where: int) -> Log:
    """A rig that comes and goes; one entry names a rig by a text that no column of PostgreSQL holds."""
    log = Log("gw-01", Random(1))
    for number in range(entries):
        serial = "LV\0" if number == where else "LV-0001"
        log.entries.append(encode(_online(log, number, serial)))
    return log


def _online(log: Log, number: int, serial: str) -> dict[str, Any]:
    read = {"boot": "6d" * 16, "mono_us": number, "sync": "synced", "utc": "2026-11-23T06:42:05.000000Z"}
    fields = {"reason": "connected", "last_seq": number}
    return {
        "v": 1,
        "type": "rig.online",
        "salt": log.rng.randbytes(16).hex(),
        "read": read,
        "rig": serial,
        "station": "A-01",
        **fields,
    }


@pytest.mark.parametrize("size", [1, 100])
async def test_one_poison_among_a_thousand_is_set_aside_alone(postgres_url: str, size: int) -> None:
    """P8: in PostgreSQL a value that no column holds costs its entry, some halvings, and nothing else."""
    database = connect(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"), readers=2, writers=2)
    with database.writer.begin() as connection:
        create_kept(connection)
    opened = kept.open_projections(database)
    projections = Breaking(opened._engines, opened._tables)
    try:
        await projections.prepare()
        store, log = FakeEntryStore(), poisoned(1000, 617)
        await store_all(store, [log], size, done={})
        assert await Projector(store, projections, FakeClock()).catch_up() == 1000
        found = await content(projections)
        assert len(found["entries"]) == 999
        assert [row[1] for row in found["quarantine"]] == ["617"]
        assert [row for row in found["alerts"] if "quarantined" in repr(row)]
        assert projections.begun <= 2 + 2 * 10  # batches, and two halves for each halving of one of them
    finally:
        await projections.close()
        database.dispose()
