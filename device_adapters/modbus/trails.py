"""Units of a bus that talk behind their own answers: how long each does, and how rarely it is asked for that.

    answer ── silence ──> next request …… bytes of the unit that answered      its neighbour is asked a second time
    answer ───────── kept quiet for so long ─────────> next request            from then on it costs only its own turn

Pure: the caller has the clock. What is heard behind a unit's answers again and again is its habit, what is heard once
is noise: a strike each, and half a one is let go with each answer, so that a unit that was mended is forgotten
after some answers. What a habit costs the line is the unit's own: it is asked again only after `HELD_SHARE` times that,
so that its neighbours have the rest (P8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from device_adapters.limits import BUS_SETTLE_S, HELD_SHARE, TRAIL_MAX_S

_HABIT: Final = 2.0
_MOST: Final = 3.0
_LET_GO: Final = 0.5


@dataclass(slots=True)
class _Trail:
    s: float = 0.0
    strikes: float = 0.0
    asked_from: float = 0.0


class Trails:
    """Of all units on one line."""

    def __init__(self) -> None:
        self._trails: dict[int, _Trail] = {}

    def __bool__(self) -> bool:
        return bool(self._trails)

    def heard(self, unit: int, delay_s: float) -> None:
        """Bytes came so long behind its answer. Later than the most, it is nothing that can be waited out."""
        wanted_s = delay_s + BUS_SETTLE_S
        if wanted_s <= TRAIL_MAX_S:
            trail = self._trails.setdefault(unit, _Trail())
            trail.s = max(trail.s, wanted_s)
            trail.strikes = min(_MOST, trail.strikes + 1)

    def answered(self, unit: int, now: float) -> float:
        """How long the line is kept quiet behind this answer."""
        trail = self._trails.get(unit)
        if trail is None:
            return 0.0
        habit = trail.strikes >= _HABIT
        trail.strikes -= _LET_GO
        if trail.strikes <= 0:
            del self._trails[unit]
        if not habit:
            return 0.0
        trail.asked_from = now + (1 + HELD_SHARE) * trail.s
        return trail.s

    def asked_from(self, unit: int) -> float:
        """It is not its turn before then."""
        trail = self._trails.get(unit)
        return trail.asked_from if trail is not None else 0.0

    def habit_s(self, unit: int) -> float | None:
        """How long it talks behind its answers, if it does."""
        trail = self._trails.get(unit)
        return trail.s if trail is not None and trail.strikes >= _HABIT else None
