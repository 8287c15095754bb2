"""Giving a log up: what is kept, what is carried over, and what the next generation says about it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from log_entries import content_of, key_of, opening, plain, scored
from log_harness import ORIGIN_BASE, cosigned, new_log, opened, signer_for

from scorelog.format.commitment import check_opening
from scorelog.format.entry import build_entry, parse_entry
from scorelog.journal.errors import Damaged, LogLocked, LogMissing, RolledBack
from scorelog.journal.fsck import fsck
from scorelog.journal.generation import open_generation, pending_quarantine, quarantine, stranded
from scorelog.journal.relog import new_document
from scorelog.journal.schema import DATABASE
from scorelog.journal.sqlite import open_log
from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from pathlib import Path


async def two_halves(tmp_path: Path) -> Path:
    """Entries 0 to 9 receipted, 10 to 19 stranded."""
    path = new_log(tmp_path)
    async with opened(path, tmp_path / "state") as log:
        await log.append_many([scored(key_of(n)) for n in range(10)])
        await log.save_receipt(cosigned(log.checkpoint()))
        await log.append_many([scored(key_of(n), openings=[opening("ticket", f"T{n}")]) for n in range(10, 20)])
    return path


def damage(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        connection.execute(statement)
        connection.commit()


async def test_the_next_generation_says_why_and_carries_what_was_stranded(tmp_path: Path) -> None:
    """Entry 0 holds the last cosigned checkpoint and the reason; each stranded entry comes with a reference."""
    path = await two_halves(tmp_path)
    receipt = (path.parent / "state").exists()
    assert receipt
    put_aside = quarantine(path, "the disk gave back other bytes", tmp_path / "state")
    assert (put_aside.origin, put_aside.size, put_aside.path.name) == (f"{ORIGIN_BASE}/0", 20, "log.quarantined-0")
    log = open_generation(path, put_aside, signer_for, FakeClock(), tmp_path / "state")
    try:
        assert (log.origin, log.generation, log.size) == (f"{ORIGIN_BASE}/1", 1, 11)
        entries = [parse_entry(entry) for entry in log.entries(0, 11)]
        first = entries[0].document
        assert (entries[0].type, first["reason"]) == ("generation.opened", "the disk gave back other bytes")
        assert first["previous"]["checkpoint"].encode() == put_aside.receipt.note  # type: ignore[union-attr]
        assert (first["previous"]["origin"], first["previous"]["keys"]["count"]) == (put_aside.origin, 10)
        old = [entry for _, entry, _ in stranded(put_aside)]
        assert [base64.b64decode(one.document["entry"]) for one in entries[1:]] == old
        assert [one.document["previous"]["index"] for one in entries[1:]] == list(range(10, 20))
        assert {one.type for one in entries[1:]} == {"relogged"}
        openings = log.openings(0, 11)
        assert [one.value for one in openings] == [f"T{n}".encode() for n in range(10, 20)]
        assert all(check_opening(one, entries[one.index]) for one in openings)
    finally:
        await log.close()
    assert fsck(path, state_path=tmp_path / "state").findings == []


async def test_adopted_texts_stand_before_what_they_judge(tmp_path: Path) -> None:
    """P4: a log is judged by what it adopted itself, so the next one adopts the texts again before stranded scores.

    Once each, whether they were adopted or logged again there; not what was adopted after the last receipt.
    """
    path, texts = new_log(tmp_path), ("profile = 1\n", "rubric = 1\n", "rubric = 2\n")
    first, second, third = (
        adopted(kind, text)
        for kind, text in zip(("profile.adopted", "rubric.adopted", "rubric.adopted"), texts, strict=True)
    )
    async with opened(path, tmp_path / "state") as log:
        await log.append_many([first, second, first, scored(key_of(0))])
        await log.save_receipt(cosigned(log.checkpoint()))
        await log.append_many([scored(key_of(1)), third, scored(key_of(2))])
    seen = []
    for _ in range(2):  # the second time the newest rubric is there as one that was logged again
        put_aside = quarantine(path, "again", tmp_path / "state")
        log = open_generation(path, put_aside, signer_for, FakeClock(), tmp_path / "state")
        try:
            seen.append([parse_entry(entry) for entry in log.entries(0, log.size)])
            await log.save_receipt(cosigned(log.checkpoint()))
            await log.append_many([scored(key_of(10 + len(seen)))])
        finally:
            await log.close()
    assert [entry.type for entry in seen[0][:4]] == [
        "generation.opened",
        "profile.adopted",
        "rubric.adopted",
        "relogged",
    ]
    assert [entry.document["text"] for entry in seen[0][1:3]] == list(texts[:2])
    assert [entry.document["text"] for entry in seen[1] if "text" in entry.document] == list(texts)
    assert fsck(path, state_path=tmp_path / "state").findings == []


def adopted(kind: str, text: str) -> AppendRequest:
    """An entry that adopts a text."""
    fields = {**new_document(kind, FakeClock()), "sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text}
    return AppendRequest(lambda _conflict: build_entry(fields), None, None, ())


async def test_keys_span_generations(tmp_path: Path) -> None:
    """A record read again after the change-over is recognised, whether it was receipted or stranded."""
    path = await two_halves(tmp_path)
    log = open_generation(path, quarantine(path, "test"), signer_for, FakeClock())
    try:
        for n in range(20):
            request = scored(key_of(n))
            answer = await log.append(request.build, request.key, request.content)
            expected = (n, 0) if n < 10 else (n - 9, 1)
            assert (answer.existing, answer.index, answer.generation) == (True, *expected)
        other = scored(key_of(3), "other words")
        conflict = await log.append(other.build, other.key, other.content)
        assert (conflict.existing, conflict.conflict_with) == (False, 3)
        assert (log.find(key_of(15)), log.find(key_of(2))) == (6, None)
    finally:
        await log.close()
    again = open_generation(path, quarantine(path, "twice"), signer_for, FakeClock())
    try:
        assert again.generation == 2
        for n in range(20):
            answer = await again.append(scored(key_of(n)).build, key_of(n), content_of("first reading"))
            assert answer.existing
        inner = [parse_entry(entry).document for entry in again.entries(1, again.size)]
        assert {one["previous"]["origin"] for one in inner} == {f"{ORIGIN_BASE}/1"}
        wrapped = [parse_entry(base64.b64decode(one["entry"])).type for one in inner]
        assert wrapped == ["generation.opened"] + ["item.finished"] * 11
    finally:
        await again.close()
    assert fsck(path).findings == []
    damage(path, "DELETE FROM entry_key WHERE seq = 2")
    assert ("carried", 0) in {(one.kind, one.index) for one in fsck(path).findings}


async def test_damaged_entries_are_left_and_the_readable_ones_taken(tmp_path: Path) -> None:
    """P5: an entry that does not hash to its leaf is never logged again; its record may be read again."""
    path = await two_halves(tmp_path)
    damage(path, "UPDATE entry SET bytes = x'00' WHERE idx = 15")
    with pytest.raises(Damaged) as caught:
        open_log(path, signer_for, FakeClock())
    put_aside = quarantine(path, str(caught.value))
    assert [index for index, _, _ in stranded(put_aside)] == [10, 11, 12, 13, 14, 16, 17, 18, 19]
    log = open_generation(path, put_aside, signer_for, FakeClock())
    try:
        assert "does not hash" in parse_entry(log.entries(0, 1)[0]).document["reason"]
        assert not (await log.append(scored(key_of(15)).build, key_of(15), content_of("first reading"))).existing
    finally:
        await log.close()
    assert fsck(path).ok


@pytest.mark.parametrize("content", [b"", b"noise" * 3000, None])
async def test_a_lost_database_still_leads_to_a_next_generation(tmp_path: Path, content: bytes | None) -> None:
    """The second file gives the last receipt, the identity file the origin."""
    path = await two_halves(tmp_path)
    (path / DATABASE).unlink()
    if content is not None:
        (path / DATABASE).write_bytes(content)
    put_aside = quarantine(path, "gone", tmp_path / "state")
    assert put_aside.receipt is not None
    assert (put_aside.size, put_aside.receipt.size, list(stranded(put_aside))) == (0, 10, [])
    log = open_generation(path, put_aside, signer_for, FakeClock(), tmp_path / "state")
    assert (log.generation, log.size) == (1, 1)
    await log.close()


async def test_the_quarantined_files_are_untouched(tmp_path: Path) -> None:
    """They are evidence: database and write-ahead log stay byte for byte."""
    path = await two_halves(tmp_path)
    async with opened(path) as log:
        await log.append(plain("in the write-ahead log").build)
        shutil.copytree(path, tmp_path / "crashed")
    crashed = tmp_path / "crashed"
    before = {name: (crashed / name).read_bytes() for name in (DATABASE, f"{DATABASE}-wal")}
    put_aside = quarantine(crashed, "test")
    log = open_generation(crashed, put_aside, signer_for, FakeClock())
    await log.close()
    assert {name: (put_aside.path / name).read_bytes() for name in before} == before
    assert log.size == 12


async def test_a_running_log_is_not_quarantined(tmp_path: Path) -> None:
    """Its process would go on writing into the evidence."""
    path = await two_halves(tmp_path)
    async with opened(path):
        with pytest.raises(LogLocked):
            quarantine(path, "too early")
    assert path.exists()


async def test_a_broken_off_change_over_is_found(tmp_path: Path) -> None:
    """No log, and a quarantined one without a successor."""
    path = await two_halves(tmp_path)
    assert pending_quarantine(path) is None
    put_aside = quarantine(path, "the reason is kept")
    with pytest.raises(LogMissing):
        open_log(path, signer_for, FakeClock())
    assert pending_quarantine(path) == put_aside
    log = open_generation(path, put_aside, signer_for, FakeClock())
    await log.close()
    assert pending_quarantine(path) is None


async def test_a_rolled_back_log_never_uses_a_generation_twice(tmp_path: Path) -> None:
    """The second file knows generation 1; the disk image of generation 0 came back; the next one is 2."""
    path = await two_halves(tmp_path)
    shutil.copytree(path, tmp_path / "image")
    log = open_generation(path, quarantine(path, "first"), signer_for, FakeClock(), tmp_path / "state")
    await log.close()
    shutil.rmtree(path)
    shutil.rmtree(tmp_path / "log.quarantined-0")
    (tmp_path / "image").rename(path)
    with pytest.raises(RolledBack, match=f"{ORIGIN_BASE}/1"):
        open_log(path, signer_for, FakeClock(), tmp_path / "state")
    put_aside = quarantine(path, "rolled back", tmp_path / "state")
    assert put_aside.next_generation == 2
    log = open_generation(path, put_aside, signer_for, FakeClock(), tmp_path / "state")
    assert log.origin == f"{ORIGIN_BASE}/2"
    await log.close()


async def test_the_same_generation_quarantined_twice_keeps_both(tmp_path: Path) -> None:
    """Two images of one generation lie side by side, and the next one is above both."""
    path = await two_halves(tmp_path)
    shutil.copytree(path, tmp_path / "image")
    first = quarantine(path, "one")
    (tmp_path / "image").rename(path)
    second = quarantine(path, "two")
    assert (first.path.name, second.path.name) == ("log.quarantined-0", "log.quarantined-0-2")
    assert second.next_generation == 1


async def test_an_entry_too_large_to_wrap_travels_in_parts(tmp_path: Path) -> None:
    """The parts together are the stranded entry, byte for byte."""
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append(plain(base64.b64encode(os.urandom(47_000)).decode()).build)
        (large,) = log.entries(0, 1)
    assert len(large) > 60_000
    log = open_generation(path, quarantine(path, "test"), signer_for, FakeClock())
    try:
        parts = [parse_entry(entry).document["part"] for entry in log.entries(1, log.size)]
        assert [(one["number"], one["of"]) for one in parts] == [(1, 2), (2, 2)]
        assert b"".join(base64.b64decode(one["bytes"]) for one in parts) == large
    finally:
        await log.close()
    again = open_generation(path, quarantine(path, "twice"), signer_for, FakeClock())
    try:
        parts = [parse_entry(entry).document.get("part") for entry in again.entries(2, again.size)]
        assert b"".join(base64.b64decode(one["bytes"]) for one in parts) == large
    finally:
        await again.close()
    assert fsck(path).ok
