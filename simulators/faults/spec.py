"""How a fault is asked for: `[RIG=]NAME[:PROBABILITY][@FROM-TO]`, seconds of real time since the fleet began."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from simulators.errors import FaultError

_TEXT = re.compile(
    r"(?:(?P<rig>[^=:@]+)=)?(?P<name>[a-z0-9-]+)(?::(?P<probability>[0-9.]+))?"
    r"(?:@(?P<start>[0-9.]+)-(?P<stop>[0-9.]*))?"
)


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A fault, where, when and how often. `times`, `skip`, `area` and `at` are for tests that aim at one exchange."""

    name: str
    probability: float | None = None  # None: the fault's usual one
    start_s: float = 0.0
    stop_s: float = math.inf
    rig: str | None = None  # None: every rig
    area: str | None = None  # None: every area that the fault concerns
    times: int | None = None  # fires at most so often
    skip: int = 0  # lets so many chances pass first
    at: int | None = None  # word, byte or milliseconds, by fault; None: drawn

    def __post_init__(self) -> None:
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise FaultError(f"fault {self.name}: a probability lies between 0 and 1, not at {self.probability}")
        if self.stop_s < self.start_s:
            raise FaultError(
                f"fault {self.name}: its window ends ({self.stop_s} s) before it begins ({self.start_s} s)"
            )


def parse_fault(text: str) -> FaultSpec:
    """The fault that a command-line text asks for. Whether it exists, the catalogue knows."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise FaultError(f"{text!r} is not a fault; expected [RIG=]NAME[:PROBABILITY][@FROM-TO], such as drip:0.1@5-20")
    probability, start, stop = (_number(text, match[key]) for key in ("probability", "start", "stop"))
    return FaultSpec(match["name"], probability, start or 0.0, math.inf if stop is None else stop, rig=match["rig"])


def _number(text: str, digits: str | None) -> float | None:
    if not digits:
        return None
    try:
        return float(digits)
    except ValueError:
        raise FaultError(f"{text!r}: {digits!r} is not a number") from None
