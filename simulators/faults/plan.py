"""The faults that are set on one rig: which fire at this request, in the order in which they were set."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from simulators.faults.base import Bench, Exchange, Fault, Look, Piece, Publication
from simulators.faults.catalogue import make_fault

if TYPE_CHECKING:
    from simulators.faults.spec import FaultSpec


class _Set:
    """One fault with its own random source, so that adding another fault does not move its draws."""

    def __init__(self, spec: FaultSpec, fault: Fault, rng: random.Random) -> None:
        self.spec = spec
        self.fault = fault
        self._rng = rng
        self._probability = fault.usual if spec.probability is None else spec.probability
        self._areas = frozenset({spec.area}) if spec.area else fault.areas
        self._skip = spec.skip
        self.left = spec.times
        self.fired = 0
        self.open = False

    def fires(self, area: str) -> bool:
        """Whether it happens now; counts the chance."""
        if not self.open or area not in self._areas or self.left == 0 or self._rng.random() >= self._probability:
            return False
        if self._skip:
            self._skip -= 1
            return False
        self.left = None if self.left is None else self.left - 1
        self.fired += 1
        return True


class FaultPlan:
    """All faults of one rig. `tick` opens and closes windows; the host calls it."""

    def __init__(self, serial: str, seed: int) -> None:
        self._serial = serial
        self._seed = seed
        self._sets: list[_Set] = []
        self._made = 0
        self.active = False

    def add(self, spec: FaultSpec) -> None:
        """Set a fault; seeded by fleet seed, rig and place in the plan."""
        self._made += 1
        seed = f"{self._seed}/{self._serial}/{self._made}/{spec.name}"
        rngs = (random.Random(f"{seed}/{use}") for use in ("content", "chance"))  # noqa: S311 - reproducible, not secret
        self._sets.append(_Set(spec, make_fault(spec, next(rngs)), next(rngs)))

    def clear(self, bench: Bench, name: str | None = None) -> int:
        """Take off the faults of that name, or all; how many."""
        gone = [entry for entry in self._sets if name in {None, entry.spec.name}]
        for entry in gone:
            self._sets.remove(entry)
            if entry.open:
                entry.fault.end(bench)
        self.active = any(entry.open for entry in self._sets)
        return len(gone)

    def tick(self, bench: Bench, now_s: float) -> float | None:
        """Open and close windows; the moment of the next change, None = never."""
        changes: list[float] = []
        for entry in list(self._sets):
            inside = entry.spec.start_s <= now_s < entry.spec.stop_s
            if inside != entry.open:
                entry.open = inside
                (entry.fault.begin if inside else entry.fault.end)(bench)
            changes.extend(t for t in (entry.spec.start_s, entry.spec.stop_s) if now_s < t < float("inf"))
        self.active = any(entry.open for entry in self._sets)
        return min(changes, default=None)

    def fired(self) -> dict[str, int]:
        """How often each fault has happened."""
        counts: dict[str, int] = {}
        for entry in self._sets:
            counts[entry.spec.name] = counts.get(entry.spec.name, 0) + entry.fired
        return counts

    def words(self, look: Look) -> bytes:
        """The words served."""
        for entry in self._sets:
            if type(entry.fault).words is not Fault.words and entry.fires(look.area):
                look = Look(look.rig, look.area, look.address, look.count, entry.fault.words(look))
        return look.words

    def pieces(self, exchange: Exchange) -> list[Piece]:
        """The pieces sent."""
        pieces = [Piece(exchange.frame)]
        earlier: list[Piece] = []
        for entry in self._sets:
            if not entry.open:
                continue
            earlier.extend(entry.fault.waiting(exchange))
            if type(entry.fault).pieces is not Fault.pieces and entry.fires(exchange.area):
                pieces = entry.fault.pieces(exchange, pieces)
        return earlier + pieces

    def publications(self, healthy: Publication) -> list[Publication]:
        """The messages published."""
        now = [healthy]
        for entry in self._sets:
            if type(entry.fault).publications is not Fault.publications and entry.fires(healthy.area):
                now = entry.fault.publications(healthy, now)
        return now
