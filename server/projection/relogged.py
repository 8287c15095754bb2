"""Entries that were logged again in a new generation: what is inside them, and whether the server has it already.

    relogged ─ whole or last part ─▶ the entry inside ─ its leaf is known ─────▶ a copy, not counted again
                                                      └ its old place has this record
                                                        with other words ────────▶ an alarm, not counted
                                                      └ its old place has another ─▶ an alarm, counted

A gateway logs again what it has no receipt for. The answer to an upload may have been lost, so the server may hold some
of it: then the original counts. Owns that decision; the tree and its signatures are proven before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import sqlalchemy as sa

from scorelog.format import types
from scorelog.format.entry import Entry, parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.tree import leaf_hash
from scorelog.format.wrapped import joined, part_of, wrapped
from server.projection import schema
from server.projection.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from scorelog.format.commitment import Opening
    from server.evidence.store import StoredEntry

COPY: Final = "relogged_copy"
DIFFERS: Final = "relogged_differs"
DISPLACED: Final = "relogged_displaced"
PART: Final = "relogged_part"
DOUBTS: Final = {"altered": "relogged_altered", "unproven": "relogged_unproven"}
UNCOUNTED: Final = frozenset({COPY, DIFFERS})
_Record: TypeAlias = tuple[str, str | None, Any, Any]

_TYPE: Final = b'"type":"relogged"'
_PART: Final = b'"part":{'


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """An entry as it is read: the one inside, where it was logged again; `leaf` is that of the one inside."""

    entry: Entry
    leaf: str
    openings: tuple[Opening, ...]
    flags: tuple[str, ...] = ()
    previous: tuple[str, int] | None = None


def unwrap(stored: StoredEntry, pieces: Sequence[StoredEntry] = ()) -> Unwrapped:
    """`pieces` are the parts before this one, if it is the last of several. Raises Unreadable."""
    outer = _parse(stored.data)
    if outer.type != types.RELOGGED:
        return Unwrapped(outer, leaf_hash(stored.data).hex(), stored.openings)
    doubt = DOUBTS.get(str(outer.document.get("doubt")))
    flags, openings, part = ("relogged", *((doubt,) if doubt else ())), stored.openings, part_of(outer)
    if part is None:
        inside = wrapped(outer)
    elif part.number < part.of:
        return Unwrapped(outer, leaf_hash(stored.data).hex(), (), (PART,))
    else:
        before = [part_of(_parse(piece.data)) for piece in pieces]
        inside = joined([*(one for one in before if one is not None), part])
        openings = tuple(opening for piece in (*pieces, stored) for opening in piece.openings)
    if inside is None:
        raise Unreadable("relogged: the entry inside cannot be put together")
    return Unwrapped(_parse(inside), leaf_hash(inside).hex(), openings, flags, _previous(outer.document))


def pieces_before(data: bytes) -> int:
    """How many parts stand before this entry, if it is the last of several; else 0."""
    if _TYPE not in data or _PART not in data:
        return 0
    try:
        part = part_of(parse_entry(data))
    except FormatError:
        return 0
    return part.number - 1 if part is not None and part.number == part.of else 0


async def pieces_of(
    stored: StoredEntry, fetch: Callable[[str, int, int], Awaitable[Sequence[StoredEntry]]]
) -> tuple[StoredEntry, ...]:
    """The parts before a last one; empty for everything else."""
    count = min(pieces_before(stored.data), stored.index)
    return tuple(await fetch(stored.origin, stored.index - count, stored.index)) if count else ()


async def verdicts(db: AsyncConnection, origin: str, found: Sequence[Unwrapped]) -> dict[str, tuple[str, ...]]:
    """From leaf to COPY, DIFFERS or DISPLACED, by what is known from earlier generations of the same gateway."""
    again = [one for one in found if "relogged" in one.flags]
    if not again:
        return {}
    table, base = schema.entries, origin.rpartition("/")[0]
    places = {one.previous for one in again if one.previous is not None}
    older = {place for place, _ in places if place != origin and place.rpartition("/")[0] == base}
    there: dict[tuple[str, int], _Record] = {}
    for place in older:
        indices = [index for other, index in places if other == place]
        query = sa.select(table.c.index, table.c.type, table.c.rig, table.c.fields).where(
            table.c.origin == place, table.c.index.in_(indices)
        )
        there |= {(place, number): _record(*row) for number, *row in await db.execute(query)}
    leaves = [one.leaf for one in again]
    query = sa.select(table.c.leaf).where(table.c.leaf.in_(leaves), table.c.origin != origin)
    known = set((await db.execute(query)).scalars())
    judged: dict[str, tuple[str, ...]] = {}
    for one in again:
        held = there.get(one.previous) if one.previous else None
        if one.leaf in known:
            judged[one.leaf] = (COPY,)
        elif held == _record(one.entry.type, one.entry.rig, one.entry.fields):
            judged[one.leaf] = (DIFFERS,)
        elif held is not None:
            judged[one.leaf] = (DISPLACED,)
    return judged


def _record(kind: str, rig: str | None, fields: Mapping[str, Any]) -> _Record:
    """What an entry is about, whatever it says of it. After a roll-back a place holds another record than before."""
    return kind, rig, fields.get("exam_no"), fields.get("ordinal")


def _parse(data: bytes) -> Entry:
    try:
        return parse_entry(data)
    except FormatError as error:
        raise Unreadable(str(error)) from error


def _previous(document: Mapping[str, Any]) -> tuple[str, int] | None:
    previous = document.get("previous")
    if not isinstance(previous, dict):
        return None
    origin, index = previous.get("origin"), previous.get("index")
    return (origin, index) if isinstance(origin, str) and isinstance(index, int) else None
