"""The open log at its edges: who stops while others wait, what fails under the writer, what others change meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fake_clock import FakeClock
from forged_log import change, small_log
from log_entries import key_of, opening, plain, scored
from log_harness import new_log, opened, signer_for

from scorelog.format.entry import build_entry, parse_entry
from scorelog.format.tree import leaf_hash
from scorelog.journal.batch import Batch
from scorelog.journal.doubt import UNPROVEN, Doubts
from scorelog.journal.errors import Damaged, LogFailed
from scorelog.journal.failpoints import observed
from scorelog.journal.fsck import fsck
from scorelog.journal.generation import open_generation, quarantine
from scorelog.journal.jobs import AppendJob, SignJob
from scorelog.journal.relog import new_document
from scorelog.journal.salvage import _following, kept_entries, reader
from scorelog.journal.schema import DATABASE, IDENTITY, SHM, WAL
from scorelog.journal.sqlite import open_log
from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


async def test_what_was_submitted_before_the_end_is_stored(tmp_path: Path) -> None:
    """P1: an orderly stop finishes what waits, though the writer is busy when it comes."""
    path, go = new_log(tmp_path), threading.Event()

    def slowly(_: int | None) -> bytes:
        assert go.wait(20)
        return plain("first").build(None)

    log = open_log(path, signer_for, FakeClock())
    appends = [asyncio.ensure_future(log.append(build)) for build in (slowly, plain("second").build)]
    await asyncio.sleep(0)
    closing_ = asyncio.ensure_future(log.close())
    await asyncio.sleep(0)
    go.set()
    async with asyncio.timeout(20):
        assert [one.index for one in await asyncio.gather(*appends)] == [0, 1]
        await closing_
    assert fsck(path).size == 2


async def test_a_disk_that_does_not_answer_is_told_at_the_end(tmp_path: Path) -> None:
    """A stop does not hang for ever: the process may end, and the start after it recovers."""
    go = threading.Event()

    def stuck(_: int | None) -> bytes:
        assert go.wait(20)
        return plain("x").build(None)

    log = open_log(new_log(tmp_path), signer_for, FakeClock())
    log.close_wait_s = 0.01
    append = asyncio.ensure_future(log.append(stuck))
    await asyncio.sleep(0)
    with pytest.raises(LogFailed, match="did not answer within"):
        await log.close()
    go.set()
    async with asyncio.timeout(20):
        assert (await append).index == 0


async def test_a_table_that_goes_under_the_writer_is_final(tmp_path: Path) -> None:
    """P1: whatever the database says in the middle of a plan, nothing more is acknowledged."""
    path = new_log(tmp_path)
    log = open_log(path, signer_for, FakeClock())
    change(path, "DROP TABLE entry_key")
    for _ in range(2):
        with pytest.raises(LogFailed):
            await log.append_many([scored(key_of(1))])
    assert log.size == 0
    await log.close()


async def test_a_checkpoint_that_vanishes_is_damage(tmp_path: Path) -> None:
    """It was signed for a piece, and is gone when it is read: said, and nothing is sent without one."""
    path = new_log(tmp_path)

    @contextmanager
    def step(name: str) -> Iterator[None]:
        yield
        if name == "journal.release":
            change(path, "DELETE FROM checkpoint WHERE size < 9")

    async with opened(path) as log:
        await log.append_many([plain(f"entry {n}") for n in range(9)])
        with observed(step), pytest.raises(Damaged, match="no checkpoint though it was just signed"):
            await log.piece(0, max_entries=4)


async def test_openings_count_in_a_piece(tmp_path: Path) -> None:
    """A piece ends where its openings would be too many for one upload."""
    async with opened(new_log(tmp_path)) as log:
        for n in range(6):
            request = scored(key_of(n), openings=[opening(f"f{m}", "x" * 60_000) for m in range(5)])
            await log.append(request.build, request.key, request.content, request.openings)
        first = await log.piece(0)
        assert (len(first.entries), len(first.openings)) == (3, 15)
        assert (await log.piece(3)).openings[0].index == 3


async def test_growth_between_looking_and_waiting_is_not_missed(tmp_path: Path) -> None:
    """The writer is another thread: it may release between the two."""
    async with opened(new_log(tmp_path)) as log:

        class Growing(set[Any]):
            """A set of waiters; something is stored at the very moment in which one is added."""

            def add(self, waiter: Any) -> None:
                super().add(waiter)
                log._writer.submit(job)
                job.future.result(20)

        job = AppendJob((plain("x"),))
        log._waiters = Growing()
        async with asyncio.timeout(20):
            await log.wait_grown(0)
        assert log.size == 1


async def test_an_entry_and_its_leaf_that_were_never_signed_stop_the_start(tmp_path: Path) -> None:
    """P3: the row agrees with itself, and the tree does not lead to the signed root."""
    path = await small_log(tmp_path)
    other = plain("another").build(None)
    change(path, "UPDATE entry SET bytes = :entry, leaf = :leaf WHERE idx = 5", entry=other, leaf=leaf_hash(other))
    with pytest.raises(Damaged, match="do not lead to the signed root"):
        open_log(path, signer_for, FakeClock())


# --- reading what is damaged


async def test_rows_far_apart_are_found_without_a_walk(tmp_path: Path) -> None:
    """A wild index is one row, not 2^62 missing ones; where the pages do not say, the walk goes on in steps."""
    path = await small_log(tmp_path)
    change(path, "UPDATE entry SET idx = 1 << 52 WHERE idx = 3", "DELETE FROM entry WHERE idx = 4")
    with reader(path) as connection:
        assert [row.index for row in kept_entries(connection, 0, 1 << 53)] == [0, 1, 2, 5, 1 << 52]
        assert list(kept_entries(connection, 6, 1 << 50)) == []
    with closing(sqlite3.connect(":memory:")) as connection:
        assert _following(connection, 7, 9) == 7


async def test_a_schema_that_is_no_text_is_a_finding(tmp_path: Path) -> None:
    """SQLite's own words about it cannot be decoded."""
    path = await small_log(tmp_path)
    change(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = CAST(x'435245415445205441424C4520ff28' AS TEXT) WHERE name = 'entry'",
    )
    assert [one.kind for one in fsck(path).findings] == ["database"]


async def test_a_log_whose_index_cannot_be_made_is_copied_to_be_read(tmp_path: Path) -> None:
    """With and without a write-ahead log beside it."""
    path = await small_log(tmp_path)
    (path / SHM).mkdir()
    report = fsck(path)
    assert (report.findings, report.size) == ([], 6)
    assert (path / DATABASE).exists()


async def test_a_log_whose_schema_cannot_be_read_is_a_database_error(tmp_path: Path) -> None:
    """The same for whoever opens it to read, not to check: no UnicodeDecodeError leaves the journal."""
    path = await small_log(tmp_path)
    change(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE (', name = CAST(x'fffe' AS TEXT) WHERE name = 'entry'",
    )
    with pytest.raises(sqlite3.DatabaseError), reader(path):
        pass


async def test_a_header_that_sqlite_does_not_know_is_a_finding(tmp_path: Path) -> None:
    """SQLite says only that it cannot; a copy, with the write-ahead log, is tried, and then it is said."""
    path = await small_log(tmp_path)
    with (path / DATABASE).open("r+b") as file:
        file.seek(44)
        file.write(b"\0\0\0\x63")  # the schema format
    (path / WAL).write_bytes(b"")
    assert "database" in {one.kind for one in fsck(path).findings}


async def test_the_end_that_comes_in_the_middle_of_a_group_waits(tmp_path: Path) -> None:
    """P1: jobs that stand in the queue before the end are one group, and the end is found again behind it."""
    log = open_log(new_log(tmp_path), signer_for, FakeClock())
    go, jobs = threading.Event(), [AppendJob((plain(f"entry {n}"),)) for n in range(3)]

    def slowly(_: int | None) -> bytes:
        assert go.wait(20)
        return plain("first").build(None)

    log._writer.submit(AppendJob((AppendRequest(slowly),)))
    while log._writer._queue.qsize():
        await asyncio.sleep(0.001)
    for job in jobs:
        log._writer.submit(job)
    end = asyncio.ensure_future(log.close())
    while log._writer._queue.qsize() < 4:
        await asyncio.sleep(0.001)
    go.set()
    async with asyncio.timeout(20):
        await end
    assert [one.index for job in jobs for one in job.future.result(0)] == [1, 2, 3]


@pytest.mark.parametrize("deaf", [False, True], ids=["heard", "nobody-listens"])
async def test_a_writer_without_memory_leaves_nobody_waiting(tmp_path: Path, deaf: bool) -> None:
    """P1: whatever breaks in its thread, what it took and what comes later fails, and it ends in order."""
    log = open_log(new_log(tmp_path), signer_for, FakeClock())

    class Costly(AppendJob):
        @property
        def weight(self) -> int:
            raise MemoryError

    def broken(_: object) -> None:
        raise RuntimeError

    if deaf:
        log._writer._released = broken
    jobs = [Costly((plain("first"),)), AppendJob((plain("second"),))]
    for job in jobs:
        log._writer.submit(job)
        assert isinstance(job.future.exception(20), LogFailed)
    assert isinstance(log._writer.failed, LogFailed)
    async with asyncio.timeout(20):
        await log.close()


def test_a_size_that_was_signed_meanwhile_is_not_signed_again(tmp_path: Path) -> None:
    """A size is signed once: two roots of one size cannot come about so either."""
    path = new_log(tmp_path)
    job = SignJob(0)
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        batch = Batch(connection, 0, 0)
        job.plan(batch)
        assert batch.sign == set()


@pytest.mark.parametrize("flip", [b"gw-02", b"gw-0\\u0031"])
async def test_an_identity_whose_key_is_of_another_log_is_damaged(tmp_path: Path, flip: bytes) -> None:
    """One flipped bit in the origin is no other log: the database knows whose it is."""
    path = await small_log(tmp_path)
    file = path / IDENTITY
    file.write_bytes(file.read_bytes().replace(b"gw-01", flip, 1))
    with pytest.raises(Damaged, match="cannot be read"):
        open_log(path, signer_for, FakeClock())


@pytest.mark.parametrize("table", ["opening", "entry"])
async def test_damage_is_named_with_the_log_and_where_it_was_read(tmp_path: Path, table: str) -> None:
    """An operator learns whose log it is, and from which index on."""
    path = await small_log(tmp_path)
    async with opened(path) as log:
        change(path, f"DROP TABLE {table}")
        with pytest.raises(Damaged) as caught:
            log.openings(2, 4) if table == "opening" else log.entries(2, 4)
        assert (caught.value.origin, caught.value.index) == (log.origin, 2)


async def test_carried_keys_are_hashed_as_the_page_says(tmp_path: Path) -> None:
    """Entry 0 of the next generation: each field with its length before it, a line feed behind a row; by hand here."""
    path = await small_log(tmp_path)
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        rows = connection.execute(
            "SELECT rig, epoch, seq, type, ordinal, content, generation, idx, leaf FROM entry_key WHERE idx < 3"
            " ORDER BY rig, epoch, seq, type, ordinal, content"
        ).fetchall()
    by_hand = hashlib.sha256()
    for row in rows:
        for field in row:
            data = field if isinstance(field, bytes) else str(field).encode()
            by_hand.update(str(len(data)).encode() + b":" + data)
        by_hand.update(b"\n")
    log = open_generation(path, quarantine(path, "x", tmp_path / "state"), signer_for, FakeClock())
    try:
        keys = parse_entry(log.entries(0, 1)[0]).document["previous"]["keys"]
    finally:
        await log.close()
    assert keys == {"count": 3, "sha256": by_hand.hexdigest()}


async def test_without_a_receipt_nothing_was_adopted_before_it(tmp_path: Path) -> None:
    """All is stranded and logged again in its order: no text is adopted twice."""
    path = new_log(tmp_path)
    text = "rubric = 1"
    adopted = new_document("rubric.adopted", FakeClock()) | {
        "sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text
    }  # fmt: skip
    async with opened(path) as log:
        await log.append(lambda _: build_entry(adopted))
        await log.append(plain("x").build)
    log = open_generation(path, quarantine(path, "x", None), signer_for, FakeClock())
    try:
        types = [parse_entry(entry).type for entry in log.entries(0, log.size)]
    finally:
        await log.close()
    assert types == ["generation.opened", "relogged", "relogged"]


def test_before_the_first_stretch_everything_is_unproven() -> None:
    """An index that no stretch holds is not borne out by anything."""
    doubts = Doubts(((5, None), (8, "altered")))
    assert [doubts.of(index) for index in (0, 4, 5, 7, 8, 99)] == [UNPROVEN, UNPROVEN, None, None, "altered", "altered"]
    assert Doubts(()).of(0) == UNPROVEN
