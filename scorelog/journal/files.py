"""File work around a log: the lock, dropping cached pages, durable renames and small files.

Every step that reaches the disk is a failpoint. Nothing here knows what is in the files.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from scorelog.journal.errors import LogLocked
from scorelog.journal.failpoints import failpoint, register

if TYPE_CHECKING:
    from pathlib import Path

DROP: Final = register("journal.drop", "before the cached pages of database and write-ahead log are dropped at start")
RENAME: Final = register("journal.rename", "the rename by which a log appears or is quarantined")
RENAME_SYNC: Final = register("journal.rename-sync", "the fsync of the directory after such a rename")


class DirectoryLock:
    """One process per log: an flock on a file in its directory. It follows the directory when that is renamed."""

    __slots__ = ("_fd",)

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise LogLocked(f"{path.parent} is open in another process (pid {owner}); one log has one writer") from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)  # for the operator's eyes only; the lock is what counts

    def release(self) -> None:
        """Give the log free. Calling it twice is no error."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def drop_cached(*paths: Path) -> None:
    """Make sure that what is read from now on comes from the disk.

    After a failed fsync the kernel keeps the lost page in memory and calls it clean, so a plain restart reads it back
    and would acknowledge it. Pages that were never synced are written first, so that nothing stays only in memory.
    """
    for path in paths:
        if not path.exists():
            continue
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with failpoint(DROP):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.fdatasync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Make one file's bytes durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_synced(path: Path, content: bytes, mode: int = 0o600) -> None:
    """A new file whose bytes are on the disk; its name is not yet."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_synced(path: Path, content: bytes, *, private: bool = False) -> None:
    """Replace a file so that after any crash either the old or the new content is there."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)  # one that a crash left may have another mode
    write_synced(fresh, content, 0o600 if private else 0o666)
    fresh.replace(path)
    sync_directory(path.parent)


def rename_synced(old: Path, new: Path) -> None:
    """A rename that has happened for good when this returns."""
    with failpoint(RENAME):
        old.rename(new)
    with failpoint(RENAME_SYNC):
        sync_directory(new.parent)
