"""How fast the projector follows the evidence, beside judging alone and bare SQLite in the same run.

    script/bench projection [--entries 3000]

The evidence lies in a real database before the clock starts: what is measured is reading it, judging every entry again
(P4), composing the attempts, writing the tables and telling the live board. Bundles of one entry are what live exams
make, bundles of 256 what a backlog is drained in.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sqlite3
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from kit.cpu import Span
from kit.exams import bundles, exam_logs, fill
from kit.figures import Aim, Report
from parts import find_postgres
from real_postgres import running_postgres
from server_bench import make_sqlite_store

from scorelog.journal.clock import SystemClock
from server.database import kept
from server.database.postgres import connect
from server.database.schemas import create_kept
from server.evidence.store import StoredEntry
from server.live.board import LiveBoard
from server.live.hub import Hub
from server.projection.facts import Fact, Place, fact_of
from server.projection.judge import judge
from server.projection.plans import PlanFacts, plan_row, read_plan
from server.projection.projector import Projector
from server.projection.relogged import unwrap
from server.projection.rubrics import Adopted, Adoption, RubricBook
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from kit.figures import Figure
    from people_world import Log

    from server.database.postgres import Postgres

CLOCK: Final = SystemClock()
ALONE: Final = 400
HELD_S: Final = 0.0005
AIMS: Final = {1: 1000, 16: None, 256: 5000}
BARE: Final = (
    "pragma journal_mode = wal",
    "pragma synchronous = off",
    "create table t(origin text, n integer, rig text, attempt text, fields text, flags text, primary key (origin, n))",
    "create index t_attempt on t(attempt, origin, n)",
    "create index t_rig on t(rig, origin, n)",
)


def stored(logs: Sequence[Log]) -> list[StoredEntry]:
    """As the store gives them."""
    found = []
    for log in logs:
        opened: dict[int, list[object]] = {}
        for one in log.openings:
            opened.setdefault(one.index, []).append(one)
        found += [
            StoredEntry(log.origin, index, data, 1, tuple(opened.get(index, ())))  # type: ignore[arg-type]
            for index, data in enumerate(log.entries)
        ]
    return found


def adopt(adopted: Adopted, fact: Fact, parts: dict[str, list[str]]) -> None:
    """What judging rests on; a plan counts with its last part."""
    kind, document = fact.type.removesuffix(".adopted"), fact.entry.document
    if kind in {"profile", "rubric"}:
        taken = adopted.book.take(fact.place.index, kind, document["sha256"], document["text"])
        adopted.add(fact.place.origin, taken)
    elif kind == "plan":
        pieces = parts.setdefault(fact.place.origin, [])
        pieces.append(document["text"])
        if document["part"] < document["of"]:
            return
        plan, problem = read_plan(pieces, document["sha256"], fact.place.gateway)
        if plan is not None:
            adopted.plans[plan.sha256] = PlanFacts.of(plan_row(plan))
        adopted.add(fact.place.origin, Adoption(fact.place.index, "plan", document["sha256"], problem))


def judged_alone(report: Report, logs: Sequence[Log]) -> Figure:
    """The pure part: parse, check openings, decode, score. No database."""
    entries, adopted, verdicts = stored(logs), Adopted(RubricBook()), []
    parts: dict[str, list[str]] = {}
    span = Span.begin()
    for one in entries:
        fact = fact_of(unwrap(one), Place(one.origin, one.index, 1, 1))
        adopt(adopted, fact, parts)
        verdicts.append(judge(fact, adopted).verdict)
    span.end()
    if "mismatch" in verdicts or "impossible" in verdicts:
        raise ValueError("an honest entry was not judged equal")
    return report.add("parsed and judged alone", span.rate(len(entries)), "/s", cpu_us=span.cpu_us(len(entries)))


def bare_rows(report: Report, folder: Path, logs: Sequence[Log]) -> Figure:
    """As many rows as entries with two indexes, 256 a transaction, executemany."""
    base = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for statement in BARE:
        base.execute(statement)
    rows = [
        (one.origin, one.index, f"LV-{one.index % 8:04d}", f"{one.index // 16:032x}", '{"n": 1}' * 20, "[]")
        for one in stored(logs)
    ]
    span = Span.begin()
    for start in range(0, len(rows), 256):
        base.execute("begin")
        base.executemany("insert into t values (?, ?, ?, ?, ?, ?)", rows[start : start + 256])
        base.execute("commit")
    span.end()
    base.close()
    return report.add(
        "bare SQLite, executemany, 1 row an entry", span.rate(len(rows)), "/s", cpu_us=span.cpu_us(len(rows))
    )


@asynccontextmanager
async def projector_over(
    folder: Path, logs: Sequence[Log], size: int, postgres: Postgres | None = None
) -> AsyncIterator[Projector]:
    """A projector with its live board, over evidence that is stored already; its tables in a file or in PostgreSQL."""
    folder.mkdir()  # noqa: ASYNC240  one system call, before anything is measured
    store = make_sqlite_store(folder)
    await fill(store, logs, size)
    if postgres is None:
        projections = await ProjectionStore.open(folder / "projections.db")
    else:
        projections = await asyncio.to_thread(kept.open_projections, postgres)
        await projections.prepare()
    book = RubricBook()
    board = LiveBoard(CLOCK, Hub(CLOCK, "0123456789abcdef"), book)
    try:
        yield Projector(store, projections, CLOCK, book=book, listener=board)
    finally:
        await projections.close()
        await store.close()


async def projected(report: Report, folder: Path, logs: Sequence[Log], size: int, alone: Figure) -> None:
    """Everything, from an empty table on; of the largest bundles a rebuild as well."""
    aim = Aim(">=", AIMS[size]) if AIMS[size] else None
    async with projector_over(folder / f"of-{size}", logs, size) as projector:
        await _timed(report, f"projected, bundles of {size}", projector.catch_up, alone, aim)
        if size == max(AIMS):
            await _timed(report, "rebuild", projector.rebuild, alone)
            await slices(report, projector)


async def slices(report: Report, projector: Projector) -> None:
    """How long the loop is held at a time while a backlog is projected: what ingest and streams wait for, at most."""
    work, held, last = asyncio.create_task(projector.rebuild()), [], time.perf_counter()
    while not work.done():
        await asyncio.sleep(0)
        last, before = time.perf_counter(), last
        if last - before > HELD_S:
            held.append(last - before)
    await work
    report.latency("loop held at a time in a rebuild", held, aims={99: 10.0}, note="of those above 0.5 ms")


async def into_postgres(report: Report, folder: Path, logs: Sequence[Log], alone: Figure) -> None:
    """The same into PostgreSQL; the CPU time is this process's, not that of the database."""
    with running_postgres() as server:
        database = connect(sa.make_url(server.fresh()).set(drivername="postgresql+psycopg"), readers=2, writers=2)
        try:
            with database.writer.begin() as connection:
                create_kept(connection)
            async with projector_over(folder / "postgres", logs, 256, database) as projector:
                await _timed(report, "projected into PostgreSQL, bundles of 256", projector.catch_up, alone)
        finally:
            database.dispose()


async def _timed(
    report: Report, name: str, step: Callable[[], Awaitable[int]], alone: Figure, aim: Aim | None = None
) -> None:
    span = Span.begin()
    entries = await step()
    span.end()
    report.add(name, span.rate(entries), "/s", cpu_us=span.cpu_us(entries), yardstick=alone, aim=aim)


async def one_waiting(report: Report, folder: Path, logs: Sequence[Log]) -> None:
    """Latency first: one stored entry, alone, until the board has it."""
    folder.mkdir()  # noqa: ASYNC240  as above
    store, waiting = make_sqlite_store(folder), bundles(logs, 1)
    projections = await ProjectionStore.open(folder / "projections.db")
    book, took = RubricBook(), []
    board = LiveBoard(CLOCK, Hub(CLOCK, "0123456789abcdef"), book)
    projector = Projector(store, projections, CLOCK, book=book, listener=board)
    span = Span.begin()
    span.cpu_s = span.wall_s = 0.0
    try:
        for bundle in itertools.islice(waiting, ALONE):
            await store.append(bundle)
            one = Span.begin()
            await projector.catch_up()
            one.end()
            took.append(one.wall_s)
            span.cpu_s += one.cpu_s
    finally:
        await projections.close()
        await store.close()
    name = "one entry waiting alone, stored to projected"
    report.latency(name, took, cpu_us=span.cpu_us(len(took)), aims={50: 10.0, 99: 50.0})


def main() -> int:
    """Every figure beside judging alone."""
    parser = argparse.ArgumentParser(prog="script/bench projection", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--entries", type=int, default=3000, help="entries in all logs together (default 3000)")
    entries = parser.parse_args().entries
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as name:
        folder, report = Path(name), Report("projection")
        logs = exam_logs(entries)
        alone = judged_alone(report, logs)
        bare_rows(report, folder, logs)
        for size in AIMS:
            asyncio.run(projected(report, folder, logs, size, alone))
        if find_postgres() is not None:
            asyncio.run(into_postgres(report, folder, logs, alone))
        asyncio.run(one_waiting(report, folder / "alone", logs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
