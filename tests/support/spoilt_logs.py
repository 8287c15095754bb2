"""Ways to spoil a small closed log, each by its name; data for tests/unit/scorelog_journal/test_journal_words.py.

The log is that of `forged_log.small_log`: six entries, signed at 3 and 6, receipted at 3, with openings of 0 to 2.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from forged_log import ORIGIN, change, signed_note
from log_entries import plain
from log_harness import cosigned, signer_for

from scorelog.format import canonical
from scorelog.format.tree import leaf_hash
from scorelog.journal.identity import Identity, write_identity
from scorelog.journal.schema import DATABASE, IDENTITY, WAL
from scorelog.journal.statefile import State, read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OTHER: Final = "exam.example/gw/gw-02/0"
_FOREIGN: Final = plain("never signed").build(None)


def rows(statement: str, **values: object) -> Callable[[Path], None]:
    """One statement on the database."""
    return lambda path: change(path, statement, **values)


def _swap(one: int, other: int) -> Callable[[Path], None]:
    moves = ((1000, one), (one, other), (other, 1000))
    return _both(*(rows("UPDATE entry SET idx = :to WHERE idx = :at", to=to, at=at) for to, at in moves))


def _take_out(index: int) -> Callable[[Path], None]:
    moves = (rows("UPDATE entry SET idx = :to WHERE idx = :at", to=at - 1, at=at) for at in range(index + 1, 6))
    return _both(rows("DELETE FROM entry WHERE idx = :at", at=index), *moves)


def _insert(index: int) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with closing(sqlite3.connect(path / DATABASE)) as connection:
            for (found,) in connection.execute("SELECT idx FROM entry ORDER BY idx DESC").fetchall():
                if found >= index:
                    connection.execute("UPDATE entry SET idx = ? WHERE idx = ?", (found + 1, found))
            connection.execute("INSERT INTO entry (idx, leaf, bytes) VALUES (?, ?, ?)", (index, *_pair()))
            connection.commit()

    return spoil


def _pair() -> tuple[bytes, bytes]:
    return leaf_hash(_FOREIGN), _FOREIGN


def _state(**changed: object) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        known = read_state(path.parent / "state")
        assert known is not None
        names = ("origin", "generation", "size", "root", "boots", "receipt")
        made = {name: changed.get(name, getattr(known, name)) for name in names}
        write_state(path.parent / "state", State(**made))

    return spoil


def _state_bytes(content: bytes) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        (path.parent / "state").write_bytes(content)

    return spoil


def _identity(**changed: str) -> Callable[[Path], None]:
    made = {"format": "kaofen.log/v1", "origin": ORIGIN, "vkey": signer_for(ORIGIN).vkey, **changed}
    return lambda path: _write(path, canonical.encode({name: word for name, word in made.items() if word}))


def _write(path: Path, content: bytes) -> None:
    (path / IDENTITY).write_bytes(content + b"\n")


def _both(*spoils: Callable[[Path], None]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        for one in spoils:
            one(path)

    return spoil


SPOILT: Final[dict[str, Callable[[Path], None]]] = {
    "nothing": lambda _: None,
    "an entry altered": rows("UPDATE entry SET bytes = :entry WHERE idx = 4", entry=_FOREIGN),
    "a receipted entry altered": rows("UPDATE entry SET bytes = :entry WHERE idx = 1", entry=_FOREIGN),
    "an entry altered with its leaf": rows(
        "UPDATE entry SET bytes = :entry, leaf = :leaf WHERE idx = 4", entry=_FOREIGN, leaf=leaf_hash(_FOREIGN)
    ),
    "a leaf altered": rows("UPDATE entry SET leaf = zeroblob(32) WHERE idx = 4"),
    "a receipted leaf altered": rows("UPDATE entry SET leaf = zeroblob(32) WHERE idx = 1"),
    "the last entry gone": rows("DELETE FROM entry WHERE idx = 5"),
    "an entry gone": rows("DELETE FROM entry WHERE idx = 4"),
    "a receipted entry gone": rows("DELETE FROM entry WHERE idx = 0"),
    "two neighbours swapped": _swap(3, 4),
    "two receipted ones swapped": _swap(0, 2),
    "two of two spans swapped": _swap(1, 5),
    "an entry put in": _insert(1),
    "an entry put in behind the receipt": _insert(4),
    "an entry put behind": _insert(6),
    "an entry put far behind": rows(
        "INSERT INTO entry (idx, leaf, bytes) VALUES (9, :leaf, :entry)", entry=_FOREIGN, leaf=leaf_hash(_FOREIGN)
    ),
    "an entry below 0": rows(
        "INSERT INTO entry (idx, leaf, bytes) VALUES (-3, :leaf, :entry)", entry=_FOREIGN, leaf=leaf_hash(_FOREIGN)
    ),
    "an entry taken out": _take_out(1),
    "an entry taken out behind the receipt": _take_out(4),
    "a leaf that is a number": rows("UPDATE entry SET leaf = 7 WHERE idx = 2"),
    "no checkpoints": rows("DELETE FROM checkpoint"),
    "no newest checkpoint": rows("DELETE FROM checkpoint WHERE size = 6"),
    "a checkpoint under another size": rows("UPDATE checkpoint SET size = 5 WHERE size = 6"),
    "a checkpoint under a larger size": rows("UPDATE checkpoint SET size = 8 WHERE size = 6"),
    "a checkpoint of another log": rows(
        "UPDATE checkpoint SET note = :note WHERE size = 6", note=signed_note(6, bytes(32), _OTHER)
    ),
    "a checkpoint of another root": rows(
        "UPDATE checkpoint SET note = :note WHERE size = 6", note=signed_note(6, bytes(32))
    ),
    "an older checkpoint of another root": rows(
        "UPDATE checkpoint SET note = :note WHERE size = 3", note=signed_note(3, bytes(32))
    ),
    "a larger checkpoint": rows(
        "INSERT INTO checkpoint (size, note) VALUES (8, :note)", note=signed_note(8, bytes(32))
    ),
    "a checkpoint that is none": rows("UPDATE checkpoint SET note = x'ff' WHERE size = 6"),
    "a receipt of another root": rows("UPDATE receipt SET note = :note", note=cosigned(signed_note(3, bytes(32)))),
    "a receipt under another size": rows("UPDATE receipt SET size = 2"),
    "a receipt that nobody cosigned": rows("UPDATE receipt SET note = (SELECT note FROM checkpoint WHERE size = 3)"),
    "a receipt of a larger log": rows(
        "INSERT INTO receipt (size, note) VALUES (9, :note)", note=cosigned(signed_note(9, bytes(32)))
    ),
    "a receipt that is none": rows("UPDATE receipt SET note = x'ff'"),
    "a key gone": rows("DELETE FROM entry_key WHERE idx = 4"),
    "the last key gone": rows("DELETE FROM entry_key WHERE idx = 3"),
    "a key of another entry": rows("UPDATE entry_key SET idx = 2 WHERE idx = 1"),
    "a key too many": rows(
        "INSERT INTO entry_key SELECT 'LV-0009', epoch, seq, type, ordinal, content, generation, idx, leaf"
        " FROM entry_key WHERE idx = 2"
    ),
    "a key of an earlier generation": rows(
        "INSERT INTO entry_key SELECT 'LV-0009', epoch, seq, type, ordinal, content, 7, idx, leaf"
        " FROM entry_key WHERE idx = 2"
    ),
    "a content of another record": rows("UPDATE entry_key SET content = 'other' WHERE idx = 1"),
    "an opening of another value": rows("UPDATE opening SET value = 'T9' WHERE idx = 1"),
    "an opening of another field": rows("UPDATE opening SET field = 'name' WHERE idx = 1"),
    "an opening of no entry": rows("UPDATE opening SET idx = 17 WHERE idx = 1"),
    "an opening gone": rows("DELETE FROM opening WHERE idx = 1"),
    "a node too many": rows("INSERT INTO node (level, idx, hash) VALUES (8, 0, zeroblob(32))"),
    "nodes far above": rows("INSERT INTO node (level, idx, hash) VALUES (24, 0, zeroblob(32)), (16, 3, zeroblob(32))"),
    "another origin in the database": rows("UPDATE meta SET value = :value WHERE name = 'origin'", value=_OTHER),
    "another key in the database": rows(
        "UPDATE meta SET value = :value WHERE name = 'vkey'", value=signer_for(_OTHER).vkey
    ),
    "boots below 0": rows("UPDATE meta SET value = -1 WHERE name = 'boots'"),
    "boots that are a text": rows("UPDATE meta SET value = 'one' WHERE name = 'boots'"),
    "no boots": rows("DELETE FROM meta WHERE name = 'boots'"),
    "a stop that is neither": rows("UPDATE meta SET value = 2 WHERE name = 'clean'"),
    "another application": rows("PRAGMA application_id = 7"),
    "another version": rows("PRAGMA user_version = 99"),
    "a header of another kind of journal": lambda path: _overwrite(path / DATABASE, 18, b"\1\1"),
    "a header of one kind only": lambda path: _overwrite(path / DATABASE, 19, b"\1"),
    "a write-ahead log of noise": lambda path: (path / WAL).write_bytes(bytes(range(100))),
    "no nodes": rows("DROP TABLE node"),
    "no openings": rows("DROP TABLE opening"),
    "no keys": rows("DROP TABLE entry_key"),
    "no receipts": rows("DROP TABLE receipt"),
    "no identity in it": lambda path: _write(path, b"{}"),
    "an identity of another format": _identity(format="kaofen.log/v9"),
    "an identity without origin": _identity(origin=""),
    "an identity of another log": _identity(origin=_OTHER),
    "an identity without generation": lambda path: write_identity(path, _odd()),
    "no identity": lambda path: (path / IDENTITY).unlink(),
    "neither says whose": _both(lambda path: (path / IDENTITY).unlink(), rows("DELETE FROM meta")),
    "no database": lambda path: (path / DATABASE).unlink(),
    "a state of another size": _state(size=9),
    "a state of another root": _state(root=bytes(32)),
    "a state of more starts": _state(boots=99),
    "a state of a later log": _state(origin=f"{ORIGIN[:-1]}7", generation=7),
    "a state of another log": _state(origin=_OTHER),
    "a state behind": _state(size=3, boots=0, root=bytes(32)),
    "a state that is none": _state_bytes(b"junk\n"),
    "an empty state": _state_bytes(b""),
}


def _overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def _odd() -> Identity:
    made = object.__new__(Identity)
    object.__setattr__(made, "origin", "exam.example")
    object.__setattr__(made, "vkey", signer_for("exam.example").vkey)
    return made
