"""Yardsticks of the disk: what the bare machine does in this run. Those of one benchmark alone stand beside it."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final

from kit.cpu import repeated

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from kit.figures import Figure, Report

ROUND_S: Final = 2.0
RECORD: Final = b"x" * 512


def _written(file: FileIO) -> int:
    file.write(RECORD)
    return file.fileno()


def raw_disk(report: Report, folder: Path) -> Figure:
    """A bare growing file: append 512 bytes, fdatasync."""
    with (folder / "raw").open("ab", buffering=0) as file:
        done, span = repeated(lambda: os.fdatasync(_written(file)), ROUND_S)
    return report.add("raw file, append + fdatasync", span.rate(done), "/s", cpu_us=span.cpu_us(done))


def bare_sqlite(report: Report, folder: Path, disk: Figure) -> Figure:
    """Bare SQLite, WAL, FULL: one row of 512 bytes a commit."""
    base = sqlite3.connect(folder / "bare.db", isolation_level=None)
    base.execute("pragma journal_mode = wal")
    base.execute("pragma synchronous = full")
    base.execute("create table t(b blob)")
    done, span = repeated(lambda: base.execute("insert into t values (?)", (RECORD,)), ROUND_S)
    base.close()
    return report.add("bare SQLite, WAL, FULL, 1 row", span.rate(done), "/s", cpu_us=span.cpu_us(done), yardstick=disk)
