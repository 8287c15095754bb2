"""How often a silent unit is asked, so that it costs its neighbours on the line little (P8).

Pure: the caller has the clock. A unit that failed three times in a row is left alone for `HELD_SHARE` times what its
last failure cost the line, times the number of units that are held: all dead units of a bus together take at most a
ninth of it, however many they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from device_adapters.limits import HELD_AFTER, HELD_MAX_S, HELD_MIN_S, HELD_SHARE


@dataclass(slots=True)
class _Unit:
    failures: int = 0
    until: float = 0.0


class Breakers:
    """Of all units on one line."""

    def __init__(self) -> None:
        self._units: dict[int, _Unit] = {}

    def left_s(self, unit: int, now: float) -> float:
        """How long the unit is still left alone."""
        known = self._units.get(unit)
        return max(0.0, known.until - now) if known is not None else 0.0

    def held(self, now: float) -> int:
        """How many units are left alone now."""
        return sum(known.until > now for known in self._units.values())

    def good(self, unit: int) -> None:
        """It answered."""
        self._units.pop(unit, None)

    def failed(self, unit: int, now: float, cost_s: float) -> None:
        """It did not, and the line was busy with it for `cost_s`."""
        known = self._units.setdefault(unit, _Unit())
        known.failures += 1
        if known.failures >= HELD_AFTER:
            held = sum(one.failures >= HELD_AFTER for one in self._units.values())
            known.until = now + min(HELD_MAX_S, max(HELD_MIN_S, HELD_SHARE * cost_s * held))
