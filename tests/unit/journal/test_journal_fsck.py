"""P3 on the gateway's side: whatever is changed in a log's files is named, with its index."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from log_entries import key_of, opening, plain, scored
from log_harness import ORIGIN_BASE, cosigned, mirror_verifier, new_log, opened, signer_for

from scorelog.format.tree import leaf_hash
from scorelog.journal.errors import JournalError, LogMissing
from scorelog.journal.fsck import Report, fsck
from scorelog.journal.schema import DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ORIGIN = f"{ORIGIN_BASE}/0"
FOREIGN_KEY_ROW = (
    "INSERT INTO entry_key SELECT 'other', epoch, seq, type, ordinal, content, generation, idx, leaf"
    " FROM entry_key WHERE seq = 5"
)
WRONG_CHECKPOINT = "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 24) WHERE size = 25"
FOREIGN_COSIGNER = "UPDATE receipt SET note = CAST(replace(CAST(note AS TEXT), '— mirror', '— mirroR') AS BLOB)"
SINGLES = 12  # entries with a checkpoint each, after one group of 20


async def sample(tmp_path: Path) -> Path:
    """A log of 32 entries: a group of 20, then one at a time; with keys, openings and two receipts."""
    path = new_log(tmp_path)
    async with opened(path, tmp_path / "state") as log:
        await log.append_many([scored(key_of(n), openings=[opening("ticket", f"T{n}")]) for n in range(20)])
        await log.save_receipt(cosigned(log.checkpoint()))
        for n in range(SINGLES):
            request = scored(key_of(100 + n), openings=[opening("ticket", f"S{n}")]) if n % 2 else plain(f"event {n}")
            await log.append(request.build, request.key, request.content, request.openings)
        await log.save_receipt(cosigned(log.checkpoint()))
    return path


def change(path: Path, *statements: str, **values: object) -> None:
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        for statement in statements:
            connection.execute(statement, values)
        connection.commit()


def check(path: Path) -> Report:
    return fsck(path, signer_for(ORIGIN).vkey, path.parent / "state", [mirror_verifier()])


def kinds(report: Report) -> set[tuple[str, int | None]]:
    return {(one.kind, one.index) for one in report.findings}


async def test_a_sound_log_has_no_findings(tmp_path: Path) -> None:
    """Closed in order, and while it is running."""
    path = await sample(tmp_path)
    assert check(path).findings == []
    async with opened(path, tmp_path / "state") as log:
        await log.append(plain("running").build)
        report = check(path)
        assert (report.findings, report.size) == ([], 33)


@pytest.mark.parametrize("index", [0, 7, 19, 20, 31])
async def test_an_altered_entry_is_named(tmp_path: Path, index: int) -> None:
    """flip: the entry's bytes, with or without its stored leaf hash."""
    path = await sample(tmp_path)
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        (old,) = connection.execute("SELECT bytes FROM entry WHERE idx = ?", (index,)).fetchone()
    new = old.replace(b"8750", b"9750") if b"8750" in old else old.replace(b"event", b"other")
    assert new != old
    change(path, "UPDATE entry SET bytes = :new WHERE idx = :index", new=new, index=index)
    report = check(path)
    assert ("flip", index) in kinds(report)
    assert report.findings[0].origin == ORIGIN
    change(path, "UPDATE entry SET leaf = :leaf WHERE idx = :index", leaf=leaf_hash(new), index=index)
    first = 0 if index < 20 else index
    assert ("altered", first) in kinds(check(path))


@pytest.mark.parametrize("index", [3, 25, 31])
async def test_a_changed_leaf_hash_is_named(tmp_path: Path, index: int) -> None:
    """leaf: the entry still leads to the signed root, its stored hash does not."""
    path = await sample(tmp_path)
    change(path, "UPDATE entry SET leaf = zeroblob(32) WHERE idx = :index", index=index)
    assert ("leaf", index) in kinds(check(path))


@pytest.mark.parametrize("index", [0, 10, 25, 31])
async def test_a_dropped_entry_is_named(tmp_path: Path, index: int) -> None:
    """drop: a gap, or with the later ones moved down into it."""
    path = await sample(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    change(path, "DELETE FROM entry WHERE idx = :index", index=index)
    assert ("drop", index) in kinds(check(path))
    change(
        copy,
        "DELETE FROM entry WHERE idx = :index",
        "UPDATE entry SET idx = -idx WHERE idx > :index",
        "UPDATE entry SET idx = -idx - 1 WHERE idx < 0",
        index=index,
    )
    found = kinds(fsck(copy))
    assert ("drop", 31) in found
    assert ("drop", 0 if index < 20 else index) in found


@pytest.mark.parametrize(("one", "other"), [(2, 9), (0, 19), (22, 23), (21, 30), (5, 25)])
async def test_reordered_entries_are_named(tmp_path: Path, one: int, other: int) -> None:
    """reorder: two entries swapped with their leaves, within one signed span or across spans."""
    path = await sample(tmp_path)
    change(
        path,
        "UPDATE entry SET idx = -1 WHERE idx = :one",
        "UPDATE entry SET idx = :one WHERE idx = :other",
        "UPDATE entry SET idx = :other WHERE idx = -1",
        one=one,
        other=other,
    )
    found = kinds(check(path))
    assert {("reorder", one), ("reorder", other)} <= found


@pytest.mark.parametrize("index", [0, 10, 20, 25, 32])
async def test_an_inserted_entry_is_named(tmp_path: Path, index: int) -> None:
    """insert: at the end, or in the middle with the later ones moved up."""
    path = await sample(tmp_path)
    forged = plain("forged").build(None)
    change(
        path,
        "UPDATE entry SET idx = -idx - 1 WHERE idx >= :index",
        "UPDATE entry SET idx = -idx WHERE idx < 0",
        "INSERT INTO entry (idx, leaf, bytes) VALUES (:index, :leaf, :entry)",
        index=index,
        leaf=leaf_hash(forged),
        entry=forged,
    )
    assert ("insert", index) in kinds(check(path))


async def test_a_rolled_back_log_is_named(tmp_path: Path) -> None:
    """rollback: an older copy agrees with itself; the second file knows better."""
    path = await sample(tmp_path)
    shutil.copytree(path, tmp_path / "old")
    async with opened(path, tmp_path / "state") as log:
        await log.append(plain("later").build)
    shutil.rmtree(path)
    (tmp_path / "old").rename(path)
    assert kinds(check(path)) == {("rollback", 32)}
    assert fsck(path).ok


async def test_a_truncated_log_is_named_by_its_receipts(tmp_path: Path) -> None:
    """rollback: without the second file, a receipt left inside still knows the size."""
    path = await sample(tmp_path)
    change(path, "DELETE FROM entry WHERE idx >= 25", "DELETE FROM checkpoint WHERE size > 25")
    assert ("rollback", 25) in kinds(fsck(path))


@pytest.mark.parametrize(
    ("statement", "kind", "index"),
    [
        ("UPDATE entry_key SET idx = 3 WHERE seq = 5", "key", 5),
        ("DELETE FROM entry_key WHERE seq = 5", "key", 5),
        ("UPDATE entry_key SET seq = 77 WHERE seq = 5", "key", 5),
        ("UPDATE entry_key SET content = 'x' WHERE seq = 101", "key", 21),
        (FOREIGN_KEY_ROW, "key", 5),
        ("UPDATE entry_key SET generation = 9 WHERE seq = 5", "carried", 0),
        ("UPDATE checkpoint SET note = substr(note, 1, 150) WHERE size = 25", "checkpoint", None),
        (WRONG_CHECKPOINT, "checkpoint", None),
        ("DELETE FROM checkpoint", "checkpoint", None),
        ("UPDATE opening SET value = 'T6' WHERE idx = 5", "opening", 5),
        ("UPDATE opening SET value = CAST('T6' AS BLOB) WHERE idx = 5", "opening", 5),
        ("INSERT INTO opening VALUES (999, 'ticket', zeroblob(32), x'00')", "opening", 999),
        (FOREIGN_COSIGNER, "receipt", None),
        ("UPDATE receipt SET size = 19 WHERE size = 20", "receipt", None),
        ("UPDATE meta SET value = 'else/0' WHERE name = 'origin'", "identity", None),
        ("UPDATE meta SET value = 'many' WHERE name = 'boots'", "identity", None),
        ("UPDATE meta SET value = 0 WHERE name = 'boots'", "rollback", None),
        ("PRAGMA user_version = 9", "database", None),
    ],
)
async def test_every_other_table_is_held_against_the_entries(
    tmp_path: Path, statement: str, kind: str, index: int | None
) -> None:
    """Keys, checkpoints, openings, receipts, identity: each change is named."""
    path = await sample(tmp_path)
    change(path, statement)
    found = kinds(check(path))
    assert (kind, index) in found


async def test_stored_nodes_are_checked(tmp_path: Path) -> None:
    """node: a changed, missing or additional stored node."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append_many([plain(f"entry {n}") for n in range(600)])
    assert fsck(path).ok
    change(path, "UPDATE node SET hash = zeroblob(32) WHERE idx = 1")
    assert kinds(fsck(path)) == {("node", 256)}
    change(path, "DELETE FROM node", "INSERT INTO node VALUES (8, 7, zeroblob(32)), (16, 0, zeroblob(32))")
    assert {("node", 0), ("node", 256), ("node", None)} == kinds(fsck(path))


async def test_a_missing_log_is_a_refusal(tmp_path: Path) -> None:
    """There is nothing to check."""
    with pytest.raises(LogMissing):
        fsck(tmp_path / "nothing")


async def test_lost_files_are_findings(tmp_path: Path) -> None:
    """The plain identity file, the database."""
    path = await sample(tmp_path)
    (path / "identity.json").write_bytes(b"{}")
    assert ("identity", None) in kinds(check(path))
    (path / "identity.json").unlink()
    assert ("identity", None) in kinds(check(path))


async def test_a_log_in_a_directory_that_cannot_be_written_is_checked(tmp_path: Path) -> None:
    """An auditor's copy on a read-only medium."""
    path = await sample(tmp_path)
    path.chmod(0o500)
    try:
        assert check(path).findings == []
    finally:
        path.chmod(0o700)


def flip(path: Path, offset: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def content_of_log(path: Path) -> object:
    """Everything that a log says, as plain values."""
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        tables = ("entry", "node", "opening", "entry_key", "checkpoint", "receipt")
        said = [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # noqa: S608
        meta = connection.execute("SELECT * FROM meta WHERE name IN ('origin', 'vkey')").fetchall()
    return said, meta


async def bit_flips(tmp_path: Path, count: int, seed: int) -> tuple[int, int]:
    """Flip single bits anywhere in the database; returns (named, without effect)."""
    path = await sample(tmp_path)
    whole = (path / DATABASE).read_bytes()
    truth = content_of_log(path)
    random_source = random.Random(seed)
    named = harmless = 0
    for _ in range(count):
        offset, bit = random_source.randrange(len(whole)), random_source.randrange(8)
        flip(path / DATABASE, offset, bit)
        report = check(path)
        if report.ok:
            harmless += 1
            assert content_of_log(path) == truth, f"bit {bit} of byte {offset} changed what the log says, unseen"
        else:
            named += 1
        (path / DATABASE).write_bytes(whole)
    return named, harmless


async def test_single_flipped_bits_are_found(tmp_path: Path) -> None:
    """No flipped bit of the database changes anything that is read without fsck saying so; and no traceback."""
    named, _ = await bit_flips(tmp_path, 250, seed=2026)
    assert named > 50


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_many_flipped_bits_are_found(tmp_path: Path) -> None:
    """The same, many times over."""
    await bit_flips(tmp_path, 20_000, seed=1123)


async def test_overwritten_pages_are_findings_not_tracebacks(tmp_path: Path) -> None:
    """Zeroed, random and swapped pages, and a truncated file."""
    path = await sample(tmp_path)
    whole = (path / DATABASE).read_bytes()
    pages = [whole[at : at + 4096] for at in range(0, len(whole), 4096)]
    noise = random.Random(7)
    damages: list[Callable[[int], list[bytes]]] = [
        lambda n: [*pages[:n], bytes(4096), *pages[n + 1 :]],
        lambda n: [*pages[:n], noise.randbytes(4096), *pages[n + 1 :]],
        lambda n: [*pages[:n], pages[(n + 1) % len(pages)], *pages[n + 1 :]],
        lambda n: pages[:n],
    ]
    for number in range(len(pages)):
        for damage in damages:
            broken = b"".join(damage(number))
            (path / DATABASE).write_bytes(broken)
            try:
                report = check(path)
            except JournalError:
                continue
            assert broken == whole or not report.ok or content_of_log(path)
    (path / DATABASE).write_bytes(whole)
    assert check(path).ok
