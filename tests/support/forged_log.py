"""Logs in states that the journal itself never writes: rows changed by hand, and signed again where a test wants it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from log_entries import key_of, opening, plain, scored
from log_harness import ORIGIN_BASE, cosigned, new_log, opened, signer_for

from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.tree import CompactRange, leaf_hash
from scorelog.journal.schema import DATABASE

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = f"{ORIGIN_BASE}/0"


def change(path: Path, *statements: str, **values: object) -> None:
    """Run statements on the database of a closed log."""
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        for statement in statements:
            connection.execute(statement, values)
        connection.commit()


async def small_log(tmp_path: Path, count: int = 6) -> Path:
    """Half of the entries receipted; with keys and openings, and a second file beside it."""
    path = new_log(tmp_path)
    async with opened(path, tmp_path / "state") as log:
        await log.append_many([scored(key_of(n), openings=[opening("ticket", f"T{n}")]) for n in range(count // 2)])
        await log.save_receipt(cosigned(log.checkpoint()))
        await log.append_many([*(scored(key_of(100 + n)) for n in range(count - count // 2 - 1)), plain("event")])
    return path


def signed_note(size: int, root: bytes, origin: str = ORIGIN) -> bytes:
    """A checkpoint by the log's own key, whether it is true or not."""
    return sign_checkpoint(Checkpoint(origin, size, root), signer_for(origin))


def write_entry(path: Path, index: int, entry: bytes) -> None:
    """Other bytes at an index, with their leaf; then the whole log signed again, as whoever holds the key could."""
    change(
        path, "UPDATE entry SET bytes = :entry, leaf = :leaf WHERE idx = :index",
        entry=entry, leaf=leaf_hash(entry), index=index,
    )  # fmt: skip
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        compact = CompactRange()
        compact.extend(leaf for (leaf,) in connection.execute("SELECT leaf FROM entry ORDER BY idx"))
    note = signed_note(compact.size, compact.root())
    change(
        path,
        "DELETE FROM checkpoint",
        "DELETE FROM receipt",
        "INSERT INTO checkpoint (size, note) VALUES (:size, :note)",
        size=compact.size,
        note=note,
    )
