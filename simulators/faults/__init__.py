"""Rigs that misbehave: every fault of the catalogue (docs/simulators.md) as one small, seeded, composable object.

request ─▶ words read ─▶ [faults of the registers] ─▶ frame ─▶ [faults of the wire] ─▶ socket
record ─▶ payload ─▶ [faults of messages] ─▶ broker  [faults of link and rig: begin and end with their window]
"""

from __future__ import annotations

from simulators.faults.base import Bench, Exchange, Fault, Look, Piece, Publication
from simulators.faults.catalogue import CATALOGUE
from simulators.faults.plan import FaultPlan
from simulators.faults.spec import FaultSpec, parse_fault

__all__ = [
    "CATALOGUE",
    "Bench",
    "Exchange",
    "Fault",
    "FaultPlan",
    "FaultSpec",
    "Look",
    "Piece",
    "Publication",
    "parse_fault",
]
