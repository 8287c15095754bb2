"""Opening a log in a directory: the checks of a start, in their order.

    identity, key ─> lock ─> room ─> drop cached pages, -shm ─> write-ahead log ─> tail ─> second file ─> boot count

`open_log` never makes a log: a missing one is a refusal, since a fresh empty log is a fork.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from scorelog.format.note import parse_vkey
from scorelog.format.text import utc_text
from scorelog.journal import rows
from scorelog.journal.creation import create_log
from scorelog.journal.errors import Damaged, LogFailed, LogFull
from scorelog.journal.failpoints import failpoint, register
from scorelog.journal.files import DirectoryLock, drop_cached
from scorelog.journal.identity import read_identity
from scorelog.journal.limits import WAL_BYTES
from scorelog.journal.log import SqliteLog
from scorelog.journal.medium import ADVICE, confirmed
from scorelog.journal.recovery import check_key, check_not_rolled_back, reading, recover, writing_alone
from scorelog.journal.room import Reserve, RoomPolicy
from scorelog.journal.schema import DATABASE, LOCK, RESERVE, SHM, WAL, header_damage, open_reader, open_writer
from scorelog.journal.statefile import State, StateDamaged, StateWriter, read_state
from scorelog.journal.walcheck import wal_damage
from scorelog.journal.writer import Writing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from scorelog.format.note import Signer
    from scorelog.journal.clock import Clock
    from scorelog.journal.identity import Identity
    from scorelog.journal.recovery import Recovered

__all__ = ["RoomPolicy", "SqliteLog", "create_log", "open_log"]

BOOT = register(
    "journal.boot", "the start is counted, in the first transaction, which also makes what was read durable"
)
BOOT_FOLD = register("journal.boot-fold", "the write-ahead log is emptied at start")


def open_log(
    directory: Path,
    signer_for: Callable[[str], Signer],
    clock: Clock,
    state_path: Path | None = None,
    *,
    room: RoomPolicy | None = None,
    wal_bytes: int = WAL_BYTES,
) -> SqliteLog:
    """Open a log to append to it.

    Raises LogMissing, LogLocked, LogRefused (another key), Damaged or RolledBack (quarantine it), LogFailed.
    """
    try:
        identity = read_identity(directory)
        signer = signer_for(identity.origin)
        check_key(identity, signer.vkey)
        lock = DirectoryLock(directory / LOCK)
    except OSError as error:
        raise LogFailed(f"{directory} could not be opened: {error}; {ADVICE}") from error
    connection: sqlite3.Connection | None = None
    try:
        reserve = Reserve(directory / RESERVE, room or RoomPolicy())
        _prepare_files(directory, identity, reserve, wal_bytes)
        known = _known_state(state_path)
        connection, recovered = confirmed(directory, lambda: _read_end(directory, identity, known))
        boots = _count_start(connection, identity.origin, recovered, clock)
        reserve.restore()
        reader = confirmed(directory, lambda: _reader(directory, identity.origin))
    except OSError as error:
        _give_up(connection, lock)
        raise LogFailed(f"log {identity.origin} could not be opened: {error}; {ADVICE}") from error
    except BaseException:
        _give_up(connection, lock)
        raise
    writing = Writing(connection, signer, identity.generation, recovered.range, recovered.edge, reserve, wal_bytes)
    state = None if state_path is None else StateWriter(state_path)
    return SqliteLog(
        identity, writing, recovered, boots=boots, lock=lock, directory=directory, reader=reader, state=state
    )


def _prepare_files(directory: Path, identity: Identity, reserve: Reserve, wal_bytes: int) -> None:
    with contextlib.suppress(LogFull):  # a full disk is still opened: to be read, uploaded and told about
        reserve.make_room(wal_bytes)
    drop_cached(directory / DATABASE, directory / WAL)
    (directory / SHM).unlink(missing_ok=True)  # an index of the write-ahead log; it would bring unsynced frames back
    if not (directory / DATABASE).exists():
        raise Damaged(identity.origin, None, f"{DATABASE} is gone")
    if damage := header_damage(directory / DATABASE):
        raise Damaged(identity.origin, None, damage)
    if damage := wal_damage(directory / WAL):
        raise Damaged(identity.origin, None, f"the write-ahead log: {damage}")


def _read_end(directory: Path, identity: Identity, known: State | None) -> tuple[sqlite3.Connection, Recovered]:
    """The writing connection and what it found; none stays open when it raises."""
    with contextlib.ExitStack() as opened:
        with reading(identity.origin):
            connection = opened.enter_context(contextlib.closing(open_writer(directory)))
        recovered = recover(connection, identity, parse_vkey(identity.vkey))
        check_not_rolled_back(connection, identity, recovered, known)
        opened.pop_all()
    return connection, recovered


def _reader(directory: Path, origin: str) -> sqlite3.Connection:
    with reading(origin):
        return open_reader(directory / DATABASE)


def _known_state(path: Path | None) -> State | None:
    """A second file that is absent or torn tells nothing; the log is then all there is, and the server's word."""
    if path is None:
        return None
    try:
        return read_state(path)
    except StateDamaged:
        return None


def _count_start(connection: sqlite3.Connection, origin: str, recovered: Recovered, clock: Clock) -> int:
    """Its fsync also covers frames that a killed process wrote and never synced: only now is the log's tail durable."""
    boots = recovered.boots + 1
    with failpoint(BOOT), writing_alone(origin):
        connection.execute("BEGIN IMMEDIATE")
        rows.set_meta(connection, "boots", boots)
        rows.set_meta(connection, "clean", 0)
        rows.set_meta(connection, "opened", utc_text(clock.now_us()))
        connection.execute("COMMIT")
    with failpoint(BOOT_FOLD), writing_alone(origin):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return boots


def _give_up(connection: sqlite3.Connection | None, lock: DirectoryLock) -> None:
    if connection is not None:
        connection.close()
    lock.release()
