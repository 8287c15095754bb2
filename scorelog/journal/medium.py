"""Whether the disk answers: a read that fails (EIO) is no damage, and only bytes really read can contradict a log.

SQLite says "malformed" for both: it makes SQLITE_CORRUPT of every EIO that it meets inside a statement. So its word
alone (`Suspected`) is confirmed here before a log is put aside: every byte of the files is read by our own calls,
which name the disk's error, and then the same work is done once more over what is now in memory.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeVar

from scorelog.journal.errors import LogFailed, Suspected
from scorelog.journal.schema import DATABASE, WAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

ADVICE: Final = (
    "this is the disk and not the log: nothing was changed or put aside. Start again; if it stays, save a copy of the "
    "whole data folder, then put it on another disk"
)
_CHUNK: Final = 1 << 20


def read_through(directory: Path) -> None:
    """Read every byte of a log's database and write-ahead log; LogFailed when the disk does not give one."""
    for path in (directory / DATABASE, directory / WAL):
        try:
            _read_file(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LogFailed(f"{path} cannot be read: {error.strerror or error}; {ADVICE}") from error


def confirmed(directory: Path, work: Callable[[], T]) -> T:
    """Do work that reads a log. What SQLite calls damage stays that only when the disk gives every byte, twice."""
    try:
        return work()
    except Suspected as suspected:
        read_through(directory)
        work()
        raise LogFailed(
            f"{directory}: a read failed and the next did not ({suspected.reason}); {ADVICE}"
        ) from suspected


def _read_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        offset = 0
        while length := len(os.pread(fd, _CHUNK, offset)):
            offset += length
    finally:
        os.close(fd)
