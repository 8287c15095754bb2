"""P3: each damage of a small tree, in every place of it, is told in exactly the words that its definition gives.

An oracle over whole behaviour: what was done says what must be found, and where; nothing more may be said.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from forged_log import ORIGIN, signed_note
from log_harness import signer_for
from memory_tree import VERIFIER, MemoryTree, entry, root

from scorelog.format.tree import leaf_hash
from scorelog.journal.doubt import find_doubts
from scorelog.journal.rows import CheckpointRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Said = list[tuple[int | None, str, str]]
SIZE = 9
LAYOUTS = ((9,), (1, 3, 7, 9))
FOREIGN = b"foreign"
BEHIND = f"this entry was never signed; the newest signed size is {SIZE}"


@pytest.fixture(params=LAYOUTS, ids=str)
def tree(request: pytest.FixtureRequest) -> Iterator[MemoryTree]:
    made = MemoryTree(SIZE, request.param)
    yield made
    made.connection.close()


def told(tree: MemoryTree, *said: tuple[int | None, str, str], size: int = SIZE, trusted: int = SIZE) -> None:
    """Exactly this; every signed size up to `trusted` is borne out, and no other."""
    found, checked = tree.check()
    assert found == list(said)
    assert checked.size == size
    for one in range(SIZE + 3):
        good = one in tree.signed and one <= trusted
        assert checked.root_at(one) == (root(one) if good else None), one
    tree.restore()


def lost(tree: MemoryTree, index: int, what: str = "they", kind: str = "altered") -> tuple[int, str, str]:
    start, stop = tree.span(index)
    return start, kind, f"entries {start} to {stop - 1}: {what} do not lead to the signed root of size {stop}"


def test_a_sound_tree_has_no_findings(tree: MemoryTree) -> None:
    """Its size and the root of each signed size are known, and of no other."""
    told(tree)


def test_an_altered_entry_or_leaf_is_named_in_its_place(tree: MemoryTree) -> None:
    """The leaf tells of the entry, the entry of the leaf; both altered tell only that the span is."""
    for index in range(SIZE):
        tree.sql("UPDATE entry SET bytes = ? WHERE idx = ?", FOREIGN, index)
        told(tree, (index, "flip", "the entry is not the one that was signed"))
        tree.sql("UPDATE entry SET leaf = ? WHERE idx = ?", leaf_hash(FOREIGN), index)
        told(tree, (index, "leaf", "the stored leaf hash is not that of the entry"))
        tree.sql("UPDATE entry SET leaf = x'00' WHERE idx = ?", index)
        told(tree, (index, "leaf", "the stored leaf hash is not that of the entry"))
        tree.sql("UPDATE entry SET bytes = ?, leaf = ? WHERE idx = ?", FOREIGN, leaf_hash(FOREIGN), index)
        told(tree, lost(tree, index), trusted=tree.span(index)[0])


def test_what_cannot_be_read_is_named_and_what_its_leaf_bears_out_is_trusted(tree: MemoryTree) -> None:
    """A row that is gone leaves a hole; one of another type still has its leaf, or has not."""
    for index in range(SIZE):
        tree.sql("UPDATE entry SET bytes = 'text' WHERE idx = ?", index)
        text = (index, "unreadable", f"entry {index} is stored as bytes and str")
        told(tree, text, lost(tree, index), trusted=tree.span(index)[0])
        tree.sql("DELETE FROM entry WHERE idx = ?", index)
        if index < SIZE - 1:
            told(tree, (index, "drop", "the entry is gone"), lost(tree, index), trusted=tree.span(index)[0])
        tree.restore()


def test_every_two_entries_swapped_are_named_with_where_they_belong(tree: MemoryTree) -> None:
    """Within a span: who stands here; across spans: where what was signed here stands."""
    for one, other in combinations(range(SIZE), 2):
        entries = {at: entry(at) for at in range(SIZE)}
        entries[one], entries[other] = entry(other), entry(one)
        tree.put(entries)
        here = "here stands the entry that was signed at index"
        there = "the entry that was signed here stands at index"
        words = here if tree.span(one) == tree.span(other) else there
        flip = "the entry is not the one that was signed"
        said = [(at, "reorder", f"{words} {from_}") for at, from_ in ((one, other), (other, one))]
        said += [(at, "flip", flip) for at in (one, other)]
        told(tree, *(said if words == here else (said[0], said[2], said[1], said[3])))


def test_an_entry_put_in_is_named_wherever_it_stands(tree: MemoryTree) -> None:
    """Those after it are moved by one; at the end and below 0 it is told by its index alone."""
    for index in range(SIZE + 1):
        listed = [entry(at) for at in range(SIZE)]
        tree.put(dict(enumerate([*listed[:index], FOREIGN, *listed[index:]])))
        if index == SIZE:
            told(
                tree, (index, "insert", f"this entry was never signed; the newest signed size is {SIZE}"), size=SIZE + 1
            )
            continue
        moved = (index, "insert", "this entry was never signed; those after it are moved by one")
        told(tree, moved, size=SIZE + 1, trusted=tree.span(index)[1])
    for wild, size in ((-3, SIZE), (10**15, SIZE + 1)):
        tree.sql("INSERT INTO entry (idx, leaf, bytes) VALUES (?, ?, ?)", wild, leaf_hash(FOREIGN), FOREIGN)
        told(tree, (wild, "insert", BEHIND), size=size)


def test_an_entry_taken_out_is_a_log_too_short_and_a_span_that_leads_nowhere(tree: MemoryTree) -> None:
    """The others moved down into the gap: the end says how many are gone, the first wrong span where."""
    for index in range(SIZE):
        listed = [entry(at) for at in range(SIZE) if at != index]
        tree.put(dict(enumerate(listed)))
        end = (SIZE - 1, "drop", f"entries {SIZE - 1} to {SIZE - 1} are gone; size {SIZE} was signed")
        start, stop = tree.span(index)
        said = [] if stop == SIZE else [lost(tree, index, "one is gone, and the others", "drop")]
        told(tree, end, *said, size=SIZE - 1, trusted=start)


def test_an_end_cut_off_is_told_by_what_was_signed(tree: MemoryTree) -> None:
    """P3: each shorter log; what is left of it is borne out up to its last signed size."""
    for size in range(SIZE):
        tree.sql("DELETE FROM entry WHERE idx >= ?", size)
        end = (size, "drop", f"entries {size} to {SIZE - 1} are gone; size {SIZE} was signed")
        told(tree, end, size=size, trusted=size)


def test_a_checkpoint_that_says_something_else_is_named(tree: MemoryTree) -> None:
    """Gone, damaged, of another size, of another root; without any of them nothing was signed."""
    for size in tree.signed[:-1]:
        tree.sql("UPDATE checkpoint SET note = x'00' WHERE size = ?", size)
        found, checked = tree.check()
        ((index, kind, words),) = found
        assert (index, kind) == (None, "checkpoint")
        assert words.startswith(f"the one kept for size {size} is damaged: ")
        assert (checked.root_at(size), checked.root_at(SIZE)) == (None, root(SIZE))
        tree.restore()
        tree.sql("UPDATE checkpoint SET size = 2 WHERE size = ?", size)
        told(tree, (None, "checkpoint", f"the one kept for size 2 is of size {size}"))
        tree.sql("UPDATE checkpoint SET note = ? WHERE size = ?", signed_note(size, bytes(32)), size)
        told(tree, lost(tree, size - 1), trusted=tree.span(size - 1)[0])
    tree.sql("DELETE FROM checkpoint")
    found, checked = tree.check()
    behind = "this entry was never signed; the newest signed size is 0"
    assert found == [(None, "checkpoint", "there is none"), *((at, "insert", behind) for at in range(SIZE))]
    assert checked.size == SIZE


def test_behind_a_lost_span_only_what_contradicts_itself_is_named(tree: MemoryTree) -> None:
    """Nothing there can be held against a signature any more; entries are still held against their leaves."""
    tree.sql("UPDATE entry SET bytes = ?, leaf = ? WHERE idx = 0", FOREIGN, leaf_hash(FOREIGN))
    for index in range(tree.span(0)[1], SIZE):
        tree.sql("SAVEPOINT one")
        for change, said in (
            ("bytes = x'00'", (index, "flip", "the entry does not hash to its leaf")),
            ("leaf = x'00'", (index, "flip", "the entry does not hash to its leaf")),
            ("bytes = 7", (index, "unreadable", f"entry {index} is stored as bytes and int")),
        ):
            tree.sql(f"UPDATE entry SET {change} WHERE idx = ?", index)  # noqa: S608  # words of this test
            assert tree.check()[0] == [lost(tree, 0), said]
            tree.sql("ROLLBACK TO one")


def doubts(tree: MemoryTree, receipt: int) -> list[str | None]:
    row = CheckpointRow(receipt, signed_note(receipt, root(receipt))) if receipt else None
    found = find_doubts(tree.connection, signer_for(ORIGIN).vkey, row, SIZE)
    return [found.of(index) for index in range(receipt, SIZE)]


def expected(tree: MemoryTree, receipt: int, index: int, doubt: str) -> list[str | None]:
    """Borne out before the span of `index`, this doubt in it, unproven behind it."""
    start, stop = tree.span(index)
    start = max(start, receipt)
    return [None if at < start else doubt if at < stop else "unproven" for at in range(receipt, SIZE)]


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        (lambda tree, at: tree.sql("UPDATE entry SET bytes = x'00' WHERE idx = ?", at), None),
        (lambda tree, at: tree.sql("UPDATE entry SET leaf = zeroblob(32) WHERE idx = ?", at), None),
        (lambda tree, at: tree.sql("UPDATE entry SET bytes = x'00', leaf = zeroblob(32) WHERE idx = ?", at), "altered"),
        (lambda tree, at: tree.sql("DELETE FROM entry WHERE idx = ?", at), "unproven"),
        (lambda tree, at: tree.sql("UPDATE entry SET bytes = 'text' WHERE idx = ?", at), "unproven"),
    ],
    ids=["entry", "leaf", "both", "gone", "unreadable"],
)  # fmt: skip
def test_every_entry_of_a_log_that_is_given_up_carries_its_doubt(
    tree: MemoryTree, change: Callable[[MemoryTree, int], None], doubt: str | None
) -> None:
    """P3: from each receipt on, for each damage in each place: no more is doubted than that, and no less."""
    for receipt in (0, *tree.signed[:-1]):
        assert doubts(tree, receipt) == [None] * (SIZE - receipt)
        for index in range(receipt, SIZE):
            change(tree, index)
            wanted = [None] * (SIZE - receipt) if doubt is None else expected(tree, receipt, index, doubt)
            assert doubts(tree, receipt) == wanted, (receipt, index)
            tree.restore()


def test_a_receipt_that_the_log_does_not_bear_out_leaves_all_unproven(tree: MemoryTree) -> None:
    """P3: an entry below the receipt altered with its leaf, or a receipt of another root: nothing follows from it."""
    for receipt in tree.signed[:-1]:
        tree.sql("UPDATE entry SET bytes = x'00', leaf = zeroblob(32) WHERE idx = ?", receipt - 1)
        assert set(doubts(tree, receipt)) == {"unproven"}
        tree.restore()
        other = CheckpointRow(receipt, signed_note(receipt, bytes(32)))
        assert find_doubts(tree.connection, signer_for(ORIGIN).vkey, other, SIZE).of(receipt) == "unproven"


def test_what_no_signed_size_covers_is_unproven(tree: MemoryTree) -> None:
    """Up to the last signed size that is left, borne out; behind it nobody can tell."""
    for size in tree.signed[1:]:
        tree.sql("DELETE FROM checkpoint WHERE size >= ?", size)
        before = max(one for one in tree.signed if one < size)
        assert doubts(tree, 0) == [None] * before + ["unproven"] * (SIZE - before)
        tree.restore()


def test_the_key_of_the_log_is_the_only_one_that_counts(tree: MemoryTree) -> None:
    """A checkpoint by another origin is as good as none."""
    assert VERIFIER.name == ORIGIN
    tree.sql("UPDATE checkpoint SET note = ?", signed_note(SIZE, root(SIZE), "exam.example/gw/gw-02/0"))
    found, checked = tree.check()
    assert {one[1] for one in found} == {"checkpoint", "insert"}
    assert checked.root_at(SIZE) is None
    assert set(doubts(tree, 0)) == {"unproven"}
