"""What the signed checkpoints of a log say about its stranded entries: none comes back as if it were proven (P3)."""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from fake_clock import FakeClock
from log_entries import content_of, key_of, plain, scored
from log_harness import cosigned, new_log, opened, signer_for

from scorelog.format.entry import Entry, build_entry, parse_entry
from scorelog.format.tree import leaf_hash
from scorelog.format.wrapped import joined, part_of, wrapped
from scorelog.journal.fsck import fsck
from scorelog.journal.generation import open_generation, quarantine
from scorelog.journal.relog import new_document
from scorelog.journal.schema import DATABASE
from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from pathlib import Path


async def three_transactions(tmp_path: Path) -> Path:
    """Entries 0 to 4 receipted; then [5, 8), [8, 9) and [9, 12), each with a signed size of its own."""
    path = new_log(tmp_path)
    async with opened(path, tmp_path / "state") as log:
        await log.append_many([scored(key_of(n)) for n in range(5)])
        await log.save_receipt(cosigned(log.checkpoint()))
        for numbers in (range(5, 8), range(8, 9), range(9, 12)):
            await log.append_many([scored(key_of(n)) for n in numbers])
    return path


def change(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        for statement, values in statements:
            connection.execute(statement, values)
        connection.commit()


def forged(path: Path, index: int) -> tuple[str, tuple[object, ...]]:
    """Entry and leaf changed together: the row contradicts itself nowhere."""
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        (entry,) = connection.execute("SELECT bytes FROM entry WHERE idx = ?", (index,)).fetchone()
    better = entry.replace(b'"score":8750', b'"score":9990')
    assert better != entry
    return "UPDATE entry SET bytes = ?, leaf = ? WHERE idx = ?", (better, leaf_hash(better), index)


async def doubts(path: Path, tmp_path: Path) -> dict[int, str | None]:
    """Of every relogged entry, by its index in the old log."""
    log = open_generation(path, quarantine(path, "test", tmp_path / "state"), signer_for, FakeClock())
    try:
        documents = [parse_entry(entry).document for entry in log.entries(0, log.size)]
    finally:
        await log.close()
    assert fsck(path).ok
    return {one["previous"]["index"]: one.get("doubt") for one in documents if one["type"] == "relogged"}


async def test_an_untouched_log_leaves_no_doubt(tmp_path: Path) -> None:
    """What the signed sizes bear out is logged again without a mark."""
    path = await three_transactions(tmp_path)
    assert await doubts(path, tmp_path) == dict.fromkeys(range(5, 12))


async def test_what_was_changed_after_it_was_signed_is_marked(tmp_path: Path) -> None:
    """P3: an entry altered together with its leaf is `altered`, what lies behind it `unproven`, before it neither."""
    path = await three_transactions(tmp_path)
    change(path, forged(path, 8))
    assert await doubts(path, tmp_path) == {
        **dict.fromkeys(range(5, 8)), 8: "altered", **dict.fromkeys(range(9, 12), "unproven"),
    }  # fmt: skip


async def test_a_stretch_is_as_long_as_its_transaction(tmp_path: Path) -> None:
    """No signed size lies inside it, so every entry of the stretch carries the mark."""
    path = await three_transactions(tmp_path)
    change(path, forged(path, 6))
    assert list((await doubts(path, tmp_path)).values()) == ["altered"] * 3 + ["unproven"] * 4


async def test_a_removed_checkpoint_makes_the_stretch_longer(tmp_path: Path) -> None:
    """Whoever removes a signed size to hide what he did only makes more of the log doubtful."""
    path = await three_transactions(tmp_path)
    change(path, forged(path, 8), ("DELETE FROM checkpoint WHERE size = 9", ()))
    found = await doubts(path, tmp_path)
    assert [found[index] for index in range(5, 12)] == [None] * 3 + ["altered"] * 4


async def test_a_forged_checkpoint_counts_for_nothing(tmp_path: Path) -> None:
    """A note that the log's key did not sign is as good as none."""
    path = await three_transactions(tmp_path)
    change(path, forged(path, 11), ("UPDATE checkpoint SET note = x'00' WHERE size = 12", ()))
    found = await doubts(path, tmp_path)
    assert [found[index] for index in range(5, 12)] == [None] * 4 + ["unproven"] * 3


async def test_a_changed_leaf_alone_leaves_the_others_proven(tmp_path: Path) -> None:
    """The bytes still lead to the signed root; only the entry that contradicts its leaf is left behind."""
    path = await three_transactions(tmp_path)
    change(path, ("UPDATE entry SET leaf = zeroblob(32) WHERE idx = 6", ()))
    assert await doubts(path, tmp_path) == dict.fromkeys((5, 7, 8, 9, 10, 11))


async def test_a_hole_leaves_what_is_beside_and_behind_it_unproven(tmp_path: Path) -> None:
    """Nobody can tell: not altered, not proven."""
    path = await three_transactions(tmp_path)
    change(path, ("DELETE FROM entry WHERE idx = 6", ()))
    assert await doubts(path, tmp_path) == {5: "unproven", **dict.fromkeys(range(7, 12), "unproven")}


@pytest.mark.parametrize("where", ["leaf", "node"])
async def test_the_receipted_part_may_be_damaged(tmp_path: Path, where: str) -> None:
    """Stored nodes or leaves lead to the receipt's root: either will do to go on from it."""
    path = new_log(tmp_path)
    async with opened(path, tmp_path / "state") as log:
        await log.append_many([scored(key_of(n)) for n in range(300)])
        await log.save_receipt(cosigned(log.checkpoint()))
        await log.append_many([scored(key_of(n)) for n in range(300, 303)])
    statement = {
        "leaf": "UPDATE entry SET leaf = zeroblob(32) WHERE idx = 3",
        "node": "UPDATE node SET hash = zeroblob(32)",
    }[where]
    change(path, (statement, ()))
    assert await doubts(path, tmp_path) == dict.fromkeys(range(300, 303))


async def test_a_receipted_part_that_leads_nowhere_makes_all_unproven(tmp_path: Path) -> None:
    """Without the tree under the receipt no later root can be compared."""
    path = await three_transactions(tmp_path)
    change(path, ("UPDATE entry SET leaf = zeroblob(32), bytes = x'7b7d' WHERE idx = 2", ()))
    assert await doubts(path, tmp_path) == dict.fromkeys(range(5, 12), "unproven")


async def test_a_doubt_outlives_the_next_generation(tmp_path: Path) -> None:
    """Stranded twice: the second log is sound, but what it holds was doubtful when it was logged again."""
    path = await three_transactions(tmp_path)
    change(path, forged(path, 8))
    await doubts(path, tmp_path)
    found = await doubts(path, tmp_path)
    assert sorted(filter(None, found.values())) == ["altered"] + ["unproven"] * 3


async def test_a_record_that_travels_in_parts_keeps_its_key(tmp_path: Path) -> None:
    """Rule 15: the rig shows a large record again after the change-over, and it is known, also one generation later."""
    path, note = new_log(tmp_path), base64.b64encode(os.urandom(35_000)).decode()
    async with opened(path) as log:
        await log.append_many([scored(key_of(1), note=note), plain("small")])
        (large,) = log.entries(0, 1)
    for _ in range(2):
        log = open_generation(path, quarantine(path, "test"), signer_for, FakeClock())
        try:
            again = await log.append(scored(key_of(1)).build, key_of(1), content_of("first reading"))
            assert again.existing
            entries = [parse_entry(entry) for entry in log.entries(0, log.size)]
            pieces = [part for part in map(part_of, entries) if part is not None]
            assert joined(pieces) == large
            assert part_of(entries[again.index]) == pieces[-1]
        finally:
            await log.close()
        assert fsck(path).findings == []


async def test_a_plan_in_parts_is_adopted_again_before_what_it_bound(tmp_path: Path) -> None:
    """P4: stranded entries name their plan; all its parts go before them, once, and no plan that nobody names."""
    text, other = "平" * 20_000 + '"' * 8_000, "other"
    plan = hashlib.sha256(text.encode()).hexdigest()
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append_many([*adopted_plan(other, 1), *adopted_plan(text, 3)])
        await log.save_receipt(cosigned(log.checkpoint()))
        await log.append(plain("bound", plan=plan).build)
    for _ in range(2):
        log = open_generation(path, quarantine(path, "test"), signer_for, FakeClock())
        try:
            entries = [parse_entry(entry) for entry in log.entries(0, log.size)]
            await log.save_receipt(cosigned(log.checkpoint()))
            await log.append(plain("bound once more", plan=plan).build)
        finally:
            await log.close()
        assert [one.type for one in entries[:5]] == ["generation.opened"] + ["plan.adopted"] * 3 + ["relogged"]
        assert "".join(one.document["text"] for one in entries[1:4]) == text
        assert {(one.document["sha256"], one.document["version"]) for one in entries[1:4]} == {(plan, 7)}


async def test_a_stranded_part_of_a_plan_can_be_put_together(tmp_path: Path) -> None:
    """A plan that was adopted after the last receipt and is logged again in parts of its parts."""
    text = "平" * 10_000 + '"' * 8_000
    path = new_log(tmp_path)
    async with opened(path) as log:
        await log.append_many(adopted_plan(text, 1))
        (first,) = log.entries(0, 1)
    log = open_generation(path, quarantine(path, "test"), signer_for, FakeClock())
    try:
        entries = [parse_entry(entry) for entry in log.entries(1, log.size)]
    finally:
        await log.close()
    assert inner_entries(entries) == [first]


def inner_entries(entries: list[Entry]) -> list[bytes]:
    found, pieces = [], []
    for one in entries:
        part, whole = part_of(one), wrapped(one)
        pieces += [part] if part else []
        whole = joined(pieces) if part and part.number == part.of else whole
        found += [whole] if whole else []
    return found


def adopted_plan(text: str, parts: int) -> list[AppendRequest]:
    """The entries that adopt a plan in so many parts."""
    digest, width = hashlib.sha256(text.encode()).hexdigest(), -(-len(text) // parts)
    requests = []
    for part in range(1, parts + 1):
        fields: dict[str, Any] = {
            **new_document("plan.adopted", FakeClock()), "sha256": digest, "version": 7, "part": part, "of": parts,
            "text": text[(part - 1) * width : part * width],
        }  # fmt: skip
        requests.append(AppendRequest(lambda _, fields=fields: build_entry(fields), None, None, ()))  # type: ignore[misc]
    return requests
