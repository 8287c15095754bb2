"""What one transaction will write: planned in memory first, so that a refusal leaves nothing behind.

    requests ──plan──> Built entries + answers ──(room?)──> rows ──one transaction──> released head

Owns idempotency (same key and content: the old entry) and where checkpoints are due. Never writes a row itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from scorelog.journal import rows
from scorelog.journal.request import Built, built
from scorelog.journal.rows import CheckpointRow, KeyRow
from scorelog.journal.store import Appended

if TYPE_CHECKING:
    import sqlite3

    from scorelog.format.entry import EntryKey
    from scorelog.journal.store import AppendRequest

_PAGE: Final = 4096
_PAGES_PER_ENTRY: Final = 3  # its place in the entry and key trees, and what splitting a page costs
_PAGES_PER_TRANSACTION: Final = 8


@dataclass(slots=True)
class Batch:
    """The entries, receipts and sizes to sign of one transaction."""

    connection: sqlite3.Connection
    first: int  # index of the first new entry
    generation: int
    new: list[Built] = field(default_factory=list)
    receipts: list[CheckpointRow] = field(default_factory=list)
    sign: set[int] = field(default_factory=set)  # sizes below `first` that want a checkpoint of their own
    _keys: dict[EntryKey, list[KeyRow]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Nothing to write: no transaction is needed."""
        return not (self.new or self.receipts or self.sign)

    @property
    def need(self) -> int:
        """About how many bytes of disk the transaction takes, first in the write-ahead log."""
        payload = sum(one.entry_frame + one.openings_frame for one in self.new)
        return payload + _PAGE * (_PAGES_PER_TRANSACTION + _PAGES_PER_ENTRY * len(self.new))

    def plan(self, request: AppendRequest) -> Appended:
        """Decide about one request; raises what its builder raises, or AppendRefused."""
        known = self._known(request.key)
        for row in known:
            if row.content == request.content:
                return Appended(row.idx, row.leaf, existing=True, conflict_with=None, generation=row.generation)
        conflict = known[0].idx if known else None
        made = built(request, conflict)
        index = self.first + len(self.new)
        self.new.append(made)
        if made.key is not None and made.content is not None:
            known.append(KeyRow(made.content, self.generation, index, made.leaf))
        return Appended(index, made.leaf, existing=False, conflict_with=conflict, generation=self.generation)

    def forget(self, mark: int) -> None:
        """Take back everything planned since there were `mark` new entries."""
        del self.new[mark:]
        for known in self._keys.values():
            known[:] = [row for row in known if row.generation != self.generation or row.idx < self.first + mark]

    def key_rows(self) -> list[tuple[EntryKey, KeyRow]]:
        """The rows of the key table that the new entries add."""
        return [
            (made.key, KeyRow(made.content, self.generation, index, made.leaf))
            for index, made in enumerate(self.new, self.first)
            if made.key is not None and made.content is not None
        ]

    def _known(self, key: EntryKey | None) -> list[KeyRow]:
        if key is None:
            return []
        if key not in self._keys:
            self._keys[key] = rows.read_key(self.connection, key)
        return self._keys[key]
