"""From the bytes of one stored entry to the facts that the projections are made of. Pure; judges nothing.

The tree and its signatures are proven before; here the *content* is looked at for the first time. What does not have
the shape of docs/formats/entry.md raises Unreadable and is quarantined. Unknown fields and types pass and are flagged.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from scorelog.format import types
from scorelog.format.commitment import check_opening
from scorelog.format.entry import parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.fieldnames import COMMON, OWN
from server.projection.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scorelog.format.commitment import Opening
    from scorelog.format.entry import Entry
    from server.evidence.store import StoredEntry

_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
# Long or binary: read from the evidence when somebody looks, never copied into a projection.
_LONG: Final = frozenset({"text", "entry", "receipt", "leaves", "rigs", "previous", "part"})


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

    @property
    def type(self) -> str:
        """One of scorelog.format.types, or a later one."""
        return self.entry.type

    @property
    def rig(self) -> str | None:
        """Serial of the rig."""
        return self.entry.rig

    @property
    def attempt(self) -> str | None:
        """The attempt's random id."""
        return self.entry.attempt

    @property
    def ticket(self) -> str | None:
        """The admission ticket while its opening is there."""
        value = self.openings.get("ticket")
        return None if value is None else value.decode("utf-8", "replace").rstrip("\0")


def gateway_of(origin: str) -> str:
    """The gateway id in an origin."""
    return origin.rsplit("/", 2)[1]


def read_fact(stored: StoredEntry, bundle: int) -> Fact:
    """Read one entry; Unreadable says why it cannot be."""
    place = Place(stored.origin, stored.index, bundle, stored.received_us)
    entry, flags = _parse(stored.data), []
    if entry.type == types.RELOGGED:
        # An entry stranded in a quarantined generation counts where it was logged again.
        entry = _parse(_base64(entry.document, "entry"))
        flags.append("relogged")
    good = {opening.field: opening.value for opening in stored.openings if _opens(opening, entry)}
    if len(good) != len(stored.openings):
        flags.append("wrong_opening")
    return Fact(place, entry, good, _fields(entry.document), entry.read.utc_us, (*flags, *_flags(entry)))


def _parse(data: bytes) -> Entry:
    try:
        return parse_entry(data)
    except FormatError as error:
        raise Unreadable(str(error)) from error


def _opens(opening: Opening, entry: Entry) -> bool:
    return check_opening(opening, entry)


def _flags(entry: Entry) -> list[str]:
    flags = []
    if not entry.known:
        flags.append("unknown_type")
    elif set(entry.document) - COMMON - OWN[entry.type]:
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


def _base64(document: Mapping[str, Any], key: str) -> bytes:
    try:
        return base64.b64decode(text(document, key), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(f"{key}: expected base64") from error
