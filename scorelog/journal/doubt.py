"""What the signed checkpoints of a log that was given up say about the entries which are logged again.

    receipt's root ── leaves ──> signed root ── leaves ──> signed root …
         good                     good                      another: that stretch is `altered`, all behind it `unproven`

Whoever changes an entry *and* its leaf on the disk leaves no entry that contradicts itself; but every transaction ended
with a signed root, which he cannot make again. Owns that comparison. Reads only; damage never stops it, it is a doubt.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.errors import FormatError
from scorelog.format.note import parse_vkey
from scorelog.format.tree import CompactRange, leaf_hash, range_from
from scorelog.format.wrapped import ALTERED, UNPROVEN
from scorelog.journal import rows
from scorelog.journal.nodes import StoredNodes, read_row
from scorelog.journal.salvage import each_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scorelog.format.checkpoint import Checkpoint
    from scorelog.format.note import Verifier
    from scorelog.journal.rows import CheckpointRow
    from scorelog.journal.salvage import Row

_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Doubts:
    """From index to doubt: [start, clean) is borne out, [clean, changed) altered, the rest unproven."""

    stretches: tuple[tuple[int, str | None], ...]  # (first index, doubt), in order

    def of(self, index: int) -> str | None:
        """`altered`, `unproven`, or None."""
        at = bisect_right(self.stretches, index, key=lambda stretch: stretch[0]) - 1
        return self.stretches[at][1] if at >= 0 else UNPROVEN


def find_doubts(connection: sqlite3.Connection, vkey: str, receipt: CheckpointRow | None, size: int) -> Doubts:
    """About the entries from the receipt's size on."""
    start, verifier = 0 if receipt is None else receipt.size, parse_vkey(vkey)
    try:
        compact = _receipted(connection, verifier, receipt)
        return Doubts(((start, UNPROVEN),)) if compact is None else _compared(connection, verifier, compact, size)
    except sqlite3.DatabaseError:
        return Doubts(((start, UNPROVEN),))


def _receipted(
    connection: sqlite3.Connection, verifier: Verifier, receipt: CheckpointRow | None
) -> CompactRange | None:
    """The tree under the receipt, from the stored nodes or else from all leaves; None if neither gives its root."""
    if receipt is None:
        return CompactRange()
    checkpoint = _opened(receipt, verifier)
    ways: tuple[Callable[[], CompactRange], ...] = (
        lambda: range_from(receipt.size, StoredNodes(connection, lambda: receipt.size)),
        lambda: _from_leaves(connection, receipt.size),
    )
    for way in ways:
        try:
            compact = way()
        except (IndexError, FormatError, TypeError, sqlite3.DatabaseError):
            continue
        if checkpoint is not None and compact.root() == checkpoint.root:
            return compact
    return None


def _from_leaves(connection: sqlite3.Connection, size: int) -> CompactRange:
    compact = CompactRange()
    for start in range(0, size, _CHUNK):
        compact.extend(read_row(connection, 0, start, min(size, start + _CHUNK)))
    return compact


def _compared(connection: sqlite3.Connection, verifier: Verifier, compact: CompactRange, size: int) -> Doubts:
    """Signed size by signed size, up to the first that has another root."""
    good: list[tuple[int, str | None]] = []
    for checkpoint in _signed(connection, verifier, compact.size, size):
        first, found = compact.size, list(each_entry(connection, compact.size, checkpoint.size))
        following = _extended(compact, found, checkpoint)
        if following is None:
            hole = any(not row.leaf for row in found)
            return Doubts((*good, (first, UNPROVEN if hole else ALTERED), (checkpoint.size, UNPROVEN)))
        good.append((first, None))
        compact = following
    return Doubts((*good, (compact.size, UNPROVEN)))


def _extended(compact: CompactRange, found: Sequence[Row], checkpoint: Checkpoint) -> CompactRange | None:
    """With the stored leaves, or with the leaves that the stored bytes have (then a leaf was changed, no entry)."""
    for leaves in ([row.leaf for row in found], [leaf_hash(row.entry) for row in found]):
        longer = compact.copy()
        longer.extend(leaves)
        if longer.root() == checkpoint.root:
            return longer
    return None


def _signed(connection: sqlite3.Connection, verifier: Verifier, above: int, most: int) -> Iterator[Checkpoint]:
    """The checkpoints that the log's key signed, the smallest first."""
    for row in rows.checkpoints_upwards(connection):
        if isinstance(row.size, int) and above < row.size <= most:
            checkpoint = _opened(row, verifier)
            if checkpoint is not None:
                yield checkpoint


def _opened(row: CheckpointRow, verifier: Verifier) -> Checkpoint | None:
    try:
        checkpoint, _ = open_checkpoint(row.note, verifier)
    except (FormatError, TypeError, AttributeError):  # a damaged row may hold anything
        return None
    return checkpoint if checkpoint.size == row.size else None
