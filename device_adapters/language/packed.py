"""Numbers that a rig packs in its own way: packed decimal, packed dates, floats that stand for hundredths.

Owns: how their bytes (highest first) become a whole number, exactly or not at all. Pure; every refusal is a
DecodeError without the name of the field, which `words` puts before it.
"""

from __future__ import annotations

import calendar
import math
import struct
from typing import TYPE_CHECKING, Final

from device_adapters.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2105  # what `epoch` reaches, too
_CENTURY_TURNS = 90  # of two digits, 90 to 99 are the 1990s, as in Siemens' DATE_AND_TIME
_SHORT_BCD = 6  # bytes of YYMMDDhhmmss; eight are CCYYMMDDhhmmss and a byte 0


def decimal(data: bytes) -> int:
    """Packed BCD: each half byte one decimal digit."""
    digits = data.hex()
    if not digits.isdecimal():
        raise DecodeError("range", "is not packed decimal")
    return int(digits)


def bcd_time(data: bytes) -> int:
    """YYMMDDhhmmss or CCYYMMDDhhmmss00 in packed decimal, as seconds of the rig's own clock; all zero is 0."""
    if not any(data):
        return 0
    digits = decimal(data)
    if len(data) == _SHORT_BCD:
        digits += 10**12 * (19 if digits // 10**10 >= _CENTURY_TURNS else 20)
    else:
        digits, rest = divmod(digits, 100)
        if rest:
            raise DecodeError("range", "the last byte of the date is not 0")
    fields = [digits // 10**at % 100 for at in (8, 6, 4, 2, 0)]
    return _seconds((digits // 10**10, *fields))


def word_time(data: bytes) -> int:
    """Six words: year, month, day, hour, minute, second."""
    fields = struct.unpack(">6H", data)
    return _seconds(fields) if any(fields) else 0


def dos_time(data: bytes) -> int:
    """32 bits, highest first: year since 1980 (7), month (4), day (5), hour (5), minute (6), two seconds (5)."""
    whole = int.from_bytes(data, "big")
    if not whole:
        return 0
    day, clock = whole >> 16, whole & 0xFFFF
    date = (1980 + (day >> 9), day >> 5 & 15, day & 31)
    return _seconds((*date, clock >> 11, clock >> 5 & 63, (clock & 31) * 2))


def _seconds(told: Sequence[int]) -> int:
    """Since 1970 on the rig's own clock. A date that no calendar has is refused, never mended."""
    year, month, day, hour, minute, second = told
    good = FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60  # noqa: PLR2004
    if not good or not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise DecodeError("range", "there is no such date or time")
    return calendar.timegm((year, month, day, hour, minute, second))


def hundredths(data: bytes, factor: int) -> int:
    """The whole number h of hundredths whose float is exactly these bytes; `factor` is the worth of 1.0 in hundredths.

    A float cannot hold 87.35, so its bytes count as 87.35 when they are what 87.35 is stored as, and no other number
    of hundredths is. Anything else, NaN and infinities too, is refused: rounding would make a score up.
    """
    form = ">f" if len(data) == 4 else ">d"  # noqa: PLR2004
    value = struct.unpack(form, data)[0]
    if not math.isfinite(value):
        raise DecodeError("inexact", "is no finite number")
    above, below = value.as_integer_ratio()
    nearest = (2 * above * factor + below) // (2 * below)
    same = [one for one in (nearest - 1, nearest, nearest + 1) if _stored(one, factor, form) == value]
    if same != [nearest]:
        raise DecodeError("inexact", "is no whole number of hundredths")
    return int(nearest)


def _stored(number: int, factor: int, form: str) -> float | None:
    """What a rig stores for so many hundredths; None when the format does not reach so far."""
    try:
        return float(struct.unpack(form, struct.pack(form, number / factor))[0])
    except OverflowError:
        return None
