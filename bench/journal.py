"""How fast the log stores, durable and signed, beside the bare disk and bare SQLite in the same run."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scorelog.format.entry import build_entry
from scorelog.format.note import Ed25519Signer, Signer
from scorelog.journal.clock import SystemClock, read_time
from scorelog.journal.sqlite import create_log, open_log
from scorelog.journal.store import AppendRequest

ROUND_S = 2.0
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CLOCK = SystemClock()


def entry(_conflict: int | None) -> bytes:
    """An entry of about 500 bytes, as a deduction is."""
    read = read_time(CLOCK).to_json()
    return build_entry(
        {"v": 1, "type": "gateway.started", "salt": os.urandom(16).hex(), "read": read, "note": "n" * 300}
    )


def signer(origin: str) -> Signer:
    """The log's signer."""
    return Ed25519Signer(origin, KEY)


def row(name: str, count: int, wall_s: float, cpu_s: float, yardstick: float | None = None) -> float:
    """Print one line; returns the rate per second."""
    rate = count / wall_s
    ratio = f"{rate / yardstick:6.2f} x" if yardstick else "        "
    print(f"{name:44s} {rate:10,.0f}/s {1e6 * cpu_s / count:8.0f} us CPU {ratio}")
    return rate


def timed(step: object) -> tuple[int, float, float]:
    """Call `step` for one round; (calls, wall seconds, CPU seconds)."""
    wall, cpu = time.perf_counter(), time.process_time()
    for done in itertools.count(1):
        step()  # type: ignore[operator]
        if time.perf_counter() - wall > ROUND_S:
            return done, time.perf_counter() - wall, time.process_time() - cpu
    raise AssertionError("count ends")


def raw_disk(folder: Path) -> float:
    """A bare file: append 512 bytes, fdatasync."""
    with (folder / "raw").open("ab", buffering=0) as file:
        return row(
            "raw file, append + fdatasync", *timed(lambda: (file.write(b"x" * 512), os.fdatasync(file.fileno())))
        )


def bare_sqlite(folder: Path, yardstick: float) -> float:
    """Bare SQLite: one row of 512 bytes a commit."""
    base = sqlite3.connect(folder / "bare.db", isolation_level=None)
    base.execute("pragma journal_mode = wal")
    base.execute("pragma synchronous = full")
    base.execute("create table t(b blob)")
    rate = row(
        "bare SQLite, WAL, FULL, 1 row",
        *timed(lambda: base.execute("insert into t values (?)", (b"x" * 512,))),
        yardstick,
    )
    base.close()
    return rate


async def our_log(folder: Path, waiting: int, yardstick: float) -> None:
    """`waiting` callers that each append one entry after the other."""
    path = folder / f"log-{waiting}"
    create_log(path, "bench.example/gw/gw-01", signer)
    log = open_log(path, signer, CLOCK)
    stop, done, latencies = time.perf_counter() + ROUND_S, 0, []

    async def caller() -> None:
        nonlocal done
        while (begin := time.perf_counter()) < stop:
            await log.append_many([AppendRequest(entry)])
            latencies.append(time.perf_counter() - begin)
            done += 1

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(waiting)))
    row(
        f"log, durable + signed, {waiting} waiting",
        done,
        time.perf_counter() - wall,
        time.process_time() - cpu,
        yardstick,
    )
    latencies.sort()
    p50, p99 = (1000 * latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    print(f"{'':44s} p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    await log.close()


def main() -> int:
    """Every figure beside the raw disk of this run."""
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as name:
        folder = Path(name)
        disk = raw_disk(folder)
        bare_sqlite(folder, disk)
        for waiting in (1, 16, 256):
            asyncio.run(our_log(folder, waiting, disk))
    return 0


if __name__ == "__main__":
    sys.exit(main())
