"""P3, S8: whatever somebody changes in the database by SQL, fsck and the audit name it with origin and index."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from sample_uploads import SampleLog, asking
from server_bench import MIRROR_VERIFIER, WITNESS_VERIFIER, bench, make_sqlite_store

from scorelog.format.tree import CompactRange, leaf_hash
from server.audit import Auditor
from server.evidence.schema import evidence
from server.fsck import Report, fsck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE = SampleLog("gw-01").grow(300, openings=True)
OLD = SampleLog("gw-02").grow(4)
NEW = SampleLog("gw-02", generation=1).grow(3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with two gateways, three logs, tiles, alarms, refusals, a witness row."""
    folder = tmp_path_factory.mktemp("evidence")
    asyncio.run(_fill(folder))
    return folder


async def _fill(folder: Path) -> None:
    clock = FakeClock()
    async with bench(make_sqlite_store(folder, clock), clock) as at:
        await at.enrol(ONE)
        await at.enrol(OLD)
        for start, stop in ((0, 2), (2, 100), (100, 290), (290, 300)):
            await at.send(ONE, start, stop)
            await clock.advance(2)
        await at.send(OLD, 0)
        await at.send(NEW, 0, 1)
        await at.send(NEW, 1)
        fork = ONE.fork(2).grow(300, seed="other")
        for start in (300, 301):
            with pytest.raises(Exception, match=r"do not lead|another"):
                await at.send(fork, 300, start)
        await at.witness.add_checkpoint(asking(ONE, 0, 300))
        await at.store.alarm("something", ONE.origin, 7, "said")


def copy_of(made: Path, folder: Path) -> Path:
    for name in ("evidence.db", "registry.db"):
        (folder / name).write_bytes((made / name).read_bytes())
    return folder


async def report_of(folder: Path) -> Report:
    store = make_sqlite_store(folder)
    try:
        return await fsck(store, MIRROR_VERIFIER, WITNESS_VERIFIER)
    finally:
        await store.close()


async def audited(folder: Path) -> list[tuple[str | None, int | None]]:
    """Origin and index of the alarms that one background pass raises."""
    clock = FakeClock()
    store = make_sqlite_store(folder, clock)
    try:
        auditor = Auditor(store, (MIRROR_VERIFIER, WITNESS_VERIFIER), clock, pause_s=60, bytes_per_s=1 << 60)
        running = asyncio.ensure_future(auditor.once())
        while not running.done():
            await clock.advance(1)
            await asyncio.sleep(0.01)
        return [(each.origin, each.index) for each in await store.alarms() if each.kind == "tampered"]
    finally:
        await store.close()


def change(folder: Path, statement: str | Callable[[sqlite3.Connection], object]) -> None:
    connection = sqlite3.connect(folder / "evidence.db")
    if isinstance(statement, str):
        connection.executescript(statement)
    else:
        statement(connection)
    connection.commit()
    connection.close()


async def test_an_untouched_database_has_no_finding(made: Path, tmp_path: Path) -> None:
    """No false alarm."""
    report = await report_of(copy_of(made, tmp_path))
    assert [str(each) for each in report.findings] == []
    assert (report.logs, report.entries) == (3, 307)
    assert await audited(tmp_path) == []


def flip_entry(connection: sqlite3.Connection) -> None:
    """One bit in the middle of entry 150."""
    row = connection.execute("SELECT seq, entries FROM bundles WHERE start = 100").fetchone()
    at = row[1].index(ONE.entries[150]) + 40
    changed = row[1][:at] + bytes([row[1][at] ^ 1]) + row[1][at + 1 :]
    connection.execute("UPDATE bundles SET entries = ? WHERE seq = ?", (changed, row[0]))


def replace_entry_and_leaf(connection: sqlite3.Connection) -> None:
    """Entry and stored leaf hash changed together: only the signed root and the tile tell."""
    row = connection.execute("SELECT seq, entries, leaves FROM bundles WHERE start = 100").fetchone()
    old, new = ONE.entries[150], ONE.entries[150].replace(b'"LV-0001"', b'"LV-0002"')
    entries = row[1].replace(old, new)
    leaves = row[2].replace(leaf_hash(old), leaf_hash(new))
    connection.execute("UPDATE bundles SET entries = ?, leaves = ? WHERE seq = ?", (entries, leaves, row[0]))


def swap_entries(connection: sqlite3.Connection) -> None:
    """Two neighbours change places within their bundle."""
    row = connection.execute("SELECT seq, entries FROM bundles WHERE start = 100").fetchone()
    one, two = (len(e).to_bytes(2, "big") + e for e in ONE.entries[150:152])
    assert one + two in row[1]
    connection.execute("UPDATE bundles SET entries = ? WHERE seq = ?", (row[1].replace(one + two, two + one), row[0]))


def drop_entry(connection: sqlite3.Connection) -> None:
    """One entry is cut out."""
    row = connection.execute("SELECT seq, entries FROM bundles WHERE start = 100").fetchone()
    gone = len(ONE.entries[150]).to_bytes(2, "big") + ONE.entries[150]
    connection.execute("UPDATE bundles SET entries = ? WHERE seq = ?", (row[1].replace(gone, b""), row[0]))


def insert_entry(connection: sqlite3.Connection) -> None:
    """One entry is put in between."""
    row = connection.execute("SELECT seq, entries FROM bundles WHERE start = 100").fetchone()
    place = len(ONE.entries[150]).to_bytes(2, "big") + ONE.entries[150]
    connection.execute(
        "UPDATE bundles SET entries = ? WHERE seq = ?", (row[1].replace(place, b"\x00\x02{}" + place), row[0])
    )


def cut_tail(connection: sqlite3.Connection) -> None:
    """The last bundle goes, and the state row is put back to an older signed checkpoint."""
    checkpoint, root = ONE.checkpoint(290), ONE.root(290)
    tree = CompactRange()
    tree.extend(leaf_hash(entry) for entry in ONE.entries[:290])
    connection.execute("DELETE FROM bundles WHERE start = 290 AND log_id = 1")
    connection.execute("DELETE FROM openings WHERE entry_index >= 290 AND log_id = 1")
    connection.execute(
        "UPDATE logs SET size = 290, root = ?, checkpoint = ?, range_hashes = ?, "
        "updated_us = (SELECT received_us FROM bundles WHERE start = 100) WHERE id = 1",
        (root, checkpoint, b"".join(tree.hashes)),
    )


SWAP_BUNDLES = """UPDATE bundles SET seq = 90 WHERE start = 0 AND log_id = 1;
    UPDATE bundles SET seq = 1 WHERE start = 2; UPDATE bundles SET seq = 2 WHERE seq = 90"""
MOVE_OPENINGS = """DELETE FROM openings WHERE entry_index = 151;
    UPDATE openings SET entry_index = 151 WHERE entry_index = 150"""
INSERT_BEHIND_THE_END = """INSERT INTO bundles
    SELECT 99, log_id, 300, 301, 1, 1, seal, checkpoint, leaves, entries FROM bundles WHERE start = 2"""


@pytest.mark.parametrize(
    ("tamper", "index"),
    [
        (flip_entry, 150),
        (replace_entry_and_leaf, 150),
        (swap_entries, 150),
        (drop_entry, 150),
        (insert_entry, 150),
        (cut_tail, 290),
        ("DELETE FROM bundles WHERE start = 100", 100),
        ("DELETE FROM bundles WHERE start = 290", 290),
        ("DELETE FROM bundles WHERE log_id = 1", 0),
        ("DELETE FROM logs WHERE id = 1", 0),
        ("UPDATE bundles SET log_id = 3 WHERE start = 100", 100),
        (
            SWAP_BUNDLES,
            2,
        ),
        ("UPDATE openings SET value = x'00' WHERE entry_index = 150 AND field = 'name'", 150),
        ("UPDATE openings SET blind = zeroblob(32) WHERE entry_index = 150 AND field = 'name'", 150),
        ("UPDATE openings SET field = 'masked_id' WHERE entry_index = 150 AND field = 'name'", 150),
        (
            MOVE_OPENINGS,
            151,
        ),
        ("INSERT INTO openings VALUES (1, 400, 'name', zeroblob(32), x'00')", 400),
        ("DELETE FROM tiles", 0),
        ("UPDATE tiles SET root = zeroblob(32)", 0),
        (
            "UPDATE tiles SET hashes = CAST(substr(hashes, 1, 3200) || zeroblob(32) || substr(hashes, 3233) AS BLOB)",
            100,
        ),
        (
            INSERT_BEHIND_THE_END,
            300,
        ),
    ],
)
async def test_what_was_done_is_named(
    made: Path, tmp_path: Path, tamper: str | Callable[[sqlite3.Connection], object], index: int
) -> None:
    """Flip, drop, reorder, insert, roll back, move: fsck and one audit pass name the log and the entry."""
    change(copy_of(made, tmp_path), tamper)
    report = await report_of(tmp_path)
    places = {(each.origin, each.index) for each in report.findings}
    assert (ONE.origin, index) in places, [str(each) for each in report.findings]
    assert (ONE.origin, index) in await audited(tmp_path)


# Every column of every table; the ones that are free to change are said with their reason.
FREE = {
    ("alarms", "last_us"): "counts repetitions",
    ("alarms", "times"): "counts repetitions",
    ("alarms", "id"): "only the order in which pages ask",
    ("refusals", "times"): "counts repetitions",
    ("refusals", "id"): "only the order in which pages ask",
    ("refusals", "body_sha256"): "finds repetitions, derived from the body",
    ("meta", "key"): "the server refuses to open it",
    ("meta", "value"): "the server refuses to open it",
    ("counts", "name"): "",
}
COLUMNS = [
    (table.name, column.name)
    for table in evidence.sorted_tables
    for column in table.columns
    if (table.name, column.name) not in FREE
]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=str)
async def test_no_column_can_be_changed_unseen(made: Path, tmp_path: Path, table: str, column: str) -> None:
    """S8: one row, one column, another value of the same kind: fsck finds it."""
    copy_of(made, tmp_path)
    connection = sqlite3.connect(tmp_path / "evidence.db")
    rowid, value = connection.execute(f"SELECT rowid, {column} FROM {table} ORDER BY rowid LIMIT 1").fetchone()  # noqa: S608
    if isinstance(value, int):
        other: object = value + 1_000_003
    elif isinstance(value, bytes):
        other = bytes([value[0] ^ 1]) + value[1:] if value else b"\x01"
    else:
        other = hashlib.sha256(repr(value).encode()).hexdigest()[:16]
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (other, rowid))  # noqa: S608
    connection.commit()
    connection.close()
    assert (await report_of(tmp_path)).findings, f"{table}.{column}: {value!r} -> {other!r}"


@pytest.mark.parametrize("table", ["alarms", "refusals"])
async def test_a_deleted_row_is_missed(made: Path, tmp_path: Path, table: str) -> None:
    """Alarms and refused uploads are evidence too."""
    change(copy_of(made, tmp_path), f"DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table})")  # noqa: S608
    assert (await report_of(tmp_path)).findings


async def test_erased_openings_are_no_finding(made: Path, tmp_path: Path) -> None:
    """P7: personal data can go, proof stays."""
    change(copy_of(made, tmp_path), "DELETE FROM openings")
    assert (await report_of(tmp_path)).ok


async def test_the_audit_goes_on_and_says_it_once(made: Path, tmp_path: Path) -> None:
    """A pass after a finding runs like any other; the alarm is there once, and the head check runs in between."""
    change(copy_of(made, tmp_path), flip_entry)
    first = await audited(tmp_path)
    assert (ONE.origin, 150) in first
    assert await audited(tmp_path) == first
    store = make_sqlite_store(tmp_path)
    assert (
        await Auditor(store, (MIRROR_VERIFIER, WITNESS_VERIFIER), FakeClock(), pause_s=1, bytes_per_s=1).heads() == []
    )
    await store.close()
    change(tmp_path, "UPDATE logs SET root = zeroblob(32) WHERE id = 1")
    store = make_sqlite_store(tmp_path)
    assert await Auditor(store, (MIRROR_VERIFIER, WITNESS_VERIFIER), FakeClock(), pause_s=1, bytes_per_s=1).heads()
    await store.close()


async def test_what_is_changed_again_is_told_again(made: Path, tmp_path: Path) -> None:
    """P3: a change that was put right and made once more is alarmed once more, by the same process."""
    copy_of(made, tmp_path)
    clock = FakeClock()
    at = make_sqlite_store(tmp_path, clock)
    auditor = Auditor(at, (MIRROR_VERIFIER, WITNESS_VERIFIER), clock, pause_s=60, bytes_per_s=1 << 60)
    back = "UPDATE bundles SET received_us = received_us {} 1 WHERE start = 100"
    try:
        for sign, findings in (("-", 1), ("+", 0), ("-", 1)):
            change(tmp_path, back.format(sign))
            running = asyncio.ensure_future(auditor.once())
            while not running.done():
                await clock.advance(1)
                await asyncio.sleep(0.01)
            assert len(running.result()) == findings
        (alarm,) = [each for each in await at.alarms() if each.kind == "tampered"]
        assert (alarm.index, alarm.times) == (100, 2)
    finally:
        await at.close()


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE counts SET rows_ever = rows_ever + 1 WHERE name = 'alarms'",
        """UPDATE counts SET rows_ever = rows_ever - 1 WHERE name = 'alarms';
        DELETE FROM alarms WHERE kind = 'something'""",
    ],
)
async def test_a_changed_count_is_never_sealed_again(made: Path, tmp_path: Path, tamper: str) -> None:
    """P3: an alarm taken away and the count made to fit: the next alarm's own count does not hide it."""
    copy_of(made, tmp_path)
    change(tmp_path, tamper)
    at = make_sqlite_store(tmp_path)
    try:
        await at.alarm("another", ONE.origin, 8, "said later")
    finally:
        await at.close()
    report = await report_of(tmp_path)
    assert [str(each) for each in report.findings] == ["evidence: the count of alarms is not as the server wrote it"]
