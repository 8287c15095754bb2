"""What processes hold while they run: memory, descriptors, threads, files; sampled into a CSV and read back from it."""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kit.cpu import cpu_s, descriptors, rss_mb

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process. `life` counts its starts; `records` is what all rigs had latched by then."""

    at_s: float
    process: str
    life: int
    rss_mb: float
    descriptors: int
    threads: int
    cpu_s: float
    wal_mb: float
    database_mb: float
    records: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A process and the folder of its databases, if it has any."""

    pid: int
    life: int
    folder: Path | None = None


class Samples:
    """Looks at processes and keeps what it saw, one line each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begun = time.monotonic()
        self._file = path.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)
        self._rows.writerow([one.name for one in fields(Sample)])

    def take(self, watched: Mapping[str, Watched], records: int) -> None:
        """One look at all; a process that is away just now is left out."""
        at_s = round(time.monotonic() - self._begun, 2)
        for name, one in watched.items():
            with suppress(OSError):
                wal, whole = _sizes(one.folder)
                held = (round(rss_mb(one.pid), 3), descriptors(one.pid), _threads(one.pid), cpu_s(one.pid))
                sample = Sample(at_s, name, one.life, *held, round(wal, 3), round(whole, 3), records)
                self._rows.writerow(astuple(sample))
        self._file.flush()

    def close(self) -> None:
        """No more."""
        self._file.close()


def read(path: Path) -> dict[str, list[Sample]]:
    """All samples by process."""
    found: dict[str, list[Sample]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            whole = {name: int(row[name]) for name in ("life", "descriptors", "threads", "records")}
            real = {name: float(row[name]) for name in ("at_s", "rss_mb", "cpu_s", "wal_mb", "database_mb")}
            found[row["process"]].append(Sample(process=row["process"], **whole, **real))
    return found


def _threads(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


def _sizes(folder: Path | None) -> tuple[float, float]:
    wal = whole = 0
    for path in folder.rglob("*") if folder is not None else ():
        with suppress(OSError):
            if path.name.endswith("-wal"):
                wal += path.stat().st_size
            elif path.suffix in {".db", ".sqlite"}:
                whole += path.stat().st_size
    return wal / MIB, whole / MIB
