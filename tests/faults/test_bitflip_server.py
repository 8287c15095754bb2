"""B5, S8: one flipped bit in the server's evidence is named by fsck, refused at start, or changes nothing it says."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from bitflip import Chosen, Flip, Flipper, flipped
from sample_uploads import SampleLog, asking
from server_bench import MIRROR_VERIFIER, WITNESS_VERIFIER, bench, make_sqlite_store

from scorelog.journal.clock import SystemClock
from server.audit import Auditor
from server.errors import ServerError
from server.evidence.database import EVIDENCE_FILE, REGISTRY_FILE
from server.evidence.schema import evidence
from server.fsck import fsck
from server.unreadable import UNOPENED, page_findings

if TYPE_CHECKING:
    from pathlib import Path

# Columns that may change without harm, with the reasons of test_server_tamper.py; `meta` is looked at when it opens.
FREE = {
    "alarms": {"last_us", "times", "id"},
    "refusals": {"times", "id", "body_sha256"},
}
QUERIES = {
    table.name: f"SELECT {', '.join(c.name for c in table.columns if c.name not in FREE.get(table.name, set()))}"  # noqa: S608
    f" FROM {table.name}"
    for table in evidence.sorted_tables
}


async def make_evidence(folder: Path, rows: int) -> None:
    """A gateway's log in bundles, with openings, tiles, an alarm, a refusal and a witness row."""
    log = SampleLog("gw-01").grow(rows, openings=True)
    async with bench(make_sqlite_store(folder)) as at:
        await at.enrol(log)
        for start in range(0, rows, 256):
            await at.send(log, start, min(rows, start + 256))
        with pytest.raises(Exception, match=r"do not lead|another"):
            await at.send(log.fork(2).grow(rows, seed="other"), rows, rows + 1)
        await at.witness.add_checkpoint(asking(log, 0, rows))
        await at.store.alarm("something", log.origin, 7, "said")


async def named(folder: Path) -> bool:
    """As `kaofen-server fsck` does: the pages, then everything that the rows say."""
    pages = page_findings(folder)
    try:
        store = make_sqlite_store(folder)
        try:
            return bool(pages) or not (await fsck(store, MIRROR_VERIFIER, WITNESS_VERIFIER)).ok
        finally:
            await store.close()
    except (ServerError, *UNOPENED):
        return True  # it does not open, and the command says so


async def all_are_named(folder: Path, count: int, seed: int, chosen: Chosen) -> None:
    whole, registry = ((folder / name).read_bytes() for name in (EVIDENCE_FILE, REGISTRY_FILE))
    assert not await named(folder), "no false alarm"
    source, scratch = random.Random(seed), folder / "flipped"
    places = ((source.randrange(len(whole)), source.randrange(8)) for _ in range(count))
    unnamed: list[Flip] = []
    for flip in Flipper(whole, QUERIES).flips(places):
        if not chosen.take(flip):
            continue
        scratch.mkdir()
        (scratch / EVIDENCE_FILE).write_bytes(flip.applied(whole))
        (scratch / REGISTRY_FILE).write_bytes(registry)
        if not await named(scratch):
            unnamed.append(flip)
        await asyncio.to_thread(_empty, scratch)
    assert unnamed == []


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.timeout(180)
async def test_flipped_bits_of_evidence(tmp_path: Path) -> None:
    """B5, S8: 3,000 bits anywhere; each value once, and breaks of the file."""
    await make_evidence(tmp_path, 24)
    chosen = Chosen.of(a_place=1, broken=40, asked_max=140)
    await all_are_named(tmp_path, 3000, 2026, chosen)
    assert chosen.places > 25


async def test_a_name_that_only_its_index_contradicts_is_named(tmp_path: Path) -> None:
    """S8, B5: SQLite answers from whichever copy of a value it likes; fsck asks it whether they agree."""
    await make_evidence(tmp_path, 3)
    whole, origin = (tmp_path / EVIDENCE_FILE).read_bytes(), SampleLog("gw-01").origin.encode()
    at, found = whole.find(origin), 0
    while at >= 0:
        (tmp_path / EVIDENCE_FILE).write_bytes(flipped(whole, at + len(origin) - 4, 5))
        assert await named(tmp_path)
        at, found = whole.find(origin, at + 1), found + 1
    assert found > 3


async def test_a_row_of_another_shape_ends_no_pass_of_the_audit(tmp_path: Path) -> None:
    """P8, S8: an opening that is none is told for its log, and the other logs are looked at all the same."""
    await make_evidence(tmp_path, 3)
    other = SampleLog("gw-02").grow(2)
    async with bench(make_sqlite_store(tmp_path)) as at:
        await at.enrol(other)
        await at.send(other, 0)
    with closing(sqlite3.connect(tmp_path / EVIDENCE_FILE)) as rows:
        rows.execute("UPDATE openings SET blind = x'00'")
        rows.execute("UPDATE logs SET root = zeroblob(32) WHERE gateway_id = 'gw-02'")
        rows.commit()
    store = make_sqlite_store(tmp_path)
    try:
        verifiers = (MIRROR_VERIFIER, WITNESS_VERIFIER)
        auditor = Auditor(store, verifiers, SystemClock(), pause_s=60, bytes_per_s=1 << 60)
        found = await auditor.once()
        again = await fsck(store, *verifiers)
    finally:
        await store.close()
    assert {each.origin for each in found} == {SampleLog("gw-01").origin, other.origin}
    assert any("cannot be read" in each.detail for each in found)
    assert {each.origin for each in again.findings} == {each.origin for each in found}


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_flipped_bits_of_a_thousand_rows(tmp_path: Path) -> None:
    """B5: 10,000 bits of 1,000 stored entries, 600 of them checked whole; about ten minutes."""
    await make_evidence(tmp_path, 1000)
    chosen = Chosen.of(a_place=1, broken=100, asked_max=600)
    await all_are_named(tmp_path, 10_000, 1123, chosen)
    assert chosen.places > 300
