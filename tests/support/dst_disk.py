"""Disks of simulated machines: folders in memory, and what is on them after a crash or a power cut.

SQLite syncs inside two statements only: COMMIT (the write-ahead log) and a fold of that log into the database. Between
them everything that was written is durable, so a crash leaves the files as they stand. A power cut *inside* such a
statement leaves any part of its sectors: `torn` mixes the file before and after it, sector by sector, by the seed.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

SECTOR = 512
_LEFT_BEHIND = ("-shm", ".readers", "run.json")
_LINKED = "reserve"  # 32 MiB of nothing


def copied(source: Path, target: Path) -> None:
    """What is on the disk at this instant, as another folder."""
    target.mkdir()
    for entry in sorted(os.scandir(source), key=lambda one: one.name):
        here = target / entry.name
        if entry.is_dir():
            copied(source / entry.name, here)
        elif entry.name == _LINKED:
            os.link(entry.path, here)
        elif not entry.name.endswith(_LEFT_BEHIND):
            shutil.copyfile(entry.path, here)
            os.chmod(here, entry.stat().st_mode & 0o777)  # noqa: PTH101  # keys are refused with any other mode


class Platter:
    """A database with its write-ahead log, before one statement that syncs."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._files = {end: _bytes(database, end) for end in ("", "-wal")}

    def tear(self, image: Path, rng: Random) -> None:
        """In the copied image of after the statement, undo a part of what it wrote."""
        after = {end: _bytes(image, end) for end in self._files}
        if after[""] != self._files[""] and rng.random() < 0.7:
            # A fold: the log was whole on the disk before the first page of the database was written.
            if len(after["-wal"]) < len(self._files["-wal"]):
                after["-wal"] = self._files["-wal"]
                image.with_name(image.name + "-wal").write_bytes(after["-wal"])
            image.write_bytes(_mixed(self._files[""], after[""], rng))
        elif after[""] == self._files[""]:
            torn = _mixed(self._files["-wal"], after["-wal"], rng)
            image.with_name(image.name + "-wal").write_bytes(torn)


def _bytes(path: Path, end: str) -> bytes:
    file = path.with_name(path.name + end)
    return file.read_bytes() if file.exists() else b""


def _mixed(before: bytes, after: bytes, rng: Random) -> bytes:
    """Some sectors reached the disk, some did not; the file may have grown or not."""
    size = len(after) if len(after) <= len(before) else rng.randint(len(before), len(after))
    made, kept = bytearray(), rng.random()
    for at in range(0, size, SECTOR):
        old, new = before[at : at + SECTOR], after[at : min(at + SECTOR, size)]
        made += new if rng.random() < kept else old.ljust(len(new), b"\0")[: len(new)]
    return bytes(made)


def flip(path: Path, rng: Random, *, from_end: int = 0) -> None:
    """One wrong bit somewhere in the file (in its last bytes, if said)."""
    content = bytearray(path.read_bytes())
    if content:
        least = max(0, len(content) - from_end) if from_end else 0
        content[rng.randrange(least, len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
