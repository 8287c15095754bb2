"""Every fault by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.errors import FaultError
from simulators.faults import bus, hostile, link, messages, values, wire, words

if TYPE_CHECKING:
    import random

    from simulators.faults.base import Fault
    from simulators.faults.spec import FaultSpec

_ALL = (*words.FAULTS, *values.FAULTS, *wire.FAULTS, *bus.FAULTS, *messages.FAULTS, *hostile.FAULTS, *link.FAULTS)
CATALOGUE: dict[str, type[Fault]] = {kind.name: kind for kind in _ALL}
ALIASES = {"busy": "exception-6"}


def make_fault(spec: FaultSpec, rng: random.Random) -> Fault:
    """The fault that the spec names."""
    kind = CATALOGUE.get(ALIASES.get(spec.name, spec.name))
    if kind is None:
        raise FaultError(f"there is no fault {spec.name!r}; kaofen-simulate faults lists them")
    if spec.area is not None and spec.area not in kind.areas:
        raise FaultError(f"fault {spec.name} concerns {', '.join(sorted(kind.areas))}, not {spec.area!r}")
    return kind(spec, rng)


def known_fault(name: str) -> None:
    """FaultError unless there is such a fault."""
    if ALIASES.get(name, name) not in CATALOGUE:
        raise FaultError(f"there is no fault {name!r}; kaofen-simulate faults lists them")
