"""Numbers, times and texts as a maker's controller stores them. Pure; written apart from the adapters' decoder.

A place is written as one text: `AT TYPE[/WORDS] ORDER [key=value …]`, such as `38 uint16 AB unit=0.5`. The order says
which byte of the value, the highest being A, stands where; it is laid over the value piece by piece, so `BA` swaps
the characters in every word of a text.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import TYPE_CHECKING

from simulators.errors import InputError, RigRefuses

if TYPE_CHECKING:
    from collections.abc import Callable

Value = int | str
_TEXTS = ("ascii", "utf-8", "gbk", "gb18030")
_DOS_YEAR = 1980
_BITS = 16
_PLACE_WORDS_MAX = 64
_AT_MAX = 0xFFFF


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands and how. `at` below 0 counts from the end of the record."""

    at: int
    kind: str
    words: int
    order: tuple[int, ...]
    unit: Fraction | None = None  # points one step is worth
    low_bit: int | None = None
    high_bit: int = 0
    zone: timezone = UTC
    const: Value | None = None
    span: tuple[int, int] | None = None  # a gauge: whatever lies between

    @property
    def step(self) -> int:
        """Hundredths of a point between two values that this place can hold."""
        exact = self.unit is None or self.kind.startswith("float")
        return 1 if exact or self.unit is None else int(self.unit * 100)

    def bytes_of(self, value: Value) -> bytes:
        """The bytes at the place; RigRefuses when it cannot hold the value."""
        try:
            plain = _KINDS[self.kind](self, value) if self.kind not in _TEXTS else self._text(str(value))
        except (OverflowError, struct.error, ValueError) as error:
            raise RigRefuses(f"{value!r} does not fit into {self.kind} of {self.words} words: {error}") from None
        size = len(self.order)
        return b"".join(bytes(plain[start + index] for index in self.order) for start in range(0, len(plain), size))

    def counted(self, value: Value) -> int:
        """The number that is stored: steps, where the place has a unit."""
        number = int(value)
        if self.unit is not None:
            steps = Fraction(number, 100) / self.unit
            if steps.denominator != 1:
                raise ValueError(f"{number} hundredths are no whole number of steps of {self.unit}")
            number = int(steps)
        if self.low_bit is not None and not 0 <= number < 1 << (self.high_bit - self.low_bit + 1):
            raise ValueError(f"bits {self.low_bit} to {self.high_bit}")
        return number

    def _text(self, value: str) -> bytes:
        data = value.encode(self.kind)
        if len(data) > 2 * self.words:
            raise ValueError(f"{len(data)} bytes")
        return data.ljust(2 * self.words, b"\0")


def parse_place(text: str, what: str = "place") -> Place:
    """The place that the text describes."""
    try:
        return _place(*text.split())
    except (ValueError, KeyError, IndexError, TypeError, ZeroDivisionError, OverflowError):
        raise InputError(
            f"{what} {text!r}: AT TYPE[/WORDS] ORDER [unit=0.5] [zone=+08:00] [const=0x5AA5] [range=-40..850]"
        ) from None


def _place(at: str, kind: str, order: str, *more: str) -> Place:
    kind, _, words = kind.partition("/")
    kind, _, bits = kind.partition(":")
    low, _, high = bits.partition("-")
    options = dict(option.split("=", 1) for option in more)
    size = int(words) if words else _WORDS[kind]
    unit, zone, const, span = (options.pop(key, None) for key in ("unit", "zone", "const", "range"))
    if options or kind not in {*_KINDS, *_TEXTS} or not 0 < size <= _PLACE_WORDS_MAX or abs(int(at)) > _AT_MAX:
        raise ValueError(kind)
    if kind in _WORDS and size not in {_WORDS[kind], 4 if kind == "time-bcd" else _WORDS[kind]}:
        raise ValueError(words)
    return Place(
        at=int(at),
        kind=kind,
        words=size,
        order=_order(order, 2 * size),
        unit=None if unit is None else _unit(unit),
        low_bit=int(low) if bits else None,
        high_bit=int(high or low or 0),
        zone=UTC if zone is None else _zone(zone),
        const=const if const is None or kind in _TEXTS else int(const, 0),
        span=None if span is None else _span(*span.split("..")),
    )


def _order(letters: str, size: int) -> tuple[int, ...]:
    order = tuple(ord(letter) - ord("A") for letter in letters)
    if sorted(order) != list(range(len(order))) or not order or size % len(order):
        raise ValueError(letters)
    return order


def _unit(text: str) -> Fraction:
    unit = Fraction(text)
    if unit <= 0 or (unit * 100).denominator != 1:
        raise ValueError(text)
    return unit


def _span(low: str, high: str) -> tuple[int, int]:
    if int(low) > int(high):
        raise ValueError(low)
    return int(low), int(high)


def _zone(text: str) -> timezone:
    hours, _, minutes = text[1:].partition(":")
    shift = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-shift if text[0] == "-" else shift)


def _unsigned(place: Place, value: Value) -> bytes:
    return (place.counted(value) << (place.low_bit or 0)).to_bytes(2 * place.words, "big")


def _signed(place: Place, value: Value) -> bytes:
    return place.counted(value).to_bytes(2 * place.words, "big", signed=True)


def _decimal(place: Place, value: Value) -> bytes:
    digits = f"{place.counted(value) * 10 ** ((place.low_bit or 0) // 4):0{4 * place.words}d}"
    if len(digits) > 4 * place.words or not digits.isdecimal():
        raise ValueError(f"{4 * place.words} digits")
    return bytes.fromhex(digits)


def _float(place: Place, value: Value) -> bytes:
    number = Fraction(int(value), 100) / place.unit if place.unit is not None else Fraction(int(value))
    return struct.pack(">f" if place.words == _WORDS["float32"] else ">d", float(number))


def _clock(place: Place, value: Value) -> datetime | None:
    return datetime.fromtimestamp(int(value), place.zone) if value else None


def _epoch(place: Place, value: Value) -> bytes:
    """Seconds of the rig's own clock: as many more than UTC's as its zone is before it; 0 without a clock."""
    clock = _clock(place, value)
    own = int(value) + int((clock.utcoffset() or timedelta()).total_seconds()) if clock else 0
    return place.counted(own).to_bytes(2 * place.words, "big")


def _time_bcd(place: Place, value: Value) -> bytes:
    clock, long = _clock(place, value), place.words == 4  # noqa: PLR2004 - with the century
    shown = "" if clock is None else clock.strftime("%Y%m%d%H%M%S00" if long else "%y%m%d%H%M%S")
    return bytes.fromhex(shown) if shown else bytes(2 * place.words)


def _time_words(place: Place, value: Value) -> bytes:
    clock = _clock(place, value)
    return struct.pack(">6H", *clock.timetuple()[:6]) if clock else bytes(12)


def _time_dos(place: Place, value: Value) -> bytes:
    clock = _clock(place, value)
    if clock is None:
        return bytes(4)
    day = (clock.year - _DOS_YEAR) << 9 | clock.month << 5 | clock.day
    return struct.pack(">2H", day, clock.hour << 11 | clock.minute << 5 | clock.second // 2)


_WORDS = {
    **{f"{sign}{16 * words}": words for sign in ("uint", "int", "bcd", "bits") for words in (1, 2, 3, 4)},
    "bool": 1,
    "float32": 2,
    "float64": 4,
    "epoch": 2,
    "time-bcd": 3,
    "time-words": 6,
    "time-dos": 2,
}
_KINDS: dict[str, Callable[[Place, Value], bytes]] = {
    **{f"{sign}{_BITS * words}": _unsigned for sign in ("uint", "bits") for words in (1, 2, 3, 4)},
    **{f"int{_BITS * words}": _signed for words in (1, 2, 3, 4)},
    **{f"bcd{_BITS * words}": _decimal for words in (1, 2, 3, 4)},
    "bool": _unsigned,
    "float32": _float,
    "float64": _float,
    "epoch": _epoch,
    "time-bcd": _time_bcd,
    "time-words": _time_words,
    "time-dos": _time_dos,
}
