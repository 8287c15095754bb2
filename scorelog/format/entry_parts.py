"""The structured parts of an entry: when it was read, its raw areas, its commitments.

Owns their shape and their JSON form (rules 5, 8 and 9 of docs/formats/entry.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from scorelog.format.errors import EntryError, FormatError
from scorelog.format.limits import BOOT_BYTES, HASH_BYTES, INT_MAX, RAW_BYTES_MAX
from scorelog.format.text import is_hex, tobase64, unbase64, utc_text, utc_us

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scorelog.format.canonical import JsonObject


@dataclass(frozen=True, slots=True)
class ReadTime:
    """When the gateway read or made something. Order is the index, never this."""

    utc: str
    mono_us: int
    boot: str
    sync: str

    @classmethod
    def at(cls, utc_us: int, mono_us: int, boot: str, sync: str) -> ReadTime:
        """The same, from microseconds since 1970."""
        return cls(utc_text(utc_us), mono_us, boot, sync)

    @property
    def utc_us(self) -> int:
        """Microseconds since 1970."""
        return utc_us(self.utc)

    def to_json(self) -> JsonObject:
        """The value of an entry's `read`."""
        return {"boot": self.boot, "mono_us": self.mono_us, "sync": self.sync, "utc": self.utc}


@dataclass(frozen=True, slots=True)
class RawArea:
    """The bytes of one area as read, personal ranges zeroed in place."""

    area: str
    at: int
    data: bytes
    cut: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> JsonObject:
        """One element of an entry's `raw`."""
        return {"area": self.area, "at": self.at, "bytes": tobase64(self.data), "cut": [list(one) for one in self.cut]}


@dataclass(frozen=True, slots=True)
class Committed:
    """The commitment to one personal field."""

    field: str
    sha256: str

    def to_json(self) -> JsonObject:
        """One element of an entry's `candidate`."""
        return {"field": self.field, "sha256": self.sha256}


def read_time(document: JsonObject) -> ReadTime:
    """The value of `read`."""
    read = document.get("read")
    if not isinstance(read, dict):
        raise EntryError(f"{read!r:.80}", where="entry field read", expected="an object")
    utc, mono, boot, sync = (read.get(name) for name in ("utc", "mono_us", "boot", "sync"))
    if not isinstance(utc, str) or not isinstance(boot, str) or not is_hex(boot, BOOT_BYTES):
        raise EntryError(f"{read!r:.120}", where="entry field read", expected="utc, and boot of 32 hex digits")
    if not is_count(mono) or not isinstance(mono, int) or not isinstance(sync, str):
        raise EntryError(f"{read!r:.120}", where="entry field read", expected="mono_us and sync")
    _check_utc(utc, "entry field read.utc")
    return ReadTime(utc, mono, boot, sync)


def _check_utc(text: str, where: str) -> None:
    try:
        utc_us(text)
    except FormatError as error:
        raise EntryError(error.what, where=where, expected=error.expected) from None


def read_raw(document: JsonObject) -> tuple[RawArea, ...]:
    """The areas of `raw`."""
    areas = tuple(_area(one, f"entry field raw[{place}]") for place, one in enumerate(document.get("raw") or ()))
    total = sum(len(one.data) for one in areas)
    if total > RAW_BYTES_MAX:
        raise EntryError(f"{total} raw bytes", where="entry field raw", expected=f"at most {RAW_BYTES_MAX}")
    return areas


def _area(value: Any, where: str) -> RawArea:
    if not isinstance(value, dict) or not isinstance(value.get("area"), str) or not is_count(value.get("at")):
        raise EntryError(f"{value!r:.80}", where=where, expected="an object with area and at")
    if not isinstance(value.get("bytes"), str):
        raise EntryError("no bytes", where=where, expected="base64")
    data = unbase64(value["bytes"], f"{where}.bytes", EntryError)
    cut = tuple(_cut(value.get("cut", []), len(data), where))
    return RawArea(value["area"], value["at"], data, cut)


def _cut(ranges: Any, size: int, where: str) -> Iterable[tuple[int, int]]:
    if not isinstance(ranges, list):
        raise EntryError(f"{ranges!r:.80}", where=f"{where}.cut", expected="a list of [offset, length]")
    end = 0
    for one in ranges:
        good = isinstance(one, list) and len(one) == 2 and all(map(is_count, one))  # noqa: PLR2004 - a pair
        if not good or one[0] < end or one[1] == 0 or one[0] + one[1] > size:
            raise EntryError(
                f"{one!r:.80}", where=f"{where}.cut", expected="[offset, length] in order, inside the bytes"
            )
        end = one[0] + one[1]
        yield one[0], one[1]


def read_candidate(document: JsonObject) -> tuple[Committed, ...]:
    """The commitments of `candidate`."""
    found = []
    for place, one in enumerate(document.get("candidate") or ()):
        if (
            not isinstance(one, dict)
            or not isinstance(one.get("field"), str)
            or not is_hex(one.get("sha256"), HASH_BYTES)
        ):
            raise EntryError(
                f"{one!r:.80}", where=f"entry field candidate[{place}]", expected="field and sha256 in hex"
            )
        found.append(Committed(one["field"], one["sha256"]))
    if len({one.field for one in found}) != len(found):
        raise EntryError("one field twice", where="entry field candidate", expected="one commitment a field")
    return tuple(found)


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value is a number of things: an integer from 0 on, and no boolean."""
    return type(value) is int and 0 <= value <= INT_MAX
