"""Giving up a log and going on: quarantine it whole, open the next generation.

    log/  ──quarantine──>  log.quarantined-0/  ──open_generation──>  log/ of origin …/1
                           (untouched)            entry 0: generation.opened (last cosigned checkpoint, reason)
                                                  the adopted texts that those entries are judged by
                                                  then one `relogged` per readable entry without a receipt
                                                  and the idempotency keys of all that is receipted or relogged

The new log appears complete, in one rename. A crash between the two steps leaves no log and a quarantined one:
`pending_quarantine` finds it and the caller goes on from there. The old files are never written again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scorelog.format import canonical, types
from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.entry import EntryKey, build_entry
from scorelog.format.errors import FormatError
from scorelog.format.limits import INT_MAX
from scorelog.format.note import parse_vkey
from scorelog.format.tree import leaf_hash
from scorelog.journal import rows
from scorelog.journal.adoptions import Adoptions, plans_named
from scorelog.journal.creation import Seed, make_log, quarantined_beside
from scorelog.journal.doubt import Doubts, find_doubts
from scorelog.journal.failpoints import failpoint, register
from scorelog.journal.files import DirectoryLock, rename_synced, write_synced
from scorelog.journal.identity import Identity, find_identity
from scorelog.journal.medium import read_through
from scorelog.journal.relog import new_document, relogged
from scorelog.journal.request import Built
from scorelog.journal.rows import CheckpointRow, KeyRow
from scorelog.journal.salvage import kept_entries, reader
from scorelog.journal.schema import LOCK, RESERVE
from scorelog.journal.sqlite import RoomPolicy, SqliteLog, open_log
from scorelog.journal.statefile import State, StateDamaged, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scorelog.format.note import Signer
    from scorelog.journal.adoptions import Adopted
    from scorelog.journal.clock import Clock
    from scorelog.journal.store import NewOpening

REASON: Final = register("journal.quarantine", "the reason is written into a log that is about to be quarantined")
_NOTE_FILE: Final = "quarantine.json"
_REASON_CHARS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A log that is kept and never written again."""

    path: Path
    identity: Identity
    size: int  # entries 0 to size-1 are there or are missing; not all need be readable
    receipt: CheckpointRow | None
    reason: str
    next_generation: int  # above every generation that this box is known to have had

    @property
    def origin(self) -> str:
        """Whose log it was."""
        return self.identity.origin


def quarantine(
    directory: Path, reason: str, state_path: Path | None = None, *, known_generation: int = 0
) -> Quarantined:
    """Put a log aside, whole. The second file's receipt counts when the log's own is older or unreadable.

    `known_generation` is one that others are known to have of this log; the next one is above it.
    """
    identity = find_identity(directory)
    lock = DirectoryLock(directory / LOCK)
    try:
        (directory / RESERVE).unlink(missing_ok=True)  # it holds nothing, and the next generation needs the room
        with failpoint(REASON):
            known = max(identity.generation, known_generation)
            _write_note(directory, identity, known, reason[:_REASON_CHARS_MAX], _known_state(state_path))
        path = _free_name(directory, identity.generation)
        rename_synced(directory, path)
    finally:
        lock.release()
    return _look(path)


def pending_quarantine(directory: Path) -> Quarantined | None:
    """The log that was put aside and has no successor yet, because the process died in between."""
    if directory.exists():
        return None
    beside = quarantined_beside(directory)
    return _look(beside[-1]) if beside else None


def stranded(quarantined: Quarantined) -> Iterator[tuple[int, bytes, tuple[NewOpening, ...]]]:
    """The entries without a receipt that still hash to their leaf, with their openings."""
    first = 0 if quarantined.receipt is None else quarantined.receipt.size
    if first >= quarantined.size:
        return
    with reader(quarantined.path) as connection:
        for row in kept_entries(connection, first, quarantined.size):
            if row.error is None and leaf_hash(row.entry) == row.leaf:
                yield row.index, row.entry, _openings(connection, row.index)


def open_generation(
    directory: Path,
    previous: Quarantined,
    signer_for: Callable[[str], Signer],
    clock: Clock,
    state_path: Path | None = None,
    *,
    room: RoomPolicy | None = None,
) -> SqliteLog:
    """Make the generation after `previous` and open it."""
    signer = signer_for(f"{previous.identity.base}/{previous.next_generation}")
    identity = Identity(signer.name, signer.vkey)
    carrying = _Carrying(previous)
    make_log(directory, identity, signer, Seed(_first_entries(previous, carrying, clock), carrying.rows()))
    return open_log(directory, signer_for, clock, state_path, room=room)


def key_row_bytes(key: EntryKey, row: KeyRow) -> bytes:
    """One carried key, as entry 0 of the next generation hashes it: each field with its length before it."""
    fields = [str(field).encode() for field in (*key, row.content, row.generation, row.idx)] + [row.leaf]
    return b"".join(b"%d:%b" % (len(field), field) for field in fields) + b"\n"


class _Carrying:
    """The keys of all entries that need no relogging, counted and hashed on their way."""

    def __init__(self, previous: Quarantined) -> None:
        self._previous = previous
        self._receipted = 0 if previous.receipt is None else previous.receipt.size
        self._digest = hashlib.sha256()
        self.count = 0

    def rows(self) -> Iterator[tuple[EntryKey, KeyRow]]:
        with suppress(sqlite3.DatabaseError), reader(self._previous.path) as connection:
            for key, row in rows.all_keys(connection):
                if _sound(key, row) and self._settled(row):
                    self._digest.update(key_row_bytes(key, row))
                    self.count += 1
                    yield key, row

    def _settled(self, row: KeyRow) -> bool:
        return row.generation < self._previous.identity.generation or row.idx < self._receipted

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _first_entries(previous: Quarantined, carrying: _Carrying, clock: Clock) -> Iterator[Built]:
    """Entry 0, then what was stranded. Runs after the carried keys were written."""
    document = {
        **new_document(types.GENERATION_OPENED, clock),
        "previous": {
            "origin": previous.origin,
            "size": previous.size,
            "checkpoint": None if previous.receipt is None else previous.receipt.note.decode(),
            "keys": {"count": carrying.count, "sha256": carrying.sha256},
        },
        "reason": previous.reason,
    }
    yield _plain(document)
    for kind, fields in _adopted(previous):
        yield _plain({**new_document(kind, clock), **fields})
    doubts = _doubts(previous)
    for index, old, openings in stranded(previous):
        yield from relogged(previous.origin, index, old, openings, clock, doubt=doubts.of(index))


def _doubts(previous: Quarantined) -> Doubts:
    try:
        with reader(previous.path) as connection:
            return find_doubts(connection, previous.identity.vkey, previous.receipt, previous.size)
    except sqlite3.DatabaseError:
        return Doubts(())  # nothing bears them out


def _plain(document: dict[str, object]) -> Built:
    entry = build_entry(document)
    return Built(entry, leaf_hash(entry), None, None, (), None)


def _adopted(previous: Quarantined) -> Iterator[Adopted]:
    """What the old log had adopted when it got its last receipt, if entries are stranded; of plans those they name.

    A log is judged by what it adopted itself before an entry (P4), so the texts go before what is logged again.
    """
    first = 0 if previous.receipt is None else previous.receipt.size
    if first >= previous.size:
        return
    found = Adoptions({name for _, entry, _ in stranded(previous) for name in plans_named(entry)})
    with suppress(sqlite3.DatabaseError), reader(previous.path) as connection:
        for entry in rows.read_adoptions(connection, first):
            yield from found.take(entry)


def _look(path: Path) -> Quarantined:
    read_through(path)  # SQLite calls a read that failed damage too, and what it hides would not be logged again
    identity = find_identity(path)
    note = _read_note(path)
    noted = None if note.receipt is None else _checked_receipt(note.receipt, identity)
    size, receipt = 0, noted
    with suppress(sqlite3.DatabaseError), reader(path) as connection:
        size = min(rows.count_entries(connection), INT_MAX)  # an index may be damaged too
        receipt = _newest_receipt(connection, identity, noted)
    beside = (find_identity(other).generation for other in quarantined_beside(path.with_name(_plain_name(path))))
    following = max(identity.generation, note.generation, *beside) + 1
    return Quarantined(path, identity, size, receipt, note.reason, following)


def _newest_receipt(
    connection: sqlite3.Connection, identity: Identity, noted: CheckpointRow | None
) -> CheckpointRow | None:
    """The newest one whose log signature verifies: a flipped size would strand entries, or relog receipted ones."""
    for row in rows.receipts_downwards(connection):
        if noted is not None and row.size <= noted.size:
            break
        if (good := _checked_receipt(row.note, identity)) is not None and good.size == row.size:
            return good
    return noted


def _checked_receipt(note: bytes, identity: Identity) -> CheckpointRow | None:
    try:
        checkpoint, _ = open_checkpoint(note, parse_vkey(identity.vkey))
    except (FormatError, TypeError, AttributeError):  # a damaged row may hold anything
        return None
    return CheckpointRow(checkpoint.size, note)


def _openings(connection: sqlite3.Connection, index: int) -> tuple[NewOpening, ...]:
    try:
        return tuple((one.field, one.blind, one.value) for one in rows.read_openings(connection, index, index + 1))
    except (sqlite3.DatabaseError, FormatError, TypeError):
        return ()  # the score goes on without the personal data that cannot be read


def _sound(key: EntryKey, row: KeyRow) -> bool:
    """A damaged row may hold anything."""
    texts, numbers = (key.rig, key.type, row.content), (key.epoch, key.seq, key.ordinal, row.generation, row.idx)
    return (
        all(isinstance(one, str) for one in texts)
        and all(isinstance(one, int) for one in numbers)
        and isinstance(row.leaf, bytes)
    )


@dataclass(frozen=True, slots=True)
class _Note:
    """What was known when the log was put aside."""

    reason: str
    receipt: bytes | None
    generation: int  # the highest one that the second file or the caller knew


def _known_state(path: Path | None) -> State | None:
    try:
        return None if path is None else read_state(path)
    except StateDamaged:
        return None


def _write_note(directory: Path, identity: Identity, generation: int, reason: str, known: State | None) -> None:
    document: dict[str, object] = {"reason": reason, "receipt": None, "generation": generation}
    if known is not None and known.origin.rpartition("/")[0] == identity.base:
        document["generation"] = max(generation, known.generation)
        if known.origin == identity.origin and known.receipt is not None:
            document["receipt"] = known.receipt.decode()
    write_synced(directory / _NOTE_FILE, canonical.encode(document) + b"\n")


def _read_note(path: Path) -> _Note:
    try:
        document = canonical.decode((path / _NOTE_FILE).read_bytes().removesuffix(b"\n"))
        receipt = document["receipt"]
        return _Note(
            str(document["reason"]), None if receipt is None else str(receipt).encode(), int(document["generation"])
        )
    except (FormatError, FileNotFoundError, KeyError, ValueError, TypeError):
        return _Note("unknown: the note of the reason cannot be read", None, 0)


def _plain_name(path: Path) -> str:
    return path.name.rpartition(".quarantined-")[0]


def _free_name(directory: Path, generation: int) -> Path:
    plain = directory.with_name(f"{directory.name}.quarantined-{generation}")
    number, path = 1, plain
    while path.exists():
        number += 1
        path = plain.with_name(f"{plain.name}-{number}")
    return path
