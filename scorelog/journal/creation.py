"""Making a log: under another name, complete and fsynced, then renamed into place. A crash leaves no half log.

Used by `init` (an empty generation 0) and by the opening of a next generation (entry 0 and what is carried over).
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.tree import CompactRange
from scorelog.journal import rows
from scorelog.journal.errors import LogExists
from scorelog.journal.failpoints import failpoint, register
from scorelog.journal.files import DirectoryLock, rename_synced, sync_directory, sync_file
from scorelog.journal.identity import Identity, write_identity
from scorelog.journal.nodes import TileEdge
from scorelog.journal.request import SigningPlan
from scorelog.journal.rows import CheckpointRow, KeyRow
from scorelog.journal.schema import DATABASE, LOCK, create_tables, mark_format, open_writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from scorelog.format.entry import EntryKey
    from scorelog.format.note import Signer
    from scorelog.journal.request import Built

FILL: Final = register("journal.create", "a new log is written under another name")
_CHUNK: Final = 256
CREATING: Final = ".creating"


@dataclass(frozen=True, slots=True)
class Seed:
    """What a new log begins with. `built` may carry the key of an entry that it wraps (relogged)."""

    built: Iterable[Built] = ()
    carried: Iterable[tuple[EntryKey, KeyRow]] = ()


def quarantined_beside(directory: Path) -> list[Path]:
    """The directories of earlier generations, oldest first."""
    found = (path for path in directory.parent.glob(f"{directory.name}.quarantined-*") if path.is_dir())
    return sorted(found, key=lambda path: [int(part) for part in path.name.rpartition("quarantined-")[2].split("-")])


def create_log(directory: Path, origin_base: str, signer_for: Callable[[str], Signer]) -> Identity:
    """`init`: an empty log of generation 0. Never over anything that is or was a log."""
    if beside := quarantined_beside(directory):
        raise LogExists(f"{beside[-1]} is an earlier generation of this log; the next one follows it, not a new log")
    signer = signer_for(f"{origin_base}/0")
    identity = Identity(signer.name, signer.vkey)
    make_log(directory, identity, signer, Seed())
    return identity


def make_log(directory: Path, identity: Identity, signer: Signer, seed: Seed) -> None:
    """Write the log and let it appear under its name, in one step."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise LogExists(f"{directory} exists already and is not empty; nothing was changed")
    work = directory.with_name(directory.name + CREATING)
    directory.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work, ignore_errors=True)  # what a crash left: it never was a log
    work.mkdir(mode=0o700)
    lock = DirectoryLock(work / LOCK)
    try:
        with failpoint(FILL):
            _fill(work, identity, signer, seed)
        rename_synced(work, directory)
    finally:
        lock.release()


def _fill(work: Path, identity: Identity, signer: Signer, seed: Seed) -> None:
    with closing(open_writer(work)) as connection:
        mark_format(connection)
        connection.execute("BEGIN IMMEDIATE")
        create_tables(connection)
        for name, value in (("origin", identity.origin), ("vkey", identity.vkey), ("boots", 0), ("clean", 1)):
            rows.set_meta(connection, name, value)
        _sign(connection, signer, CompactRange())
        _fill_rows(connection, signer, seed, identity.generation)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    sync_file(work / DATABASE)
    write_identity(work, identity)
    sync_directory(work)


def _fill_rows(connection: sqlite3.Connection, signer: Signer, seed: Seed, generation: int) -> None:
    rows.insert_keys(connection, seed.carried, twice="IGNORE")  # first: entry 0 tells how many there were
    compact, edge, plan = CompactRange(), TileEdge(0, []), SigningPlan()
    pending = iter(seed.built)
    while chunk := list(islice(pending, _CHUNK)):
        first = compact.size
        for made in chunk:
            if plan.due_before(made.entry_frame, made.openings_frame):
                _sign(connection, signer, compact)
            compact.append(made.leaf)
            rows.insert_nodes(connection, edge.append(made.leaf))
        entries = list(enumerate(chunk, first))
        rows.insert_entries(connection, ((index, made.leaf, made.entry) for index, made in entries))
        rows.insert_openings(connection, ((index, *one) for index, made in entries for one in made.openings))
        rows.insert_keys(
            connection,
            (
                (made.key, KeyRow(made.content, generation, index, made.leaf))
                for index, made in entries
                if made.key is not None and made.content is not None
            ),
            twice="IGNORE",
        )
    if compact.size:
        _sign(connection, signer, compact)


def _sign(connection: sqlite3.Connection, signer: Signer, compact: CompactRange) -> None:
    checkpoint = Checkpoint(signer.name, compact.size, compact.root())
    rows.insert_checkpoint(connection, CheckpointRow(compact.size, sign_checkpoint(checkpoint, signer)))
