"""The entry inside a `relogged` one, whole or in parts (rules 15 and 16 of docs/formats/entry.md).

Owns reading them; `scorelog.journal.relog` writes them. Pure: parts come in the order of the log, nothing is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scorelog.format import types
from scorelog.format.entry import Entry, EntryKey, parse_entry
from scorelog.format.entry_parts import is_count
from scorelog.format.errors import FormatError
from scorelog.format.limits import HASH_BYTES
from scorelog.format.text import is_hex, unbase64

if TYPE_CHECKING:
    from collections.abc import Sequence

ALTERED: Final = "altered"
UNPROVEN: Final = "unproven"
PARTS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One of `of` pieces of an entry."""

    number: int
    of: int
    data: bytes


def wrapped(entry: Entry) -> bytes | None:
    """The bytes of the entry that a `relogged` one holds whole; None for a part, and for anything else."""
    held = entry.document.get("entry")
    return _bytes(held) if entry.type == types.RELOGGED and isinstance(held, str) else None


def part_of(entry: Entry) -> Part | None:
    """The piece that a `relogged` entry holds, if it holds one."""
    part = entry.document.get("part")
    if entry.type != types.RELOGGED or not isinstance(part, dict):
        return None
    number, of, held = part.get("number"), part.get("of"), part.get("bytes")
    if not (is_count(number) and is_count(of) and 1 <= number <= of <= PARTS_MAX):
        return None
    data = _bytes(held) if isinstance(held, str) else None
    return None if data is None else Part(number, of, data)


def joined(parts: Sequence[Part]) -> bytes | None:
    """The entry, if these are all of its parts in order."""
    whole = [(one.number, one.of) for one in parts] == [(number, len(parts)) for number in range(1, len(parts) + 1)]
    return b"".join(one.data for one in parts) if whole and parts else None


def key_of(entry: Entry) -> tuple[EntryKey, str] | None:
    """Key and content that an entry stands for: its own, or those of the entry that it wraps or ends."""
    if entry.type != types.RELOGGED:
        return None if entry.key is None or entry.content is None else (entry.key, entry.content)
    if "part" in entry.document:
        return _stated_key(entry.document.get("key"))
    inner = inside(entry)
    return None if inner is None else key_of(inner)


def inside(entry: Entry) -> Entry | None:
    """The entry that a `relogged` one holds whole, if it is one and does not wrap another."""
    held = wrapped(entry)
    try:
        inner = None if held is None else parse_entry(held)
    except FormatError:
        return None
    return None if inner is None or inner.type == types.RELOGGED else inner


def stated_key(key: EntryKey, content: str) -> dict[str, Any]:
    """The `key` of the last part."""
    return {**key._asdict(), "content": content}


def _stated_key(key: object) -> tuple[EntryKey, str] | None:
    if not isinstance(key, dict):
        return None
    rig, kind, content = key.get("rig"), key.get("type"), key.get("content")
    counts = [key.get(name) for name in ("epoch", "seq", "ordinal")]
    if not (
        isinstance(rig, str) and isinstance(kind, str) and is_hex(content, HASH_BYTES) and all(map(is_count, counts))
    ):
        return None
    return EntryKey(rig, key["epoch"], key["seq"], kind, key["ordinal"]), str(content)


def _bytes(text: str) -> bytes | None:
    try:
        return unbase64(text, "relogged")
    except FormatError:
        return None
