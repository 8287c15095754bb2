"""From the bytes of one stored entry to the facts that the projections are made of. Pure; judges nothing.

The tree and its signatures are proven before; here the *content* is looked at for the first time. What does not have
the shape of docs/formats/entry.md raises Unreadable and is quarantined. Unknown fields and types pass and are flagged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from scorelog.format.commitment import check_opening
from scorelog.format.fieldnames import COMMON, OWN
from server.projection.errors import Unreadable
from server.projection.relogged import UNCOUNTED, unwrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scorelog.format.commitment import Opening
    from scorelog.format.entry import Entry
    from server.evidence.store import StoredEntry
    from server.projection.relogged import Unwrapped

_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_ALLOWED: Final = {kind: COMMON | own for kind, own in OWN.items()}
# Long or binary: read from the evidence when somebody looks, never copied into a projection.
_LONG: Final = frozenset({"text", "entry", "receipt", "leaves", "rigs", "previous", "part", "key"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands and when the server had it."""

    origin: str
    index: int
    bundle: int
    received_us: int

    @property
    def gateway(self) -> str:
        """The gateway id in the origin `<domain>/gw/<id>/<generation>`."""
        return gateway_of(self.origin)


@dataclass(frozen=True, slots=True)
class Fact:
    """One entry, read. `openings` holds only those that open a commitment of the entry."""

    place: Place
    entry: Entry
    openings: Mapping[str, bytes]
    fields: Mapping[str, Any]
    read_us: int
    flags: tuple[str, ...]
    leaf: str  # hex; of the entry inside, where it was logged again
    type: str  # one of scorelog.format.types, or a later one
    rig: str | None  # serial
    attempt: str | None
    counts: bool  # says something new: a copy of what an earlier generation brought does not

    @property
    def ticket(self) -> str | None:
        """The admission ticket while its opening is there."""
        value = self.openings.get("ticket")
        return None if value is None else value.decode("utf-8", "replace").rstrip("\0")


def gateway_of(origin: str) -> str:
    """The gateway id in an origin."""
    return origin.rsplit("/", 2)[1]


def read_fact(stored: StoredEntry, bundle: int, pieces: Sequence[StoredEntry] = ()) -> Fact:
    """Read one entry; Unreadable says why it cannot be. `pieces` as for `relogged.unwrap`."""
    return fact_of(unwrap(stored, pieces), Place(stored.origin, stored.index, bundle, stored.received_us))


def fact_of(found: Unwrapped, place: Place, *flags: str) -> Fact:
    """An entry stranded in a quarantined generation counts where it was logged again."""
    entry = found.entry
    good = {opening.field: opening.value for opening in found.openings if _opens(opening, entry)}
    wrong = () if len(good) == len(found.openings) else ("wrong_opening",)
    every = (*found.flags, *flags, *wrong, *_flags(entry))
    counts = UNCOUNTED.isdisjoint(every)
    told = _fields(entry.document), entry.read.utc_us, every, found.leaf
    return Fact(place, entry, good, *told, entry.type, entry.rig, entry.attempt, counts)


def _opens(opening: Opening, entry: Entry) -> bool:
    return check_opening(opening, entry)


def _flags(entry: Entry) -> list[str]:
    flags = []
    if not entry.known:
        flags.append("unknown_type")
    elif not entry.document.keys() <= _ALLOWED[entry.type]:
        flags.append("unknown_fields")
    if entry.conflict_with is not None:
        flags.append("conflict")
    return flags


def _fields(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The type's own fields, wherever the type keeps them, without long texts."""
    own = document.get("fields")
    if isinstance(own, dict):
        return own
    if own is not None:
        raise Unreadable("fields: expected an object")
    return {key: value for key, value in document.items() if key not in COMMON | _LONG or key == "epoch"}


def text(holder: Mapping[str, Any], key: str) -> str:
    """A string that must be there."""
    value = holder.get(key)
    if not isinstance(value, str):
        raise Unreadable(f"{key}: expected text")
    return value


def optional_text(holder: Mapping[str, Any], key: str) -> str | None:
    """A string, or None when the key is absent or null."""
    return None if holder.get(key) is None else text(holder, key)


def number(holder: Mapping[str, Any], key: str) -> int:
    """An integer that must be there (a boolean is none)."""
    value = holder.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unreadable(f"{key}: expected an integer")
    return value


def optional_number(holder: Mapping[str, Any], key: str) -> int | None:
    """An integer, or None when the key is absent or null."""
    return None if holder.get(key) is None else number(holder, key)


def time_us(value: str | None) -> int | None:
    """µs since 1970 of an RFC 3339 UTC time."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise Unreadable(f"time {value[:40]!r}: expected RFC 3339") from error
    if moment.utcoffset() != timedelta(0):
        raise Unreadable(f"time {value[:40]!r}: expected UTC")
    return (moment - _EPOCH) // timedelta(microseconds=1)
