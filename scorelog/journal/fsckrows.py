"""The other tables in fsck: stored nodes, idempotency keys, openings and receipts against the entries."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from scorelog.format import types
from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.commitment import Opening, check_opening
from scorelog.format.entry import parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.note import open_note
from scorelog.format.tree import leaf_hash
from scorelog.format.wrapped import key_of
from scorelog.journal import rows
from scorelog.journal.generation import key_row_bytes
from scorelog.journal.nodes import TILE_HEIGHT, fold
from scorelog.journal.salvage import each_entry

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from scorelog.format.entry import Entry
    from scorelog.format.note import Verifier
    from scorelog.journal.fscktree import Findings, TreeCheck
    from scorelog.journal.salvage import Row

_TILE: Final = 256


def check_nodes(connection: sqlite3.Connection, tree: TreeCheck, findings: Findings) -> None:
    """Stored nodes of level 8, 16, … against the leaves they stand for."""
    level, below = TILE_HEIGHT, tree.tiles
    while below:
        stored = dict(connection.execute("SELECT idx, hash FROM node WHERE level = ?", (level,)))
        for index, expected in enumerate(below):
            if expected is not None and stored.get(index) != expected:
                findings.add(index << level, "node", f"the stored node {index} of level {level} is another")
        for index in sorted(set(stored) - set(range(len(below)))):
            findings.add(None, "node", f"a stored node {index} of level {level} that no entries are below")
        above: list[bytes | None] = []
        for first in range(0, len(below) - _TILE + 1, _TILE):
            row = [one for one in below[first : first + _TILE] if one is not None]
            above.append(fold(row) if len(row) == _TILE else None)
        level, below = level + TILE_HEIGHT, above
    extra = connection.execute("SELECT count(*) FROM node WHERE level >= ?", (level,)).fetchone()[0]
    if extra:
        findings.add(None, "node", f"{extra} stored nodes of level {level} and above, which this tree does not have")


def check_keys(connection: sqlite3.Connection, generation: int, size: int, findings: Findings) -> None:
    """Every entry of a record has its row, with its own index and leaf; no row is without its entry."""
    expected = 0
    for row, entry in _parsed(each_entry(connection, 0, size)):
        known = key_of(entry)
        if known is None:
            continue
        expected += 1
        key, content = known
        found = [one for one in rows.read_key(connection, key) if one.content == content]
        if [(one.generation, one.idx, one.leaf) for one in found] != [(generation, row.index, row.leaf)]:
            where = ", ".join(f"entry {one.idx} of generation {one.generation}" for one in found) or "nothing"
            findings.add(row.index, "key", f"for this entry's key the table knows {where}")
    held = connection.execute("SELECT count(*) FROM entry_key WHERE generation = ?", (generation,)).fetchone()[0]
    if held > expected:
        _name_extra_keys(connection, generation, findings)


def _name_extra_keys(connection: sqlite3.Connection, generation: int, findings: Findings) -> None:
    for key, row in rows.all_keys(connection):
        if row.generation != generation:
            continue
        entry = next((found for _, found in _parsed(each_entry(connection, row.idx, row.idx + 1))), None)
        if entry is None or key_of(entry) != (key, row.content):
            findings.add(row.idx, "key", f"the table has rig {key.rig}, record {key.seq} here, the entry does not")


def check_carried(connection: sqlite3.Connection, generation: int, findings: Findings) -> None:
    """Keys of earlier generations against the number and hash in entry 0."""
    digest, count = hashlib.sha256(), 0
    for key, row in rows.all_keys(connection):
        if row.generation != generation:
            digest.update(key_row_bytes(key, row))
            count += 1
    found = next((entry for _, entry in _parsed(each_entry(connection, 0, 1))), None)
    stated = _stated_keys(found)
    if stated != {"count": count, "sha256": digest.hexdigest()}:
        told = stated.get("count") if isinstance(stated, dict) else None
        findings.add(0, "carried", f"{count} keys of earlier generations are not the {told} of entry 0")


def _stated_keys(first: Entry | None) -> object:
    """What entry 0 says of the keys from before it; it was signed as it is, so that may be anything."""
    none = {"count": 0, "sha256": hashlib.sha256().hexdigest()}
    if first is None or first.type != types.GENERATION_OPENED:
        return none
    previous = first.document.get("previous", {})
    return previous.get("keys", none) if isinstance(previous, dict) else None


def check_openings(connection: sqlite3.Connection, findings: Findings) -> None:
    """Each opens a commitment of its entry. An absent one was erased, which is no fault."""
    for index, field, blind, value in rows.all_opening_rows(connection):
        entry = next((found for _, found in _parsed(each_entry(connection, index, index + 1))), None)
        try:
            good = entry is not None and check_opening(Opening(index, field, blind, value), entry)
        except (FormatError, TypeError, AttributeError):
            good = False
        if not good:
            findings.add(index, "opening", f"the opening of {field!r} opens no commitment of the entry")


def check_receipts(
    connection: sqlite3.Connection, tree: TreeCheck, log: Verifier, cosigners: Sequence[Verifier], findings: Findings
) -> None:
    """Each is about this very tree, and the known keys' lines verify."""
    for row in rows.receipts_downwards(connection):
        try:
            checkpoint, note = open_checkpoint(row.note, log)
            for cosigner in cosigners:
                open_note(note, (cosigner,))
        except (FormatError, TypeError, AttributeError) as error:
            findings.add(None, "receipt", f"the one of size {row.size} is damaged: {error}")
            continue
        root = tree.root_at(row.size)
        if checkpoint.size != row.size:
            findings.add(None, "receipt", f"the one kept for size {row.size} is of size {checkpoint.size}")
        elif row.size > tree.size:
            findings.add(tree.size, "rollback", f"a receipt knows size {row.size}, the log holds {tree.size}")
        elif root is not None and root != checkpoint.root:
            findings.add(None, "receipt", f"the one of size {row.size} is about another tree")


def _parsed(found: Iterator[Row]) -> Iterator[tuple[Row, Entry]]:
    """The rows that hold an entry; the others are findings of the tree check already."""
    for row in found:
        if row.missing or row.error is not None or leaf_hash(row.entry) != row.leaf:
            continue
        try:
            yield row, parse_entry(row.entry)
        except FormatError:
            continue  # signed like this; what it says is judged elsewhere
