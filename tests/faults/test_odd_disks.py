"""G5, S3: real file systems that take nothing more: remounted read-only, out of inodes, full under a server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from failing_disk import Disk, run, small_disk
from fake_clock import FakeClock
from log_entries import plain
from log_harness import new_log, opened, signer_for
from sample_uploads import SampleLog
from server_bench import bench, make_sqlite_store

from scorelog.journal.errors import LogFailed
from scorelog.journal.fsck import fsck
from scorelog.journal.room import RoomPolicy
from scorelog.journal.sqlite import open_log
from server.errors import StoreFailed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

ROOM = RoomPolicy(exams_bytes=0, reserve_bytes=1 << 20, floor_bytes=64 << 10)


def remount(disk: Disk, mode: str) -> None:
    """Read-only, as the kernel does after an error, or writable again."""
    run("mount", "-o", f"remount,{mode}", str(disk.mount))


async def test_a_disk_that_became_read_only(tmp_path: Path) -> None:
    """G5, P3: a start on it is refused in words and is no damage; a check still reads it; writable again it goes on."""
    with small_disk(tmp_path) as disk:
        path = new_log(disk.mount)
        log = open_log(path, signer_for, FakeClock(), disk.mount / "state", room=ROOM)
        for number in range(5):
            await log.append(plain(f"entry {number}").build)
        run("sync", "-f", str(disk.mount))
        with contextlib.suppress(LogFailed):
            await log.close()
        remount(disk, "ro")
        with pytest.raises(LogFailed, match="ead-only"):
            open_log(path, signer_for, FakeClock(), disk.mount / "state", room=ROOM)
        assert fsck(path, state_path=disk.mount / "state").findings == []
        remount(disk, "rw")
        async with opened(path, disk.mount / "state", room=ROOM) as again:
            assert again.size == 5
            assert (await again.append(plain("goes on").build)).index == 5


async def test_a_disk_without_inodes(tmp_path: Path) -> None:
    """G5, P1: no new file can be made: scores go on being durable, and the second file says that it is behind."""
    with small_disk(tmp_path) as disk:
        path = new_log(disk.mount)
        async with opened(path, disk.mount / "state", room=ROOM) as log:
            (disk.mount / "many").mkdir()
            with contextlib.suppress(OSError):
                for number in range(100_000):
                    (disk.mount / "many" / f"{number}").touch()
            with pytest.raises(OSError, match="No space left"):
                (disk.mount / "one more").touch()
            (disk.mount / "state").unlink(missing_ok=True)
            for number in range(5):
                await log.append(plain(f"entry {number}").build)
            assert log.failed is None
        disk.remount()
        async with opened(path, disk.mount / "state", room=ROOM) as log:
            assert log.size == 5
        assert fsck(path).findings == []


async def test_a_full_disk_under_a_server(tmp_path: Path) -> None:
    """S3, P2: an upload that does not fit gets no receipt and ends the server; with room again nothing is missing."""
    # Blocks of a page: in smaller ones a page of SQLite's mapped index may have no room of its own (SIGBUS).
    with small_disk(tmp_path, 16 << 20, "-b", "4096") as disk:
        home, sent, receipted = disk.mount / "server", SampleLog(), 0
        home.mkdir()
        ballast = disk.mount / "ballast"
        async with bench(make_sqlite_store(home), FakeClock()) as server:
            await server.enrol(sent)
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(64 << 10)):
                    pass
            failed = None
            while failed is None and receipted < 10_000:
                sent.grow(20, pad=500)
                try:
                    await server.send(sent, receipted)
                except StoreFailed as error:
                    failed = error
                else:
                    receipted = sent.size
            assert "full" in str(failed)
        ballast.unlink()
        disk.remount()
        async with bench(make_sqlite_store(home), FakeClock()) as server:
            held = [one.data for one in await server.store.entries(sent.origin, 0, 1 << 30)]
            assert len(held) >= receipted
            assert held == sent.entries[: len(held)]
            await server.send(sent, len(held))
            assert len(await server.store.entries(sent.origin, 0, 1 << 30)) == sent.size
