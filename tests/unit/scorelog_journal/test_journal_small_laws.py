"""Small laws of the journal that no larger test would miss: each killed a mutant that had survived."""

from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from log_entries import key_of, scored
from log_harness import cosigned, new_log, opened

from scorelog.journal import failpoints, rows
from scorelog.journal.errors import Damaged, LogFailed, LogLocked, LogNewer, RolledBack
from scorelog.journal.files import DirectoryLock, drop_cached
from scorelog.journal.identity import read_identity
from scorelog.journal.limits import SIGNED_EVERY_OPENING_BYTES
from scorelog.journal.medium import read_through
from scorelog.journal.request import piece_stop
from scorelog.journal.schema import DATABASE, FORMAT_VERSION, IDENTITY, open_reader, open_writer
from scorelog.journal.statefile import State, write_state
from scorelog.journal.walcheck import wal_damage

if TYPE_CHECKING:
    from pathlib import Path

    from scorelog.journal.log import SqliteLog


async def append(log: SqliteLog, first: int, count: int) -> None:
    for seq in range(first, first + count):
        request = scored(key_of(seq, rig="LV-1"), note=str(seq))
        await log.append(request.build, request.key, request.content)


def test_a_lock_is_its_owners_alone_and_says_who_has_it(tmp_path: Path) -> None:
    """A lock that was taken before its owner wrote his pid names nobody; the file is for its owner's eyes."""
    path = tmp_path / "lock"
    with path.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LogLocked, match=r"\(pid unknown\)"):
            DirectoryLock(path)
    path.unlink()
    DirectoryLock(path).release()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_readers_and_writers_wait_a_tenth_of_a_second_for_each_other(tmp_path: Path) -> None:
    """Neither stands for the five seconds that a connection waits unasked."""
    path = new_log(tmp_path)
    for connection in (open_writer(path), open_reader(path / DATABASE)):
        with closing(connection):
            assert connection.execute("PRAGMA busy_timeout").fetchone() == (100,)


def test_a_failpoint_has_one_meaning() -> None:
    """The same line twice is once; another meaning under a known name is refused."""
    assert failpoints.register("test.small-laws", "one") == failpoints.register("test.small-laws", "one")
    with pytest.raises(ValueError, match=r"test\.small-laws is registered twice"):
        failpoints.register("test.small-laws", "another")


@pytest.mark.parametrize(("more", "stop"), [(0, 2), (1, 1)])
def test_the_openings_of_a_piece_may_fill_it_to_the_last_byte(more: int, stop: int) -> None:
    """Exactly as many as are signed at once are no byte too many."""
    assert piece_stop(0, [(1, 1), (1, SIGNED_EVERY_OPENING_BYTES - 1 + more)], 9, 9) == stop


def test_the_second_file_is_written_beside_itself(tmp_path: Path) -> None:
    """What a crash leaves before the rename has the name under which the next one replaces it."""
    state = State("a.example/gw/g/0", 0, 0, bytes(32), 1, None)
    with failpoints.armed("state.rename=error"), pytest.raises(OSError, match="state"):
        write_state(tmp_path / "state", state)
    assert [path.name for path in tmp_path.iterdir()] == ["state.new"]


def test_a_missing_file_hides_none_behind_it(tmp_path: Path) -> None:
    """A database without a write-ahead log, or the other way round: what is there is read from the disk."""
    (tmp_path / "there").write_bytes(b"x")
    with failpoints.armed("journal.drop=error"), pytest.raises(OSError, match=r"journal\.drop"):
        drop_cached(tmp_path / "missing", tmp_path / "there")


def test_a_file_of_some_chunks_is_read_to_its_end(tmp_path: Path) -> None:
    """Read once, each chunk, and no more."""
    with (tmp_path / DATABASE).open("wb") as file:
        file.truncate((2 << 20) + 1)
    read_through(tmp_path)


async def test_a_new_log_has_not_been_started(tmp_path: Path) -> None:
    """Its first start is number 1, which is what the second file counts."""
    path = new_log(tmp_path)
    for boots in (0, 1):
        with closing(open_reader(path / DATABASE)) as connection:
            assert rows.get_meta(connection, "boots") == boots
        async with opened(path):
            pass


async def test_a_receipt_is_known_after_a_start(tmp_path: Path) -> None:
    """P2: the position of the uploader comes from the log and not from a memory."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await append(log, 0, 3)
        await log.save_receipt(cosigned(log.checkpoint()))
    async with opened(path) as log:
        assert (log.size, log.receipted_size) == (3, 3)


async def test_an_older_copy_of_the_same_generation_is_refused(tmp_path: Path) -> None:
    """P3, G8: the second file knows more than the log that was put back."""
    path, state = new_log(tmp_path), tmp_path / "state"
    shutil.copytree(path, tmp_path / "older")
    async with opened(path, state) as log:
        await append(log, 0, 2)
    shutil.rmtree(path)
    (tmp_path / "older").rename(path)
    with pytest.raises(RolledBack, match="the second file knows size 2, the log holds 0"):
        async with opened(path, state):
            raise AssertionError


async def test_an_entry_that_goes_under_an_open_log_is_named(tmp_path: Path) -> None:
    """P5: what is read is what was signed, or the place where it is not; with the log that it is of."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await append(log, 0, 3)
        with closing(sqlite3.connect(path / DATABASE)) as connection:
            connection.execute("DELETE FROM entry WHERE idx = 1")
            connection.commit()
        with pytest.raises(Damaged, match="the entry is missing") as damaged:
            log.entries(0, 3)
        assert (damaged.value.origin, damaged.value.index) == (log.origin, 1)


async def test_many_small_commits_fold_the_write_ahead_log(tmp_path: Path) -> None:
    """G5: no single commit is large, but all of them are; the fold is met all the same."""
    path = new_log(tmp_path)
    with failpoints.armed("journal.fold=error"), pytest.raises(LogFailed) as failed:
        async with opened(path, wal_bytes=60_000) as log:
            await append(log, 0, 60)
    assert "journal.fold" in f"{failed.value} {failed.value.__cause__}"  # the append's own, or one before it


async def test_a_log_left_open_keeps_no_process_alive(tmp_path: Path) -> None:
    """Its writer ends with the process: whoever breaks off does not hang."""
    async with opened(new_log(tmp_path)):
        writers = [thread for thread in threading.enumerate() if thread.name.startswith("log-exam.example")]
        assert writers
        assert all(thread.daemon for thread in writers)


def test_a_log_of_a_later_version_is_left_to_it(tmp_path: Path) -> None:
    """Named with its folder, when both its files say so."""
    path, later = new_log(tmp_path), FORMAT_VERSION + 1
    document = json.loads((path / IDENTITY).read_bytes())
    document["format"] = f"kaofen.log/v{later}"
    (path / IDENTITY).write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")
    with (path / DATABASE).open("r+b") as file:
        file.seek(60)
        file.write(later.to_bytes(4, "big"))
    with pytest.raises(LogNewer, match=rf"{path} has format version {later}"):
        read_identity(path)


def test_a_torn_transaction_is_no_damage_though_others_were_before_it(tmp_path: Path) -> None:
    """G2: a power cut may keep the last frames of a transaction and lose its first; it was never acknowledged."""
    database = tmp_path / DATABASE
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        before = (tmp_path / f"{DATABASE}-wal").stat().st_size
        connection.execute("INSERT INTO t VALUES (zeroblob(30000))")
        wal = bytearray((tmp_path / f"{DATABASE}-wal").read_bytes())
        assert len(wal) > before + 5 * 4096
        copy = tmp_path / "torn-wal"
        copy.write_bytes(wal)
        assert wal_damage(copy) is None
        wal[before + 100] ^= 1
        copy.write_bytes(wal)
        assert wal_damage(copy) is None
