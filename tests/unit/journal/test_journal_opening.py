"""What a start refuses, finds and repairs; and that a failure is final."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_clock import FakeClock
from log_entries import key_of, plain, scored
from log_harness import ORIGIN_BASE, cosigned, new_log, opened, signer_for

from scorelog.format.note import Ed25519Signer
from scorelog.journal import failpoints
from scorelog.journal.errors import Damaged, LogExists, LogFailed, LogLocked, LogMissing, LogRefused, RolledBack
from scorelog.journal.fsck import fsck
from scorelog.journal.schema import DATABASE, WAL
from scorelog.journal.sqlite import create_log, open_log
from scorelog.journal.statefile import read_state
from scorelog.journal.walcheck import wal_damage

if TYPE_CHECKING:
    from pathlib import Path

    from scorelog.journal.log import SqliteLog


def open_again(path: Path, state: Path | None = None) -> SqliteLog:
    return open_log(path, signer_for, FakeClock(), state)


async def filled(tmp_path: Path, count: int = 30) -> Path:
    path = new_log(tmp_path)
    async with opened(path, tmp_path / "state") as log:
        for n in range(count):
            request = scored(key_of(n))
            await log.append(request.build, request.key, request.content)
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        connection.execute(statement)
        connection.commit()


def test_opening_never_makes_a_log(tmp_path: Path) -> None:
    """A fresh empty log is a fork, so a missing one is a refusal that says what to do."""
    with pytest.raises(LogMissing, match="init"):
        open_again(tmp_path / "log")
    (tmp_path / "log").mkdir()
    with pytest.raises(LogMissing):
        open_again(tmp_path / "log")
    assert list((tmp_path / "log").iterdir()) == []


async def test_making_never_hides_a_log(tmp_path: Path) -> None:
    """Not over a log, not over anything else, and not beside a quarantined generation."""
    path = await filled(tmp_path)
    with pytest.raises(LogExists):
        create_log(path, ORIGIN_BASE, signer_for)
    path.rename(tmp_path / "log.quarantined-0")
    with pytest.raises(LogExists, match="generation"):
        create_log(path, ORIGIN_BASE, signer_for)
    file = tmp_path / "file"
    file.write_text("not a log")
    with pytest.raises(LogExists):
        create_log(file, ORIGIN_BASE, signer_for)


async def test_a_second_opening_is_refused(tmp_path: Path) -> None:
    """One writer per log: the second is told who has it, in this process and in another."""
    path = await filled(tmp_path)
    async with opened(path) as log:
        with pytest.raises(LogLocked, match=r"open in another process \(pid \d+\)"):
            open_again(path)
        code = (
            "import pathlib, sys\nfrom log_harness import signer_for\nfrom fake_clock import FakeClock\n"
            "from scorelog.journal.errors import LogLocked\nfrom scorelog.journal.sqlite import open_log\n"
            "try:\n open_log(pathlib.Path(sys.argv[1]), signer_for, FakeClock())\nexcept LogLocked: sys.exit(7)\n"
        )
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", code, str(path)],
            env={"PYTHONPATH": ":".join(sys.path)},
            timeout=50,
            check=False,
        )
        assert done.returncode == 7
        await log.append(plain("unharmed").build)
    async with opened(path) as log:
        assert log.size == 31


async def test_another_key_is_refused(tmp_path: Path) -> None:
    """Another key would sign a second tree under the same name."""
    path = await filled(tmp_path)
    with pytest.raises(LogRefused, match="belongs to"):
        open_log(path, lambda origin: Ed25519Signer(origin, Ed25519PrivateKey.generate()), FakeClock())


async def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    """Size, root, receipts, keys and the count of starts survive; an orderly stop is known as such."""
    path = await filled(tmp_path)
    async with opened(path, tmp_path / "state") as log:
        assert (log.size, log.clean, log.boots) == (30, True, 2)
        note = log.checkpoint()
        await log.save_receipt(cosigned(note))
        again = scored(key_of(7))
        assert (await log.append(again.build, again.key, again.content)).index == 7
    async with opened(path, tmp_path / "state") as log:
        assert (log.checkpoint(), log.receipted_size, log.boots) == (note, 30, 3)


async def test_a_stop_that_was_not_orderly_is_known(tmp_path: Path) -> None:
    """A copy of the files of a running log is what a crash leaves."""
    path = await filled(tmp_path)
    async with opened(path) as log:
        await log.append(plain("one").build)
        shutil.copytree(path, tmp_path / "crashed")
    async with opened(tmp_path / "crashed") as log:
        assert (log.clean, log.size) == (False, 31)


@pytest.mark.parametrize(
    ("statement", "index", "reason"),
    [
        ("UPDATE entry SET bytes = x'00' WHERE idx = 17", 17, "does not hash"),
        ("DELETE FROM entry WHERE idx = 17", 17, "missing"),
        ("DELETE FROM entry WHERE idx = 29", 29, "29 entries are stored"),
        ("INSERT INTO entry SELECT 30, leaf, bytes FROM entry WHERE idx = 0", 30, "31 entries are stored"),
        ("DELETE FROM checkpoint", None, "no checkpoint"),
        ("UPDATE checkpoint SET note = substr(note, 1, 120) WHERE size = 30", None, "checkpoint of size 30"),
        ("DELETE FROM entry_key WHERE seq = 12", 12, "key table"),
        ("UPDATE meta SET value = 'x/0' WHERE name = 'origin'", None, "says it is"),
        ("UPDATE meta SET value = 'x' WHERE name = 'boots'", None, "boot counter"),
        ("PRAGMA user_version = 2", None, "version 2"),
        ("PRAGMA application_id = 2", None, "application id"),
        ("INSERT INTO receipt VALUES (31, x'00')", None, "receipt of size 31"),
        ("DROP TABLE entry", None, "cannot be read"),
    ],
)
async def test_a_damaged_tail_is_found_at_start(tmp_path: Path, statement: str, index: int | None, reason: str) -> None:
    """Damaged carries origin, index and reason; the lock is free again."""
    path = await filled(tmp_path)
    change(path, statement)
    for _ in range(2):
        with pytest.raises(Damaged, match=reason) as caught:
            open_again(path)
        assert (caught.value.origin, caught.value.index) == (f"{ORIGIN_BASE}/0", index)


async def test_a_database_that_is_none_is_damage(tmp_path: Path) -> None:
    """Noise instead of a database, an empty file, no file, a lost identity."""
    path = await filled(tmp_path)
    (path / "identity.json").write_bytes(b"?")
    with pytest.raises(Damaged, match="identity"):
        open_again(path)
    (path / "identity.json").unlink()
    with pytest.raises(Damaged, match="identity"):
        open_again(path)


@pytest.mark.parametrize("content", [b"", b"noise" * 2000, None])
async def test_a_lost_database_is_damage(tmp_path: Path, content: bytes | None) -> None:
    """The identity file still says which log it was."""
    path = await filled(tmp_path)
    (path / DATABASE).unlink()
    if content is not None:
        (path / DATABASE).write_bytes(content)
    with pytest.raises(Damaged):
        open_again(path)


async def test_an_older_copy_of_the_log_is_a_roll_back(tmp_path: Path) -> None:
    """P3: smaller, or of the same size but started less often, or with another root than the second file knows."""
    path = await filled(tmp_path)
    shutil.copytree(path, tmp_path / "old")
    async with opened(path, tmp_path / "state") as log:
        await log.append(plain("later").build)
    with pytest.raises(RolledBack, match="knows size 31, the log holds 30"):
        open_again(tmp_path / "old", tmp_path / "state")
    async with opened(tmp_path / "old") as log:
        await log.append(plain("another one").build)
    with pytest.raises(RolledBack, match="another root"):
        open_again(tmp_path / "old", tmp_path / "state")


async def test_an_equal_but_older_copy_is_a_roll_back(tmp_path: Path) -> None:
    """The count of starts tells it."""
    path = await filled(tmp_path)
    shutil.copytree(path, tmp_path / "old")
    async with opened(path, tmp_path / "state"):
        pass
    with pytest.raises(RolledBack, match="start number 2"):
        open_again(tmp_path / "old", tmp_path / "state")


async def test_a_lost_or_torn_second_file_is_made_again(tmp_path: Path) -> None:
    """Without it the log is all there is; scores go on, and the file is there again after the start."""
    path = await filled(tmp_path)
    (tmp_path / "state").write_bytes(b"torn")
    async with opened(path, tmp_path / "state") as log:
        assert log.size == 30
    state = read_state(tmp_path / "state")
    assert state is not None
    assert (state.size, state.boots) == (30, 2)


async def test_the_second_file_follows_and_never_leads(tmp_path: Path) -> None:
    """After an orderly stop it knows all: size, root and receipt."""
    path = await filled(tmp_path)
    async with opened(path, tmp_path / "state") as log:
        note = cosigned(log.checkpoint())
        await log.save_receipt(note)
        await log.append(plain("one").build)
        known = read_state(tmp_path / "state")
        assert known is not None
        assert known.size <= log.size
    known = read_state(tmp_path / "state")
    assert known is not None
    assert (known.size, known.receipt, known.generation) == (31, note, 0)


@pytest.mark.parametrize(("name", "persisted"), [("rows", False), ("sign", False), ("commit", False), ("commit", True)])
async def test_a_failed_write_is_final(tmp_path: Path, name: str, persisted: bool) -> None:
    """No acknowledgement, no retry: everyone who waits and everyone who comes later is told; reading goes on."""
    path = await filled(tmp_path)
    log = open_again(path)
    before = log.checkpoint()
    waiter = asyncio.create_task(log.wait_grown(log.size))
    await asyncio.sleep(0)
    with failpoints.armed(f"journal.{name}={'error-after' if persisted else 'error'}"):
        answers = await asyncio.gather(*(log.append(plain(f"{n}").build) for n in range(700)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {LogFailed}
    with pytest.raises(LogFailed):
        await log.append(plain("later").build)
    with pytest.raises(LogFailed):
        await log.save_receipt(cosigned(before))
    with pytest.raises(LogFailed):
        await asyncio.wait_for(waiter, 5)
    assert (log.checkpoint(), log.size, len(log.entries(0, 30))) == (before, 30, 30)
    assert isinstance(log.failed, LogFailed)
    await log.close()
    async with opened(path) as again:
        assert (again.size > 30) is persisted
        assert fsck(path).ok


async def test_a_real_sqlite_error_is_final_too(tmp_path: Path) -> None:
    """Not only the planted ones."""
    path = await filled(tmp_path)
    log = open_again(path)
    log._writing.connection.execute("DROP TABLE opening")
    with pytest.raises(LogFailed, match="no such table"):
        await log.append(plain("one").build)
    await log.close()


async def crashed_copy(tmp_path: Path) -> Path:
    """A log with some transactions in its write-ahead log, as a power cut leaves it."""
    path = await filled(tmp_path)
    async with opened(path) as log:
        for n in range(6):
            await log.append(plain(f"event {n}").build)
        shutil.copytree(path, tmp_path / "crashed")
    return tmp_path / "crashed"


async def test_a_torn_end_of_the_write_ahead_log_is_no_damage(tmp_path: Path) -> None:
    """The transaction that was being written at a power cut was never acknowledged."""
    path = await crashed_copy(tmp_path)
    whole = (path / WAL).read_bytes()
    assert wal_damage(path / WAL) is None
    for cut in (1, 100, 5000):
        (path / WAL).write_bytes(whole[:-cut])
        assert wal_damage(path / WAL) is None
    (path / WAL).write_bytes(whole[:-4000] + bytes(4000))
    assert wal_damage(path / WAL) is None
    async with opened(path) as log:
        assert log.size == 35
        assert fsck(path).ok


async def test_damage_inside_the_write_ahead_log_is_named(tmp_path: Path) -> None:
    """SQLite would forget synced transactions without a word; here it is Damaged, and a finding."""
    path = await crashed_copy(tmp_path)
    whole = bytearray((path / WAL).read_bytes())
    for offset in (10, 40, 3000, len(whole) // 3, len(whole) // 2):
        broken = bytearray(whole)
        broken[offset] ^= 4
        (path / WAL).write_bytes(broken)
        assert wal_damage(path / WAL) is not None
        with pytest.raises(Damaged, match="write-ahead"):
            open_again(path)
        assert "write-ahead" in {one.kind for one in fsck(path).findings}


async def test_a_broken_entry_in_the_middle_is_not_handed_out(tmp_path: Path) -> None:
    """P5: what lies before the tail that a start verifies is verified when it is read."""
    path = await filled(tmp_path)
    async with opened(path) as log:
        change(path, "UPDATE entry SET bytes = x'00' WHERE idx = 3")
        with pytest.raises(Damaged) as caught:
            await log.piece(0)
        assert caught.value.index == 3
