"""B14, I8: entries with a valid signature and impossible content, through the real ingest and projector."""

from __future__ import annotations

import json
import re
from random import Random
from typing import TYPE_CHECKING

import sqlalchemy as sa
from fake_entry_store import FakeEntryStore
from people_world import Log, Rig, attempt_id
from sample_uploads import SampleLog
from server_bench import MIRROR_VERIFIER, bench

from server.projection import schema
from server.projection.projector import Projector
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from pathlib import Path

EXAMS = 8
PIECE = 100
POISON = {
    60: b"not JSON at all",
    200: b"{}",
    350: json.dumps({"v": 1, "type": "item.finished", "salt": "00" * 16, "rig": 7}).encode(),
    10_000: b'{"v":1,"type":"deduction","salt":"'
    + b"ab" * 16
    + b'","rig":"LV-0000","fields":'
    + b"[" * 60
    + b"]" * 60
    + b"}",
}


def hall(seed: int, poison: dict[int, bytes]) -> SampleLog:
    """One gateway's log of whole exams, with these entries put between them."""
    gateway = f"gw-{seed:02d}"
    written = Log(gateway, Random(seed)).adopt()
    rigs = [Rig(f"LV-{seed}{number:03d}", f"A-{number:02d}", written) for number in range(4)]
    log = SampleLog(gateway)
    for number in range(EXAMS):
        for place, rig in enumerate(rigs):
            rig.whole_exam(f"T-{seed}-{number}-{place}", attempt_id(seed * 1000 + number * 10 + place))
    pending = sorted(poison.items())
    for entry in written.entries:
        while pending and log.size == pending[0][0]:
            log.add(pending.pop(0)[1])
        log.add(entry)
    for _, bad in pending:
        log.add(bad)
    return log


async def shown(folder: Path, logs: list[SampleLog]) -> tuple[dict[str, list[tuple[object, ...]]], list[str]]:
    """Upload by turns through the real ingest, projecting after each; the tables of results, and the alarms."""
    projections = await ProjectionStore.open(folder / "projections.db")
    async with bench(FakeEntryStore()) as at:
        projector = Projector(at.store, projections, at.clock)
        try:
            for log in logs:
                await at.enrol(log)
            for start in range(0, max(log.size for log in logs), PIECE):
                for log in logs:
                    if start < log.size:
                        stop = min(log.size, start + PIECE)
                        line = await at.send(log, start, stop)
                        assert log.receipt_time(stop, line, MIRROR_VERIFIER)
                left = await projector.catch_up()
                assert left <= PIECE * len(logs)
            async with projections.reading() as db:
                found = {
                    table.name: sorted(tuple(map(repr, row)) for row in (await db.execute(sa.select(table))).all())
                    for table in (schema.attempts, schema.quarantine)
                }
                alerts = (await db.execute(sa.select(schema.alerts.c.kind))).scalars().all()
        finally:
            await projections.close()
    return found, list(alerts)


async def test_poison_delays_and_changes_nobody(tmp_path: Path) -> None:
    """B14, I8: each poisoned entry gets its receipt, is quarantined and alarmed; each neighbour is shown as without."""
    clean, _ = await shown(made(tmp_path / "clean"), [hall(1, {}), hall(2, {})])
    found, alerts = await shown(made(tmp_path / "poisoned"), [hall(1, POISON), hall(2, {})])
    assert clean["quarantine"] == []
    assert len(found["quarantine"]) == len(POISON)
    assert alerts.count("quarantined") == len(POISON)
    assert len(clean["attempts"]) == 2 * 4 * EXAMS
    assert without_indexes(found["attempts"]) == without_indexes(clean["attempts"])


def made(folder: Path) -> Path:
    """A folder of its own."""
    folder.mkdir()
    return folder


def without_indexes(rows: list[tuple[object, ...]]) -> list[list[str]]:
    """What poison before an entry may move is only its index in the log."""
    return [[re.sub(r"'index': \d+", "'index'", str(value)) for value in row] for row in rows]
