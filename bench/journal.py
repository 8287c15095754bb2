"""How fast the log stores, durable and signed, beside the bare disk and bare SQLite in the same run."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kit.cpu import Span
from kit.figures import Report
from kit.yardsticks import bare_sqlite, raw_disk

from scorelog.format.entry import build_entry
from scorelog.format.note import Ed25519Signer, Signer
from scorelog.journal.clock import SystemClock, read_time
from scorelog.journal.sqlite import create_log, open_log
from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from kit.figures import Figure

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


async def our_log(report: Report, folder: Path, waiting: int, disk: Figure) -> None:
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

    span = Span.begin()
    await asyncio.gather(*(caller() for _ in range(waiting)))
    span.end()
    name = f"log, durable + signed, {waiting} waiting"
    report.add(name, span.rate(done), "/s", cpu_us=span.cpu_us(done), yardstick=disk)
    report.latency(name, latencies)
    await log.close()


def main() -> int:
    """Every figure beside the raw disk of this run."""
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as name:
        folder = Path(name)
        report = Report("journal")
        disk = raw_disk(report, folder)
        bare_sqlite(report, folder, disk)
        for waiting in (1, 16, 256):
            asyncio.run(our_log(report, folder, waiting, disk))
    return 0


if __name__ == "__main__":
    sys.exit(main())
