"""G6, G10, G13: a log that came to its place in another way than by its own program."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_clock import FakeClock
from log_entries import plain
from log_harness import ORIGIN_BASE, new_log, opened, signer_for

from scorelog.format.note import Ed25519Signer
from scorelog.journal.errors import Damaged, LogNewer, RolledBack
from scorelog.journal.fsck import fsck
from scorelog.journal.schema import DATABASE, FORMAT_VERSION, IDENTITY, LOCK, WAL
from scorelog.journal.sqlite import create_log, open_log

if TYPE_CHECKING:
    from pathlib import Path

    from scorelog.journal.log import SqliteLog

ENTRIES = 5


def start(path: Path) -> SqliteLog:
    return open_log(path, signer_for, FakeClock(), path.with_name("state"))


async def left_running(tmp_path: Path) -> Path:
    """A log as its killed process left it: all that is new in the write-ahead log."""
    path = new_log(tmp_path / "first")
    async with opened(path, path.with_name("state")) as log:
        for number in range(ENTRIES):
            await log.append(plain(f"entry {number}").build)
        shutil.copytree(path.parent, tmp_path / "left", ignore=shutil.ignore_patterns("*-shm"))
    shutil.copy(path.with_name("state"), tmp_path / "left" / "state")
    return tmp_path / "left" / "log"


def state_version(path: Path, version: int, *files: str) -> None:
    """As a program of that version would have made it, in these files."""
    if IDENTITY in files:
        file = path / IDENTITY
        file.write_bytes(file.read_bytes().replace(b"kaofen.log/v1", b"kaofen.log/v%d" % version))
    if DATABASE in files:
        with closing(sqlite3.connect(path / DATABASE)) as connection:
            connection.execute(f"PRAGMA user_version={version}")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


async def test_a_log_of_a_later_version_is_refused_and_whole(tmp_path: Path) -> None:
    """G13, P3: a downgrade never gives a generation up: refused in words, and the later version goes on."""
    path = await left_running(tmp_path)
    state_version(path, FORMAT_VERSION + 1, IDENTITY, DATABASE)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    for look in (lambda: start(path), lambda: fsck(path)):
        with pytest.raises(LogNewer, match=r"version 2, this program knows 1.*install that version again"):
            look()
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    state_version(path, FORMAT_VERSION, DATABASE)
    (path / IDENTITY).write_bytes((path / IDENTITY).read_bytes().replace(b"log/v2", b"log/v1"))
    log = start(path)
    assert log.size == ENTRIES
    await log.close()


@pytest.mark.parametrize("file", [IDENTITY, DATABASE])
async def test_a_version_that_one_file_alone_states_is_damage(tmp_path: Path, file: str) -> None:
    """G13, G6: a flipped bit is no later version."""
    path = await left_running(tmp_path)
    state_version(path, FORMAT_VERSION + 2, file)
    with pytest.raises(Damaged):
        start(path)


async def test_a_copied_lock_locks_nothing(tmp_path: Path) -> None:
    """G10: the number in a lock file, copied or of a process that is another by now, keeps nobody out."""
    path = await left_running(tmp_path)
    (path / LOCK).write_text(f"{os.getppid()}\n")
    log = start(path)
    assert log.size == ENTRIES
    await log.close()


async def test_a_lost_write_ahead_log_is_a_roll_back(tmp_path: Path) -> None:
    """G6, P3: without it the log is whole and older; the second file knows better."""
    path = await left_running(tmp_path)
    assert (path / WAL).stat().st_size > 0
    (path / WAL).unlink()
    with pytest.raises(RolledBack, match=f"knows size {ENTRIES}, the log holds 0"):
        start(path)


async def test_a_write_ahead_log_of_another_log_is_never_taken(tmp_path: Path) -> None:
    """G6, P3: of two logs whose files were swapped neither gives out the other's entries as its own."""
    path = await left_running(tmp_path)
    other = Ed25519PrivateKey.generate()
    create_log(tmp_path / "other", f"{ORIGIN_BASE}-2", lambda origin: Ed25519Signer(origin, other))
    shutil.copy(tmp_path / "other" / DATABASE, path / DATABASE)
    with pytest.raises((Damaged, RolledBack)):
        start(path)
