"""What a plan is made of: rooms, stations, rigs, sessions, candidates.

Owns the values and looking them up; plan.py owns their text and its rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from scorelog.format.text import utc_us

if TYPE_CHECKING:
    from scorelog.format.entry_parts import Committed
    from scorelog.format.rubric_tables import Text

TRAINING_ONLY: Final = "training_only"


@dataclass(frozen=True, slots=True)
class PlannedRig:
    """A rig, its one owner, and what can be examined at it."""

    serial: str
    gateway: str
    purpose: str
    wire: str
    items: tuple[str, ...]
    station: str
    room: str


@dataclass(frozen=True, slots=True)
class Station:
    """A place with its rigs."""

    id: str
    rigs: tuple[PlannedRig, ...]

    def examines(self, item: str) -> bool:
        """Whether a rig here can examine an item; one for training only cannot."""
        return any(item in rig.items and rig.purpose != TRAINING_ONLY for rig in self.rigs)


@dataclass(frozen=True, slots=True)
class Room:
    """A room with its stations."""

    id: str
    name: Text
    stations: tuple[Station, ...]


@dataclass(frozen=True, slots=True)
class PlannedCandidate:
    """One candidate's attempt in a session; `places` is empty or says the station of each item."""

    attempt: str
    try_no: int
    commitments: tuple[Committed, ...]
    items: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """A window [opens, closes) with its rubric and its candidates in order."""

    id: str
    occupation: str
    rubric: str
    opens: str
    closes: str
    candidates: tuple[PlannedCandidate, ...]

    @property
    def opens_us(self) -> int:
        """Microseconds since 1970."""
        return utc_us(self.opens)

    @property
    def closes_us(self) -> int:
        """Microseconds since 1970; no longer inside the window."""
        return utc_us(self.closes)


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan; `text` is what it was read from, unknown keys included, and `sha256` names it."""

    text: bytes = field(repr=False)
    sha256: str
    version: int
    published: str
    point: str
    name: Text
    region: str
    gateways: tuple[str, ...]
    rooms: tuple[Room, ...]
    sessions: tuple[Session, ...]

    def encode(self) -> bytes:
        """The public text, byte for byte."""
        return self.text

    @property
    def stations(self) -> tuple[Station, ...]:
        """All stations in the order of the plan."""
        return tuple(station for room in self.rooms for station in room.stations)

    @property
    def rigs(self) -> tuple[PlannedRig, ...]:
        """All rigs in the order of the plan."""
        return tuple(rig for station in self.stations for rig in station.rigs)

    def rig(self, serial: str) -> PlannedRig | None:
        """The rig of this serial, if the plan has it."""
        return next((rig for rig in self.rigs if rig.serial == serial), None)

    def session(self, ident: str) -> Session | None:
        """The session of this id, if the plan has it."""
        return next((session for session in self.sessions if session.id == ident), None)
