"""The tree part of fsck: entries, leaf hashes and every kept checkpoint against each other."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Final, Protocol

from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.errors import FormatError
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.journal import rows
from scorelog.journal.salvage import each_entry

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from scorelog.format.note import Verifier
    from scorelog.journal.salvage import Row

_SWAPS_MAX: Final = 5_000  # pairs tried in one span
_MOVED_MAX: Final = 20_000  # entries from elsewhere tried in one span
_SPAN_MAX: Final = 4_096  # entries held at once when checkpoints between them are damaged
_TILE: Final = 256


class Findings(Protocol):
    """Where findings go."""

    def add(self, index: int | None, kind: str, detail: str) -> None:
        """Note one."""
        ...


class TreeCheck:
    """Walks the log from signed size to signed size; keeps what later checks need."""

    def __init__(self, connection: sqlite3.Connection, origin: str, verifier: Verifier, findings: Findings) -> None:
        self.connection = connection
        self.size = 0
        self.tiles: list[bytes | None] = []  # the node over each 256 trusted leaves; None where trust is broken
        self._origin = origin
        self._verifier = verifier
        self._findings = findings
        self._range: CompactRange | None = CompactRange()  # None once the leaves before a point are unknown
        self._tile: list[bytes | None] = []
        self._short = False  # fewer entries than were signed
        self._long = False  # more entries than were signed
        self._shifted = False  # an inserted entry was found, which explains one too many
        self._roots: dict[int, bytes] = {}

    def run(self) -> None:
        """All of it."""
        signed = dict(self._checkpoints())
        newest = max(signed, default=0)
        stray = rows.indexes_from(self.connection, newest)  # a wild index must not become a size
        self.size = newest + len(stray) if stray else rows.count_entries(self.connection)
        self._short, self._long = newest > self.size, newest < self.size
        if self._short:
            self._findings.add(
                self.size, "drop", f"entries {self.size} to {newest - 1} are gone; size {newest} was signed"
            )
        sizes = sorted({0, *(size for size in signed if size <= self.size)})
        for start, stop in pairwise(sizes):
            self._span(start, stop, signed[stop])
        if not self._shifted:
            self._unsigned_end(sizes[-1], stray)

    def root_at(self, size: int) -> bytes | None:
        """The verified root of a signed size, if it is one."""
        return self._roots.get(size)

    def _checkpoints(self) -> Iterator[tuple[int, bytes]]:
        """Size and root of every checkpoint that verifies; the others are findings."""
        last = None
        for row in rows.checkpoints_upwards(self.connection):
            last = row
            try:
                checkpoint, _ = open_checkpoint(row.note, self._verifier)
            except (FormatError, TypeError, AttributeError) as error:
                self._findings.add(None, "checkpoint", f"the one kept for size {row.size} is damaged: {error}")
                continue
            if checkpoint.size != row.size:
                self._findings.add(None, "checkpoint", f"the one kept for size {row.size} is of size {checkpoint.size}")
            yield checkpoint.size, checkpoint.root
        if last is None:
            self._findings.add(None, "checkpoint", "there is none")

    def _span(self, start: int, stop: int, root: bytes) -> None:
        if stop - start > _SPAN_MAX or self._range is None:
            self._skip(start, stop, root)
            return
        span = list(each_entry(self.connection, start, stop))
        self._name_unreadable(span)
        leaves = self._trusted(start, span, root)
        if leaves is None:
            self._lose(start, stop)
            return
        self._range.extend(leaves)
        self._roots[stop] = root
        self._keep(leaves)
        if self._shifted:
            self._range = None
            return
        for row, leaf in zip(span, leaves, strict=True):
            if row.error is None and not row.missing and leaf_hash(row.entry) != leaf:
                self._findings.add(row.index, "flip", "the entry is not the one that was signed")

    def _trusted(self, start: int, span: Sequence[Row], root: bytes) -> list[bytes] | None:
        """The leaves that lead to the signed root, and findings about why they are not the stored ones."""
        stored = [row.leaf for row in span]
        computed = [leaf_hash(row.entry) for row in span]
        if any(row.missing or row.error is not None for row in span):
            whole = [row.leaf or b"\0" * 32 for row in span]
            return whole if self._leads(whole, root) else None
        if self._leads(stored, root):
            return stored
        if self._leads(computed, root):
            for row, leaf in zip(span, computed, strict=True):
                if row.leaf != leaf:
                    self._findings.add(row.index, "leaf", "the stored leaf hash is not that of the entry")
            return computed
        return (
            self._swapped(computed, start, root)
            or self._inserted(computed, start, root)
            or self._moved(computed, start, root)
        )

    def _swapped(self, leaves: list[bytes], start: int, root: bytes) -> list[bytes] | None:
        if len(leaves) * (len(leaves) - 1) // 2 > _SWAPS_MAX:
            pairs: Iterator[tuple[int, int]] = ((at, at + 1) for at in range(len(leaves) - 1))
        else:
            pairs = combinations(range(len(leaves)), 2)
        for one, other in pairs:
            tried = list(leaves)
            tried[one], tried[other] = tried[other], tried[one]
            if self._leads(tried, root):
                for at, source in ((one, other), (other, one)):
                    detail = f"here stands the entry that was signed at index {start + source}"
                    self._findings.add(start + at, "reorder", detail)
                return tried
        return None

    def _inserted(self, leaves: list[bytes], start: int, root: bytes) -> list[bytes] | None:
        """Try the span without each of its entries, with the one after it. Only where there is one too many."""
        if not self._long:
            return None
        follower = next(each_entry(self.connection, start + len(leaves), start + len(leaves) + 1), None)
        if follower is None or follower.missing or follower.error is not None:
            return None
        longer = [*leaves, leaf_hash(follower.entry)]
        for at in range(len(longer)):
            tried = longer[:at] + longer[at + 1 :]
            if self._leads(tried, root):
                self._findings.add(start + at, "insert", "this entry was never signed; those after it are moved by one")
                self._shifted = True  # every later index is, so nothing behind it can be told apart
                return tried
        return None

    def _moved(self, leaves: list[bytes], start: int, root: bytes) -> list[bytes] | None:
        """Try an entry from elsewhere, the nearest first, in each place of a short span."""
        stop = start + len(leaves)
        reach = _MOVED_MAX // (2 * len(leaves) ** 2)
        near = [*each_entry(self.connection, max(0, start - reach), start)]
        near += each_entry(self.connection, stop, min(self.size, stop + reach))
        near.sort(key=lambda row: abs(row.index - start))
        for row in near:
            leaf = leaf_hash(row.entry)
            for at in range(len(leaves)):
                tried = [*leaves[:at], leaf, *leaves[at + 1 :]]
                if self._leads(tried, root):
                    detail = f"the entry that was signed here stands at index {row.index}"
                    self._findings.add(start + at, "reorder", detail)
                    return tried
        return None

    def _leads(self, leaves: Sequence[bytes], root: bytes) -> bool:
        if self._range is None or any(len(leaf) != len(root) for leaf in leaves):
            return False
        tried = self._range.copy()
        tried.extend(leaves)
        return tried.root() == root

    def _name_unreadable(self, span: Sequence[Row]) -> None:
        for row in span:
            if row.missing:
                self._findings.add(row.index, "drop", "the entry is gone")
            elif row.error is not None:
                self._findings.add(row.index, "unreadable", row.error)

    def _lose(self, start: int, stop: int) -> None:
        """No explanation led to the signed root: name the span, and go on only if its hashes can be trusted again."""
        kind, what = ("drop", "one is gone, and the others") if self._short else ("altered", "they")
        detail = f"entries {start} to {stop - 1}: {what} do not lead to the signed root of size {stop}"
        self._findings.add(start, kind, detail)
        self._range = None
        self._keep([None] * (stop - start))

    def _skip(self, start: int, stop: int, root: bytes) -> None:
        """Behind a point from which the tree cannot be followed, entries are still held against their own leaves."""
        compact = self._range
        for row in each_entry(self.connection, start, stop):
            self._name_unreadable((row,))
            good = row.error is None and not row.missing
            if good and leaf_hash(row.entry) != row.leaf:
                self._findings.add(row.index, "flip", "the entry does not hash to its leaf")
            self._keep([row.leaf if good and compact is not None else None])
            if compact is not None and good and len(row.leaf) == len(root):
                compact.append(row.leaf)
        if compact is None:
            return
        if compact.size == stop and compact.root() == root:
            self._roots[stop] = root
        else:
            self._lose(start, stop)

    def _unsigned_end(self, start: int, stray: Sequence[int]) -> None:
        detail = f"this entry was never signed; the newest signed size is {start}"
        for index in [*rows.indexes_below_zero(self.connection), *stray]:
            self._findings.add(index, "insert", detail)

    def _keep(self, leaves: Sequence[bytes | None]) -> None:
        for leaf in leaves:
            self._tile.append(leaf)
            if len(self._tile) == _TILE:
                self.tiles.append(_fold(self._tile))
                self._tile = []


def _fold(tile: Sequence[bytes | None]) -> bytes | None:
    leaves = [leaf for leaf in tile if leaf is not None]
    if len(leaves) != len(tile):
        return None
    compact = CompactRange()
    compact.extend(leaves)
    return compact.root()
