"""P1 on real file systems that fail: a device that answers EIO for a while, and a disk that runs full."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from failing_disk import Disk, failing_disk, small_disk
from fake_clock import FakeClock
from log_entries import content_of, key_of, plain, scored
from log_harness import new_log, opened, signer_for

from scorelog.format.tree import leaf_hash
from scorelog.journal.errors import LogFailed, LogFull
from scorelog.journal.fsck import fsck
from scorelog.journal.room import RoomPolicy
from scorelog.journal.sqlite import SqliteLog, open_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

ROOM = RoomPolicy(exams_bytes=0, reserve_bytes=1 << 20, floor_bytes=1 << 20)
SMALL_ROOM = RoomPolicy(exams_bytes=3 << 20, reserve_bytes=1 << 20, floor_bytes=512 << 10)
SMALL_WAL = 128 << 10
FAILURES = 8


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with failing_disk(tmp_path) as disk:
        yield disk


def start(disk: Disk, path: Path) -> SqliteLog:
    """As the supervisor of a box does: start again; when the file system has given up, mount it again."""
    try:
        return open_log(path, signer_for, FakeClock(), path.with_name("state"), room=ROOM, wal_bytes=256 << 10)
    except LogFailed:
        disk.remount()
        return open_log(path, signer_for, FakeClock(), path.with_name("state"), room=ROOM, wal_bytes=256 << 10)


async def append_until_it_fails(log: SqliteLog, disk: Disk, first: int, acknowledged: dict[int, bytes]) -> int:
    """Append; after some acknowledgements the device begins to refuse. Returns the record that was not acknowledged."""
    for seq in range(first, first + 10_000):
        if seq == first + 20:
            disk.refuse()
        request = scored(key_of(seq), note="x" * 300)
        try:
            answer = await log.append(request.build, request.key, request.content)
        except LogFailed:
            return seq
        acknowledged[answer.index] = answer.leaf
    raise AssertionError("the device refused and the log did not notice")


def assert_there(log: SqliteLog, acknowledged: dict[int, bytes]) -> None:
    leaves = [leaf_hash(entry) for entry in log.entries(0, log.size)]
    lost = [index for index, leaf in acknowledged.items() if index >= len(leaves) or leaves[index] != leaf]
    assert not lost, f"acknowledged entries {lost} are gone"


@pytest.mark.timeout(180)
async def test_a_failing_device_acknowledges_nothing_that_is_gone(tmp_path: Path, disk: Disk) -> None:
    """P1: EIO under the log, a plain restart, the retried record, then the truth: the disk mounted again."""
    path = new_log(disk.mount)
    acknowledged: dict[int, bytes] = {}
    seq = 0
    for _ in range(FAILURES):
        log = start(disk, path)
        seq = await append_until_it_fails(log, disk, seq, acknowledged)
        disk.accept()
        with contextlib.suppress(LogFailed):
            await log.close()
        log = start(disk, path)  # without a remount, the page cache may still show what the disk never got
        assert_there(log, acknowledged)
        retried = await log.append(scored(key_of(seq), note="x" * 300).build, key_of(seq), content_of("first reading"))
        acknowledged[retried.index] = retried.leaf
        await log.close()
        disk.remount()
        log = start(disk, path)
        assert_there(log, acknowledged)
        await log.close()
        seq += 1
    assert fsck(path, state_path=path.with_name("state")).findings == []


@pytest.mark.timeout(180)
async def test_what_was_acknowledged_survives_a_power_cut(tmp_path: Path, disk: Disk) -> None:
    """P1: acknowledged means on the device, and not only in its file system's memory."""
    path = new_log(disk.mount)
    acknowledged: dict[int, bytes] = {}
    for life in range(FAILURES):
        log = start(disk, path)
        assert_there(log, acknowledged)
        for n in range(25):
            answer = await log.append(plain(f"life {life}, entry {n}").build)
            acknowledged[answer.index] = answer.leaf
        disk.refuse()
        with contextlib.suppress(LogFailed):
            await log.close()
        disk.cut_power()
    log = start(disk, path)
    assert_there(log, acknowledged)
    await log.close()


@pytest.mark.timeout(120)
async def test_a_full_disk_refuses_exams_first_and_loses_nothing(tmp_path: Path) -> None:
    """New exams are refused, running ones go on from the reserve, then entries are refused; and it all comes back."""
    with small_disk(tmp_path) as disk:
        path = new_log(disk.mount)
        acknowledged: dict[int, bytes] = {}
        steps: list[str] = []
        async with opened(path, disk.mount / "state", room=SMALL_ROOM, wal_bytes=SMALL_WAL) as log:
            ballast = disk.mount / "ballast"
            ballast.write_bytes(bytes(1 << 20))
            for n in range(10_000):
                room = log.room()
                steps.append(f"exams={room.accepts_exams} reserve={room.reserve_bytes > 0}")
                try:
                    answer = await log.append(plain(f"{n} " + "x" * 2000).build)
                except LogFull:
                    break
                acknowledged[answer.index] = answer.leaf
            assert log.failed is None
            assert list(dict.fromkeys(steps)) == [
                "exams=True reserve=True",
                "exams=False reserve=True",
                "exams=False reserve=False",
            ]
            assert steps.count("exams=False reserve=True") > 100
            assert steps.count("exams=False reserve=False") > 100
            with pytest.raises(LogFull):
                await log.append(plain("still full " + "x" * 2100).build)
            ballast.unlink()
            answer = await log.append(plain("room again").build)
            acknowledged[answer.index] = answer.leaf
            assert_there(log, acknowledged)
        disk.remount()
        async with opened(path, disk.mount / "state", room=SMALL_ROOM, wal_bytes=SMALL_WAL) as log:
            assert_there(log, acknowledged)
            assert len(acknowledged) == log.size
        assert fsck(path).findings == []


@pytest.mark.timeout(120)
async def test_a_disk_that_others_fill_to_the_last_byte(tmp_path: Path) -> None:
    """Somebody else takes even the floor: never acknowledged and lost; it opens when there is room."""
    with small_disk(tmp_path) as disk:
        path = new_log(disk.mount)
        acknowledged: dict[int, bytes] = {}
        blind = RoomPolicy(exams_bytes=0, reserve_bytes=0, floor_bytes=0, measure=lambda _: (1 << 40, 1 << 40))
        log = open_log(path, signer_for, FakeClock(), room=blind, wal_bytes=SMALL_WAL)
        ballast = disk.mount / "ballast"
        ballast.write_bytes(bytes(3 << 20))
        with contextlib.suppress(LogFailed):
            for n in range(10_000):
                answer = await log.append(plain(f"{n} " + "x" * 2000).build)
                acknowledged[answer.index] = answer.leaf
        assert isinstance(log.failed, LogFailed)
        with contextlib.suppress(LogFailed):
            await log.close()
        assert len(acknowledged) > 100
        ballast.unlink()
        disk.remount()
        async with opened(path, room=SMALL_ROOM) as log:
            assert_there(log, acknowledged)
        assert fsck(path).findings == []
