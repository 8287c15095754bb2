"""Room on the disk: new exams are refused before a score of a running one would be lost.

    free ≥ exams            everything
    exams > free ≥ floor    no new exam; running ones go on
    floor > free            the reserve file is given back, once; running exams go on from it
    floor > free again      entries are refused (LogFull), before anything of them is written

The reserve is made again when there is room for it. `floor` stays untouched by entries: the write-ahead log must
still be folded, and the process stopped in order.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.journal.errors import LogFull
from scorelog.journal.failpoints import failpoint, register
from scorelog.journal.limits import ROOM_ENTRY_BYTES, ROOM_EXAMS_BYTES, ROOM_FLOOR_BYTES, ROOM_RESERVE_BYTES
from scorelog.journal.store import Room

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESERVE_MAKE = register("journal.reserve", "the reserve file is allocated")
RESERVE_GIVE = register("journal.reserve-give", "the reserve file is given back because the disk is full")


def disk_room(path: Path) -> tuple[int, int]:
    """Free and total bytes of the disk under a path, as far as this process may use them."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


@dataclass(frozen=True, slots=True)
class RoomPolicy:
    """The thresholds, and how room is measured (a test injects its own disk)."""

    exams_bytes: int = ROOM_EXAMS_BYTES
    reserve_bytes: int = ROOM_RESERVE_BYTES
    floor_bytes: int = ROOM_FLOOR_BYTES
    measure: Callable[[Path], tuple[int, int]] = disk_room


class Reserve:
    """The reserve file of one log, and the answer to "is there room?". Files change in the writer's thread only."""

    def __init__(self, path: Path, policy: RoomPolicy) -> None:
        self._path = path
        self._policy = policy
        self._held = path.stat().st_size if path.exists() else 0

    def room(self) -> Room:
        """How it stands now; reads nothing but the disk's figures."""
        free, total = self._policy.measure(self._path.parent)
        missing = self._policy.reserve_bytes - self._held
        return Room(
            free_bytes=free,
            total_bytes=total,
            reserve_bytes=self._held,
            accepts_exams=free >= self._policy.exams_bytes + missing,
            accepts_entries=free + self._held >= self._policy.floor_bytes + ROOM_ENTRY_BYTES,
        )

    def make_room(self, need: int) -> None:
        """Before a transaction of about `need` bytes: give the reserve back if that helps, else refuse."""
        wanted = need + self._policy.floor_bytes
        if self._free() >= wanted:
            return
        self._give()
        free = self._free()
        if free < wanted:
            raise LogFull(f"{free} bytes free on the disk of {self._path.parent}, {wanted} needed; nothing was written")

    def restore(self) -> None:
        """Make the reserve again when room has come back. A disk that cannot hold it says so through `room`."""
        missing = self._policy.reserve_bytes - self._held
        if missing <= 0 or self._free() < missing + self._policy.exams_bytes:
            return
        try:
            with failpoint(RESERVE_MAKE):
                self._allocate()
        except OSError:
            self._give()  # a reserve that is not whole promises what it cannot keep; the next group tries again

    def _allocate(self) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._policy.reserve_bytes)
            os.fsync(fd)
        finally:
            os.close(fd)
        self._held = self._policy.reserve_bytes

    def _give(self) -> None:
        with failpoint(RESERVE_GIVE):
            self._path.unlink(missing_ok=True)
        self._held = 0

    def _free(self) -> int:
        return self._policy.measure(self._path.parent)[0]
