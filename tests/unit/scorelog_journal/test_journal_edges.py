"""The journal's small parts at their edges: steps watched, clocks that cannot be asked, disks that answer otherwise."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import struct
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from forged_log import change, small_log
from log_entries import content_of, key_of, opening, plain, scored
from log_harness import cosigned, new_log, opened

from scorelog.journal import failpoints
from scorelog.journal.clock import SystemClock, _read_boot_id
from scorelog.journal.errors import AppendRefused, Damaged, LogFailed, LogFull
from scorelog.journal.failpoints import failpoint, observed
from scorelog.journal.files import DirectoryLock, replace_synced
from scorelog.journal.jobs import ReceiptJob, SignJob
from scorelog.journal.limits import TILE_CACHE
from scorelog.journal.nodes import StoredNodes, read_row
from scorelog.journal.recovery import reading, writing_alone
from scorelog.journal.room import RoomPolicy
from scorelog.journal.rows import CheckpointRow, read_adoptions
from scorelog.journal.schema import _expect, create_tables, open_writer
from scorelog.journal.store import AppendRequest
from scorelog.journal.walcheck import wal_damage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "journal.commit"
ADOPTION = b'"type":"rubric.adopted"'


# --- failpoints, clock, files


def test_a_simulation_decides_what_becomes_of_each_step() -> None:
    """Inside `observed` every step goes through the observer, whatever was armed; afterwards nothing is armed."""
    steps: list[str] = []

    @contextmanager
    def step(name: str) -> Iterator[None]:
        steps.append(name)
        yield
        steps.append(f"{name} done")

    with failpoints.armed(f"{NAME}=error"), observed(step), failpoint(NAME):
        steps.append("the step")
    assert steps == [NAME, "the step", f"{NAME} done"]
    with failpoint(NAME):
        pass
    with pytest.raises(LookupError), observed(step):
        failpoint("journal.nowhere")


def test_a_failpoint_that_is_not_armed_lets_the_step_be() -> None:
    """Another name is armed; and `error` does not act after the step, nor `error-after` before it."""
    done = []
    with failpoints.armed("state.write=error"), failpoint(NAME):
        done.append(1)
    with failpoints.armed(f"{NAME}=error-after"), pytest.raises(OSError, match=NAME), failpoint(NAME):
        done.append(2)
    assert done == [1, 2]


@pytest.mark.parametrize(("answer", "state"), [(-1, "unknown"), (5, "unsynced"), (0, "synced"), (3, "synced")])
def test_the_kernel_s_word_on_its_clock(answer: int, state: str) -> None:
    """adjtimex: an error is unknown, TIME_ERROR unsynced, everything else synced; without it unknown."""
    clock = SystemClock()
    clock._adjtimex = lambda _: answer
    assert clock.sync_state() == state
    clock._adjtimex = None
    assert clock.sync_state() == "unknown"


def test_without_a_kernel_s_boot_id_each_start_has_its_own(tmp_path: Path) -> None:
    """Random, of the same form, never the same twice."""
    one, other = (_read_boot_id(tmp_path / "none") for _ in range(2))
    assert one != other
    assert len(one) == len(other) == 32
    (tmp_path / "id").write_text("6D6D-00\n")
    assert _read_boot_id(tmp_path / "id") == "6D6D00"


def test_a_lock_is_given_free_once(tmp_path: Path) -> None:
    """Twice is no error, and does not close a descriptor that is somebody else's by then."""
    lock = DirectoryLock(tmp_path / "lock")
    lock.release()
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDONLY)
    lock.release()
    os.fstat(other)
    os.close(other)
    DirectoryLock(tmp_path / "lock").release()


@pytest.mark.parametrize("private", [False, True])
def test_a_file_is_replaced_whole(tmp_path: Path, private: bool) -> None:
    """What a crash left beside it does not count, neither content nor mode."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    (tmp_path / "file.new").write_bytes(b"left by a crash, and longer")
    (tmp_path / "file.new").chmod(0o777)
    replace_synced(path, b"new", private=private)
    assert path.read_bytes() == b"new"
    mode = stat.S_IMODE(path.stat().st_mode)
    assert mode == 0o600 if private else not mode & 0o111
    assert list(tmp_path.iterdir()) == [path]


# --- errors of the database


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (sqlite3.OperationalError("disk I/O error"), Damaged),
        (IndexError("no such node"), Damaged),
        (TypeError("int"), Damaged),
        (ValueError("x"), Damaged),
        (AttributeError("x"), Damaged),
    ],
)
def test_what_cannot_be_read_is_damage(error: Exception, told: type[Exception]) -> None:
    """The log can be put aside for it."""
    with pytest.raises(told), reading("a/0", 1):
        raise error


def test_a_disk_that_does_not_answer_is_no_damage() -> None:
    """Then nothing may be put aside: the same log may be good after a restart."""
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
    with pytest.raises(LogFailed, match="cannot be read"), reading("a/0"):
        raise busy
    with pytest.raises(LogFailed, match="could not be written"), writing_alone("a/0"):
        raise busy
    with pytest.raises(KeyError), writing_alone("a/0"):
        raise KeyError


async def test_a_setting_that_sqlite_does_not_take_stops_the_start(tmp_path: Path) -> None:
    """P1: without synchronous FULL a commit would not be durable."""
    path = await small_log(tmp_path)
    with (
        closing(open_writer(path)) as connection,
        pytest.raises(LogFailed, match="a commit would not be durable"),
    ):
        _expect(connection, "synchronous = FULL", "synchronous", 99)


# --- nodes and rows


def test_nodes_that_are_not_there_are_not_made_up() -> None:
    """A missing row, a level or an index that the tree does not have."""
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection)
        connection.executemany("INSERT INTO entry VALUES (?, zeroblob(32), x'00')", [(n,) for n in (0, 1, 3)])
        nodes = StoredNodes(connection, lambda: 4)
        assert nodes(0, 3) == nodes(0, 0) == bytes(32)
        for level, index in ((-1, 0), (0, -1), (0, 4), (2, 1), (0, 2), (1, 1)):
            with pytest.raises(IndexError):
                nodes(level, index)
        with pytest.raises(IndexError, match="3 stored hashes of level 0"):
            read_row(connection, 0, 0, 4)


def test_only_so_many_tiles_are_kept() -> None:
    """I10: the oldest one makes room; what it held is read again."""
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection)
        count = TILE_CACHE + 2
        connection.executemany(
            "INSERT INTO entry VALUES (?, ?, x'00')", [(n, n.to_bytes(32, "big")) for n in range(256 * count)]
        )
        nodes = StoredNodes(connection, lambda: 256 * count)
        for tile in range(count):
            assert nodes(0, 256 * tile + 1) == (256 * tile + 1).to_bytes(32, "big")
        assert len(nodes._rows) == TILE_CACHE
        assert nodes(0, 0) == bytes(32)


def test_adoptions_that_are_no_bytes_are_passed_over() -> None:
    """A damaged row stops nothing."""
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection)
        connection.executemany(
            "INSERT INTO entry VALUES (?, zeroblob(32), ?)",
            [(0, ADOPTION.decode()), (1, ADOPTION)],
        )
        assert list(read_adoptions(connection, 9)) == [ADOPTION]


# --- what an append refuses


def broken(entry: bytes) -> AppendRequest:
    return AppendRequest(lambda _: entry)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (broken(b""), "an entry of 0 bytes"),
        (broken(b"x" * 65_536), "an entry of 65536 bytes"),
        (broken(b"junk"), "is not one"),
        (AppendRequest(plain("x").build, key_of(1), None), "come together"),
        (AppendRequest(plain("x").build, None, content_of("x")), "come together"),
        (AppendRequest(plain("x").build, key_of(1), content_of("x")), "or their content differs"),
        (AppendRequest(scored(key_of(1)).build, key_of(2), content_of("first reading")), "or their content differs"),
        (AppendRequest(scored(key_of(1)).build, key_of(1), content_of("other")), "or their content differs"),
        (AppendRequest(plain("x").build, None, None, (opening("a", "1"), opening("a", "2"))), "two openings"),
        (AppendRequest(plain("x").build, None, None, (("Name", bytes(32), b"x"),)), "could not be sent"),
        (AppendRequest(plain("x").build, None, None, (("name", bytes(31), b"x"),)), "could not be sent"),
    ],
)
async def test_an_append_refuses_what_could_not_be_judged_or_sent(
    tmp_path: Path, request_: AppendRequest, says: str
) -> None:
    """P5: nothing of it is stored, and the next one is."""
    async with opened(new_log(tmp_path)) as log:
        with pytest.raises(AppendRefused, match=says):
            await log.append_many([plain("before"), request_])
        assert log.size == 0
        await log.append(plain("after").build)
        assert log.size == 1


async def test_openings_that_fill_an_upload_alone_are_refused(tmp_path: Path) -> None:
    """What could never be uploaded is not taken."""
    fields = tuple(opening(f"f{n}", "x" * 60_000) for n in range(20))
    async with opened(new_log(tmp_path)) as log:
        with pytest.raises(AppendRefused, match="cannot travel in one upload"):
            await log.append_many([AppendRequest(plain("x").build, None, None, fields)])


# --- the open log


@pytest.mark.parametrize("index", [2, 5])
async def test_a_row_that_goes_while_the_log_is_open_is_found(tmp_path: Path, index: int) -> None:
    """P5: a gap in what is read, inside or at the end, and bytes that do not hash to their leaf."""
    path = await small_log(tmp_path)
    async with opened(path) as log:
        change(path, "UPDATE entry SET bytes = x'00' WHERE idx = :index", index=index)
        with pytest.raises(Damaged, match="does not hash"):
            log.entries(0, 6)
        change(path, "DELETE FROM entry WHERE idx = :index", index=index)
        with pytest.raises(Damaged, match="missing") as caught:
            log.entries(0, 6)
        assert caught.value.index == index


async def test_a_second_file_that_fails_shows(tmp_path: Path) -> None:
    """Scores go on without it; where there is none, nothing can fail."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        assert log.state_failed is None
    async with opened(path, tmp_path / "state") as log:
        (tmp_path / "state").unlink(missing_ok=True)
        (tmp_path / "state").mkdir()
        await log.append(plain("x").build)
        async with asyncio.timeout(20):
            while log.state_failed is None:
                await asyncio.sleep(0.01)
        assert log.size == 1


async def test_who_waits_and_leaves_does_not_trouble_the_others(tmp_path: Path) -> None:
    """A reader that was cancelled while it waited for growth; the other one is woken."""
    async with opened(new_log(tmp_path)) as log:
        leaving, staying = (asyncio.ensure_future(log.wait_grown(0)) for _ in range(2))
        await asyncio.sleep(0)
        (waiter, *_) = log._waiters
        waiter.cancel()
        log._wake()
        await log.append(plain("x").build)
        async with asyncio.timeout(20):
            results = await asyncio.gather(leaving, staying, return_exceptions=True)
        assert sorted(type(one).__name__ for one in results) == ["CancelledError", "NoneType"]


async def test_two_readers_may_want_the_same_size_signed(tmp_path: Path) -> None:
    """An older size is signed once, whoever asks."""
    async with opened(new_log(tmp_path)) as log:
        await log.append_many([plain(f"entry {n}") for n in range(9)])
        pieces = await asyncio.gather(*(log.piece(0, max_entries=4) for _ in range(3)))
        assert {(len(one.entries), one.checkpoint) for one in pieces} == {(4, pieces[0].checkpoint)}


async def test_a_piece_from_beyond_the_end_is_refused(tmp_path: Path) -> None:
    """Neither from below 0."""
    async with opened(new_log(tmp_path)) as log:
        for start in (-1, 1):
            with pytest.raises(IndexError):
                await log.piece(start)


async def test_a_full_disk_refuses_receipts_and_signatures_too(tmp_path: Path) -> None:
    """P1: nothing that must be written is called done without being written."""
    free = [1 << 40]
    policy = RoomPolicy(reserve_bytes=0, measure=lambda _: (free[0], 1 << 40))
    async with opened(new_log(tmp_path), room=policy) as log:
        await log.append_many([scored(key_of(n)) for n in range(9)])
        free[0] = 0
        with pytest.raises(LogFull):
            await log.save_receipt(cosigned(log.checkpoint()))
        with pytest.raises(LogFull):
            await log.piece(0, max_entries=4)
        known = scored(key_of(3))
        (again,) = await log.append_many([known])
        assert again.existing
        free[0] = 1 << 40
        await log.save_receipt(cosigned(log.checkpoint()))
    row = CheckpointRow(1, b"")
    assert ReceiptJob(row, future=Future()).writes(None)
    assert SignJob(1, future=Future()).writes(None)


async def test_a_builder_s_error_is_its_caller_s_alone(tmp_path: Path) -> None:
    """P8: foreign code that raises does not stop the log."""

    def build(_: int | None) -> bytes:
        raise ZeroDivisionError

    async with opened(new_log(tmp_path)) as log:
        results = await asyncio.gather(log.append(build), log.append(plain("good").build), return_exceptions=True)
        assert isinstance(results[0], ZeroDivisionError)
        assert log.size == 1


async def test_a_node_outside_the_tree_is_an_index_error(tmp_path: Path) -> None:
    """No hash is made up."""
    async with opened(new_log(tmp_path)) as log:
        await log.append(plain("x").build)
        for level, index in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            with pytest.raises(IndexError):
                log.node(level, index)


def test_frames_of_an_earlier_round_are_no_damage(tmp_path: Path) -> None:
    """A write-ahead log that was begun anew holds older frames behind the new ones; they are no torn transaction."""
    database = tmp_path / "db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        for n in range(20):
            connection.execute("INSERT INTO t VALUES (?)", ("x" * 3_000 + str(n),))
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        connection.execute("INSERT INTO t VALUES (1)")
        wal = tmp_path / "db-wal"
        assert wal_damage(wal) is None
        content = bytearray(wal.read_bytes())
        (page,) = struct.unpack_from(">I", content, 8)
        assert len(content) > 32 + 3 * (24 + page)
        content[40] ^= 1  # inside the frame that is first and last of this round: a torn tail
        (tmp_path / "torn").write_bytes(content)
        assert wal_damage(tmp_path / "torn") is None
