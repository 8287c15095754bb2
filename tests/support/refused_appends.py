"""Calls that an open log of six entries refuses, each by its name, and those that it answers while it goes bad."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from forged_log import signed_note
from log_entries import content_of, key_of, plain, scored_builder
from log_harness import cosigned

from scorelog.journal.statefile import State, parse_state
from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scorelog.journal.log import SqliteLog

_KEY: Final = key_of(500)
_BUILD: Final = scored_builder(_KEY, "first reading")
_BLIND: Final = bytes(32)


def _append(request: AppendRequest) -> Callable[[SqliteLog], Awaitable[object]]:
    return lambda log: log.append_many([request])


def _made(entry: bytes) -> Callable[[SqliteLog], Awaitable[object]]:
    return _append(AppendRequest(lambda _: entry))


def _opened(*openings: tuple[str, bytes, bytes]) -> Callable[[SqliteLog], Awaitable[object]]:
    return _append(AppendRequest(plain("x").build, None, None, openings))


def _receipt(size: int, *origin: str) -> Callable[[SqliteLog], Awaitable[object]]:
    return lambda log: log.save_receipt(cosigned(signed_note(size, bytes(32), *origin)))


def _now(call: Callable[[SqliteLog], object]) -> Callable[[SqliteLog], Awaitable[object]]:
    async def later(log: SqliteLog) -> object:
        return call(log)

    return later


REFUSED: Final[dict[str, Callable[[SqliteLog], Awaitable[Any]]]] = {
    "append: nothing": _made(b""),
    "append: too long": _made(b"x" * 65_536),
    "append: no entry": _made(b"junk"),
    "append: a key without its content": _append(AppendRequest(_BUILD, _KEY, None)),
    "append: a content without its key": _append(AppendRequest(_BUILD, None, content_of("first reading"))),
    "append: another key": _append(AppendRequest(_BUILD, key_of(501), content_of("first reading"))),
    "append: another content": _append(AppendRequest(_BUILD, _KEY, content_of("second reading"))),
    "append: a key that is not said": _append(AppendRequest(_BUILD)),
    "append: a key that is not there": _append(AppendRequest(plain("x").build, _KEY, content_of("first reading"))),
    "append: a field twice": _opened(("ticket", _BLIND, b"1"), ("ticket", _BLIND, b"2")),
    "append: a short blind": _opened(("ticket", b"short", b"1")),
    "append: a field that is none": _opened(("Ticket", _BLIND, b"1")),
    "append: openings that no upload holds": _opened(*((f"f{n}", _BLIND, bytes(65_535)) for n in range(17))),
    "receipt: none": lambda log: log.save_receipt(b"junk"),
    "receipt: of another log": _receipt(3, "exam.example/gw/gw-02/0"),
    "receipt: of a larger log": _receipt(7),
    "receipt: of another tree": _receipt(3),
    "entries: from below 0": _now(lambda log: log.entries(-1, 2)),
    "entries: backwards": _now(lambda log: log.entries(3, 2)),
    "entries: beyond": _now(lambda log: log.entries(0, 7)),
    "openings: beyond": _now(lambda log: log.openings(0, 7)),
    "node: below level 0": _now(lambda log: log.node(-1, 0)),
    "node: below index 0": _now(lambda log: log.node(0, -1)),
    "node: beyond": _now(lambda log: log.node(1, 3)),
    "piece: below 0": lambda log: log.piece(-1),
    "piece: beyond": lambda log: log.piece(7),
}

_STATE: Final = State("exam.example/gw/gw-01/0", 0, 6, bytes(32), 1, b"note").encode()


def _state(old: bytes, new: bytes) -> Callable[[], object]:
    """A state file with something changed and its checksum made again."""
    body = _STATE.partition(b"\n")[0]
    assert old in body
    changed = body.replace(old, new)
    return lambda: parse_state(changed + b"\n" + hashlib.sha256(changed).hexdigest().encode() + b"\n")


# What is asked of a log that goes bad while it is open, and how: data for the same test.
READS: Final[dict[str, Callable[[SqliteLog], Awaitable[Any]]]] = {
    "entries": _now(lambda log: log.entries(1, 3)),
    "openings": _now(lambda log: log.openings(1, 3)),
    "node": _now(lambda log: log.node(1, 1)),
    "find": _now(lambda log: log.find(key_of(1))),
    "receipt": _now(lambda log: log.receipt_covering(1)),
    "piece": lambda log: log.piece(1, 2),
    "save": lambda log: log.save_receipt(cosigned(log.checkpoint())),
}
DAMAGES: Final = (
    "DROP TABLE entry",
    "DROP TABLE opening",
    "DROP TABLE checkpoint",
    "DROP TABLE receipt",
    "DROP TABLE entry_key",
    "UPDATE entry SET bytes = 7",
    "UPDATE entry SET leaf = 7",
    "UPDATE entry SET idx = idx + 9",
    "UPDATE opening SET value = 7",
    "UPDATE checkpoint SET note = 7",
)

STATES: Final[dict[str, Callable[[], object]]] = {
    "state: nothing": lambda: parse_state(b""),
    "state: cut short": lambda: parse_state(_STATE[:-1]),
    "state: more behind": lambda: parse_state(_STATE + b"\n"),
    "state: a bit flipped": lambda: parse_state(_STATE.replace(b'"boots":1', b'"boots":3')),
    "state: another format": _state(b"state/v1", b"state/v2"),
    "state: no JSON": _state(b'"boots":1', b'"boots":x'),
    "state: no size": _state(b'"size":6', b'"sizes":6'),
    "state: a false size": _state(b'"size":6', b'"size":true'),
    "state: a size below 0": _state(b'"size":6', b'"size":-1'),
    "state: boots below 0": _state(b'"boots":1', b'"boots":-1'),
    "state: a generation below 0": _state(b'"generation":0', b'"generation":-1'),
    "state: no root": _state(b'"root":"' + b"0" * 64 + b'"', b'"root":null'),
    "state: a short root": _state(b'"root":"' + b"0" * 64, b'"root":"' + b"0" * 62),
    "state: no origin": _state(b'"exam.example/gw/gw-01/0"', b"7"),
    "state: a receipt of numbers": _state(b'"bm90ZQ=="', b"7"),
}
