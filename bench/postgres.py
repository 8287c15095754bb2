"""How fast uploads of 256 entries get into PostgreSQL through the server's own store, beside COPY of bare rows."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import psycopg
import sqlalchemy as sa
from kit.cpu import Span, cpu_s
from kit.figures import Aim, Report
from kit.upload_parts import bundles_of
from kit.uploads import ENTRY_BYTES, exams, small
from parts import find_postgres
from real_postgres import RealPostgres, running_postgres

from scorelog.journal.clock import SystemClock
from server.database.names import SCHEMAS
from server.database.postgres import connect
from server.database.schemas import create_kept
from server.evidence.seal import Sealer
from server.evidence.sql import SqlEntryStore
from server.evidence.store import Cosigned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit.figures import Figure
    from kit.uploads import Uploads

    from server.evidence.store import Bundle

BATCH: Final = 256
GATEWAYS: Final = 8
GROUP: Final = GATEWAYS  # uploads that share a transaction: as many as have a turn at once
COPY_ROWS: Final = 500  # a commit, as in performance.md section 5
COPY_S: Final = 3.0


def main() -> int:
    """One cluster; the yardstick, then both kinds of entries."""
    if find_postgres() is None:
        print("FAILED: missing part: postgresql (apt-get install -y postgresql)")
        return 1
    report = Report("postgres")
    with running_postgres() as cluster:
        copy = copied(report, cluster)
        for what, made in (("small", small), ("exam", exams)):
            uploads = [made(f"gw-{number:02d}", 16, BATCH) for number in range(GATEWAYS)]
            asyncio.run(stored(report, cluster, uploads, what, copy))
    return 0


def copied(report: Report, cluster: RealPostgres) -> Figure:
    """Rows of 590 bytes by binary COPY, 500 a commit: the most that a Python client gets into it."""
    url, row = cluster.fresh(), os.urandom(ENTRY_BYTES)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (log_id bigint, n bigint, entry bytea, PRIMARY KEY (log_id, n))")
        done, span, stop = 0, Span.begin(), time.perf_counter() + COPY_S
        before = server_cpu_s(cluster)
        while time.perf_counter() < stop:
            with connection.cursor().copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "int8", "bytea"])
                for number in range(done, done + COPY_ROWS):
                    copy.write_row((1, number, row))
            done += COPY_ROWS
        span.end()
    name = f"bare COPY, rows of {ENTRY_BYTES} bytes, {COPY_ROWS} a commit"
    return report.add(name, span.rate(done), "/s", cpu_us=span.cpu_us(done), note=_database(cluster, before, done))


async def stored(report: Report, cluster: RealPostgres, uploads: list[Uploads], what: str, copy: Figure) -> None:
    """Entries of uploads as the ingest stores them: verified before, their notes kept with the next group."""
    pool = connect(sa.make_url(cluster.fresh()).set(drivername="postgresql+psycopg"))
    with pool.writer.begin() as connection:
        create_kept(connection)
    evidence, registry = (pool.database(SCHEMAS[kind]) for kind in ("evidence", "registry"))
    store = SqlEntryStore(evidence, registry, SystemClock(), Sealer(bytes(32)))
    groups = [list(group) for group in zip(*(bundles_of(each) for each in uploads), strict=True)]
    await store.append_many(groups[0])
    before, span = server_cpu_s(cluster), Span.begin()
    for last, group in pairwise(groups):
        if not all(await store.append_many(group, [_note(each) for each in last])):
            raise AssertionError("an upload was not stored")
    span.end()
    done = BATCH * GROUP * (len(groups) - 1)
    size = sum(len(entry) for each in groups[1] for entry in each.entries) / (BATCH * GROUP)
    opened = sum(len(each.openings) for each in groups[1]) / (BATCH * GROUP)
    report.add(
        f"{what} entries in uploads of {BATCH}, stored", span.rate(done), "/s",
        cpu_us=span.cpu_us(done), yardstick=copy, aim=Aim(">=", 40_000) if what == "small" else None,
        note=f"{size:,.0f} bytes and {opened:.1f} openings each, one connection; " + _database(cluster, before, done),
    )  # fmt: skip
    await store.close()
    pool.dispose()


def _note(bundle: Bundle) -> Cosigned:
    return Cosigned(bundle.origin, bundle.new_size, bundle.checkpoint + bytes(130), bundle.cosigned_s)


def server_cpu_s(cluster: RealPostgres) -> float:
    """Of all its processes that are there now."""
    return sum(cpu_s(pid) for pid in _pids(cluster))


def _pids(cluster: RealPostgres) -> Iterator[int]:
    pid = cluster.pid
    yield pid
    yield from map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _database(cluster: RealPostgres, before: float, done: int) -> str:
    return f"the database itself {1e6 * (server_cpu_s(cluster) - before) / done:,.1f} us of CPU each"


if __name__ == "__main__":
    sys.exit(main())
