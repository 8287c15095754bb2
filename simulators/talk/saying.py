"""One value as such a rig writes it: `NAME [unit=0.1] [decimal] [clock=…] [type=…] [retain]`. Pure.

`unit` and `decimal` are for points: whole steps of so much, or points with a fraction. `clock` is rfc3339, rfc3339-ms,
unix-s or unix-ms. `type` is that of a Sparkplug metric. `retain`: the broker keeps it for whoever comes later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from simulators.errors import InputError, RigRefuses
from simulators.mqtt.spark_payload import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.layouts.values import Value

Said = int | float | str | bool
_CLOCKS = ("rfc3339", "rfc3339-ms", "unix-s", "unix-ms")
_FLOATS = ("Float", "Double")
_UNIT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Saying:
    """What is said, and how."""

    name: str
    unit: Fraction | None = None
    decimal: bool = False
    clock: str = ""
    datatype: str = ""
    retain: bool = False

    @property
    def step(self) -> int:
        """Hundredths between two values that it can tell."""
        return 1 if self.unit is None else int(self.unit * 100)

    def value(self, values: Mapping[str, Value]) -> Said:
        """As it goes into a message."""
        found = values[self.name]
        if self.clock:
            return _time(int(found), self.clock)
        if self.unit is not None:
            steps = Fraction(int(found), 100) / self.unit
            if steps.denominator != 1:
                raise RigRefuses(f"{self.name}: {found} hundredths are no whole number of steps of {self.unit}")
            return int(steps)
        if self.decimal:
            points = Decimal(int(found)) / 100
            return float(points) if self.datatype in _FLOATS else f"{points.normalize():f}"
        return bool(found) if self.datatype == "Boolean" else found


def parse_saying(text: str, known: tuple[str, ...]) -> Saying:
    """The saying that the text describes."""
    name, *more = text.split() or [""]
    options = dict(word.partition("=")[::2] for word in more)
    try:
        saying = Saying(
            name,
            unit=_unit(options.pop("unit")) if "unit" in options else None,
            decimal=options.pop("decimal", None) is not None,
            clock=options.pop("clock", ""),
            datatype=options.pop("type", ""),
            retain=options.pop("retain", None) is not None,
        )
    except ValueError:
        raise InputError(f"{text!r}: unit= is a number, such as 0.1") from None
    if name not in known:
        raise InputError(f"{name} is nothing that such a rig says: one of {', '.join(known)}")
    if options or (saying.clock and saying.clock not in _CLOCKS) or saying.step < 1:
        raise InputError(f"{text!r}: NAME [unit=0.1] [decimal] [clock={'|'.join(_CLOCKS)}] [type=UInt32] [retain]")
    if saying.datatype and saying.datatype not in TYPES:
        raise InputError(f"{text!r}: type is one of {', '.join(TYPES)}")
    return saying


def _unit(text: str) -> Fraction:
    if _UNIT.fullmatch(text) is None:
        raise ValueError(text)
    return Fraction(text)


def _time(milliseconds: int, clock: str) -> Said:
    if clock == "unix-s":
        return milliseconds // 1000
    if clock == "unix-ms":
        return milliseconds
    digits = "milliseconds" if clock == "rfc3339-ms" else "seconds"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec=digits).replace("+00:00", "Z")
