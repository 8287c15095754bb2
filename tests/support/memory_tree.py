"""The tables of a log in memory: entries, their leaves and signed sizes, to be damaged in every place in turn."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from forged_log import ORIGIN, signed_note
from log_harness import signer_for

from scorelog.format.note import parse_vkey
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.journal import rows
from scorelog.journal.fsck import Report
from scorelog.journal.fscktree import TreeCheck
from scorelog.journal.rows import CheckpointRow
from scorelog.journal.schema import create_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

VERIFIER = parse_vkey(signer_for(ORIGIN).vkey)


def entry(index: int) -> bytes:
    """What stands at an index of a sound one."""
    return b"entry %d" % index


def root(size: int) -> bytes:
    """Of a sound one."""
    compact = CompactRange()
    compact.extend(leaf_hash(entry(index)) for index in range(size))
    return compact.root()


class MemoryTree:
    """`size` entries, with a signed size at each of `signed`."""

    def __init__(self, size: int, signed: Sequence[int]) -> None:
        self.size, self.signed = size, signed
        self.connection = sqlite3.connect(":memory:")
        create_tables(self.connection)
        self.put({index: entry(index) for index in range(size)})
        for one in signed:
            rows.insert_checkpoint(self.connection, CheckpointRow(one, signed_note(one, root(one))))
        self.connection.commit()

    def put(self, entries: dict[int, bytes]) -> None:
        """These entries with their leaves, and no others."""
        self.connection.execute("DELETE FROM entry")
        rows.insert_entries(self.connection, ((at, leaf_hash(one), one) for at, one in entries.items()))

    def sql(self, statement: str, *values: object) -> None:
        """One statement."""
        self.connection.execute(statement, values)

    def restore(self) -> None:
        """As it was made."""
        self.connection.rollback()

    def span(self, index: int) -> tuple[int, int]:
        """The signed sizes around an index."""
        return max([0, *(one for one in self.signed if one <= index)]), min(one for one in self.signed if one > index)

    def check(self) -> tuple[list[tuple[int | None, str, str]], TreeCheck]:
        """What the tree part of fsck finds, in its order; and itself."""
        report = Report(ORIGIN)
        tree = TreeCheck(self.connection, ORIGIN, VERIFIER, report)
        tree.run()
        assert {one.origin for one in report.findings} <= {ORIGIN}
        return [(one.index, one.kind, one.detail) for one in report.findings], tree
