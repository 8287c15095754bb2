"""Checks a whole log against its signatures, and names what is wrong with origin and index. Reads only.

The stored leaf hashes and the entries are two witnesses; every kept checkpoint is a signed root over a prefix. Between
two checkpoints that verify, an entry that contradicts its leaf was altered; where neither leads to the signed root,
the span is tried without one entry (inserted), with two swapped (reordered), and is otherwise named as a whole.

Kinds: flip, leaf, drop, reorder, insert, altered, unreadable, rollback, checkpoint, receipt, key, carried, opening,
node, identity, state, write-ahead, database, disturbed.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scorelog.format.note import parse_vkey
from scorelog.journal import rows
from scorelog.journal.errors import LogUntrusted
from scorelog.journal.fsckrows import check_carried, check_keys, check_nodes, check_openings, check_receipts
from scorelog.journal.fscktree import TreeCheck
from scorelog.journal.identity import find_identity, read_identity
from scorelog.journal.medium import read_through
from scorelog.journal.salvage import reader
from scorelog.journal.schema import DATABASE, SHM, WAL, check_format, header_damage
from scorelog.journal.statefile import StateDamaged, read_state
from scorelog.journal.walcheck import wal_damage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scorelog.format.note import Verifier
    from scorelog.journal.identity import Identity
    from scorelog.journal.statefile import State

_INTEGRITY_ROWS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where."""

    origin: str
    index: int | None
    kind: str
    detail: str

    def __str__(self) -> str:
        where = f" entry {self.index}" if self.index is not None else ""
        return f"{self.origin}{where}: {self.kind}: {self.detail}"


@dataclass(slots=True)
class Report:
    """What a check found. `ok` means: every byte that counts is covered by a signature that verifies."""

    origin: str
    size: int = 0
    findings: list[Finding] = field(default_factory=list)
    _known: set[Finding] = field(default_factory=set, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """No findings."""
        return not self.findings

    def add(self, index: int | None, kind: str, detail: str) -> None:
        """Note a finding once."""
        found = Finding(self.origin, index, kind, detail)
        if found not in self._known:
            self._known.add(found)
            self.findings.append(found)


def fsck(
    directory: Path, vkey: str | None = None, state_path: Path | None = None, cosigners: Sequence[Verifier] = ()
) -> Report:
    """Check a log, running or not. Raises LogMissing, LogRefused, and LogFailed when the disk does not answer.

    `vkey` is the key that its owner says it has; receipts must carry a line of each of the `cosigners`.
    """
    read_through(directory)
    identity = find_identity(directory) if (directory / DATABASE).exists() else read_identity(directory)
    report = Report(identity.origin)
    try:
        read_identity(directory)
    except LogUntrusted as error:
        report.add(None, "identity", error.reason)
    if vkey is not None and vkey != identity.vkey:
        report.add(None, "identity", f"its key is {identity.vkey}, not {vkey}")
    if not (directory / DATABASE).exists():
        report.add(None, "drop", f"{DATABASE} is gone")
        return report
    if (damage := header_damage(directory / DATABASE)) is not None:
        report.add(None, "database", damage)
    if (damage := wal_damage(directory / WAL)) is not None:
        report.add(None, "write-ahead", damage)
    disturbed = _check_database(directory, _Expected(identity, state_path, tuple(cosigners)), report)
    return _disturbed(report) if disturbed else report


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the log is held against from outside."""

    identity: Identity
    state_path: Path | None
    cosigners: tuple[Verifier, ...]


def _incarnation(directory: Path) -> tuple[int, int] | None:
    """Changes when a log is opened anew: SQLite's index of the write-ahead log is then another file."""
    try:
        found = (directory / SHM).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _disturbed(report: Report) -> Report:
    if report.ok:
        return report
    quiet = Report(report.origin, report.size)
    quiet.add(None, "disturbed", "the log was started or stopped during the check; run it again")
    return quiet


def _check_database(directory: Path, expected: _Expected, report: Report) -> bool:
    """Returns whether the log was opened anew meanwhile: a reader of the old files may then have read anything."""
    try:
        with reader(directory) as connection:
            connection.execute("BEGIN")  # one snapshot, though the log may be running
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            before = _incarnation(directory)
            _check_snapshot(connection, expected, report)
            return _incarnation(directory) != before
    except sqlite3.DatabaseError as error:
        report.add(None, "database", f"it cannot be read: {error}")
        return False


def _check_snapshot(connection: sqlite3.Connection, expected: _Expected, report: Report) -> None:
    identity = expected.identity
    verifier = parse_vkey(identity.vkey)
    try:
        check_format(connection, identity.origin)
    except LogUntrusted as error:
        report.add(error.index, "database", error.reason)
    _guarded(report, "database", lambda: _check_pages(connection, report))
    _guarded(report, "identity", lambda: _check_meta(connection, identity, report))
    tree = TreeCheck(connection, identity.origin, verifier, report)
    _guarded(report, "checkpoint", tree.run)
    report.size = tree.size
    _guarded(report, "node", lambda: check_nodes(connection, tree, report))
    _guarded(report, "key", lambda: check_keys(connection, identity.generation, tree.size, report))
    _guarded(report, "carried", lambda: check_carried(connection, identity.generation, report))
    _guarded(report, "opening", lambda: check_openings(connection, report))
    _guarded(report, "receipt", lambda: check_receipts(connection, tree, verifier, expected.cosigners, report))
    _check_state(expected.state_path, identity, tree, report)


def _guarded(report: Report, kind: str, check: Callable[[], None]) -> None:
    """A page that cannot be read ends one check, not the others."""
    try:
        check()
    except sqlite3.DatabaseError as error:
        report.add(None, kind, f"the rows cannot be read: {error}")
    except (TypeError, ValueError) as error:  # a damaged row may hold anything
        report.add(None, kind, f"a row holds what was never written: {error}")


def _check_pages(connection: sqlite3.Connection, report: Report) -> None:
    for (line,) in connection.execute(f"PRAGMA integrity_check({_INTEGRITY_ROWS})"):
        if line != "ok":
            report.add(None, "database", str(line).replace("\n", " "))


def _check_meta(connection: sqlite3.Connection, identity: Identity, report: Report) -> None:
    origin, vkey = rows.get_meta(connection, "origin"), rows.get_meta(connection, "vkey")
    if origin != identity.origin or vkey != identity.vkey:
        report.add(None, "identity", f"the database says {origin!r} with key {vkey!r}")
    boots, clean = rows.get_meta(connection, "boots"), rows.get_meta(connection, "clean")
    if not isinstance(boots, int) or boots < 0 or clean not in (0, 1):
        report.add(None, "identity", f"boots is {boots!r} and clean is {clean!r}")


def _check_state(path: Path | None, identity: Identity, tree: TreeCheck, report: Report) -> None:
    """The second file is never ahead of the log."""
    try:
        state = None if path is None else read_state(path)
    except (StateDamaged, OSError) as error:
        report.add(None, "state", f"{path} cannot be used: {error}")
        return
    if state is None or state.generation < identity.generation:
        return
    _compare_state(state, identity, tree, report)


def _compare_state(state: State, identity: Identity, tree: TreeCheck, report: Report) -> None:
    if state.origin != identity.origin:
        report.add(None, "rollback", f"the second file knows {state.origin}, which is later")
    elif state.size > tree.size:
        report.add(tree.size, "rollback", f"the second file knows size {state.size}, the log holds {tree.size}")
    elif (root := tree.root_at(state.size)) is not None and root != state.root:
        report.add(None, "rollback", f"at size {state.size} the second file knows another root")
    else:
        _compare_boots(state, tree, report)


def _compare_boots(state: State, tree: TreeCheck, report: Report) -> None:
    try:
        boots = rows.get_meta(tree.connection, "boots")
    except sqlite3.DatabaseError:
        return  # told already
    if isinstance(boots, int) and state.boots > boots:
        report.add(None, "rollback", f"the second file knows start number {state.boots}, the log only {boots}")
