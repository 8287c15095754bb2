"""The plan of an exam point: rooms, stations, rigs, sessions, and who sits which items where (docs/formats/plan.md).

Owns reading, checking and writing the public text (rules 1, 2, 4 and 5). It holds commitments and never a personal
value, so whether one candidate's windows overlap cannot be seen here: the server checks that when it publishes.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from scorelog.format import canonical
from scorelog.format.entry_parts import Committed
from scorelog.format.errors import CanonicalError, PlanError
from scorelog.format.limits import (
    ATTEMPT_BYTES,
    HASH_BYTES,
    INT_MAX,
    PLAN_BYTES_MAX,
    PLAN_NAME_CHARS_MAX,
    PLAN_SERIAL_CHARS_MAX,
    PLAN_TRY_MAX,
)
from scorelog.format.plan_model import TRAINING_ONLY, Plan, PlannedCandidate, PlannedRig, Room, Session, Station
from scorelog.format.plan_openings import FIELDS, TICKET, OpeningFinding, PlanOpening, check_openings, parse_openings
from scorelog.format.plan_parts import join, parts
from scorelog.format.plan_tables import Part
from scorelog.format.text import utc_us

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = [
    "OpeningFinding", "Plan", "PlanOpening", "PlannedCandidate", "PlannedRig", "Room", "Session", "Station",
    "check_openings", "encode_plan", "join", "parse_openings", "parse_plan", "parts",
]  # fmt: skip

VERSION: Final = 1
PURPOSES: Final = ("exam_only", TRAINING_ONLY, "dual_use_declared")
WIRES: Final = ("modbus", "mqtt", "http")

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._\-]{{0,{PLAN_NAME_CHARS_MAX - 1}}}\Z")
_NAME_IS = f"1 to {PLAN_NAME_CHARS_MAX} of A-Z a-z 0-9 . _ -"
_LABEL = re.compile(rf"[a-z0-9][a-z0-9\-]{{0,{PLAN_NAME_CHARS_MAX - 1}}}\Z")
_LABEL_IS = f"1 to {PLAN_NAME_CHARS_MAX} of a-z 0-9 -"
_SERIAL = re.compile(rf"[\x21-\x7e]{{1,{PLAN_SERIAL_CHARS_MAX}}}\Z")
_SERIAL_IS = f"1 to {PLAN_SERIAL_CHARS_MAX} printable ASCII characters"
_CODE = re.compile(r"[A-Z][A-Z0-9]{0,3}\Z")
_CODE_IS = "a code like K11"
_REGION = re.compile(r"[0-9]{6,12}\Z")
_OCCUPATION = re.compile(r"[a-z0-9][a-z0-9.\-]{0,63}\Z")


def parse_plan(text: bytes) -> Plan:
    """The plan in its public text."""
    return _parse(text, strict=False)


def encode_plan(document: Mapping[str, Any]) -> bytes:
    """The public text of a plan; an unknown key, in which a personal value could hide, is refused."""
    try:
        text = canonical.encode(dict(document))
    except CanonicalError as error:
        raise _not_canonical(error) from None
    return _parse(text, strict=True).text


def _parse(text: bytes, *, strict: bool) -> Plan:
    if len(text) > PLAN_BYTES_MAX:
        raise PlanError(f"{len(text)} bytes", where="plan", expected=f"at most {PLAN_BYTES_MAX}")
    try:
        document = canonical.decode(text)
    except CanonicalError as error:
        raise _not_canonical(error) from None
    return _Reader(text, Part(document, "plan", strict=strict)).plan()


def _not_canonical(error: CanonicalError) -> PlanError:
    return PlanError(error.what, where=f"plan {error.where}".rstrip(), expected=error.expected)


class _Reader:
    """What has been read so far, so that each name stands once and leads somewhere."""

    def __init__(self, text: bytes, top: Part) -> None:
        self._text, self._top = text, top
        self._gateways: tuple[str, ...] = ()
        self._examined: set[str] = set()
        self._examined_at: dict[str, set[str]] = {}
        self._rooms: set[str] = set()
        self._stations: set[str] = set()
        self._serials: set[str] = set()
        self._sessions: set[str] = set()
        self._attempts: set[str] = set()

    def plan(self) -> Plan:
        """The whole, from top to bottom: what is named stands before what names it."""
        top = self._top
        top.number("v", VERSION, VERSION)
        version, published = top.number("version", 1, INT_MAX), top.time("published")
        point = top.part("point")
        ident, name = point.word("id", _LABEL, _LABEL_IS), point.text("name")
        region = point.word("region", _REGION, "6 to 12 digits")
        self._gateways = point.names("gateways", _LABEL, _LABEL_IS)
        point.done()
        rooms = tuple(self._room(part) for part in top.parts("rooms", "room"))
        sessions = tuple(self._session(part) for part in top.parts("sessions", "session"))
        top.done()
        sha256 = hashlib.sha256(self._text).hexdigest()
        return Plan(self._text, sha256, version, published, ident, name, region, self._gateways, rooms, sessions)

    def _room(self, part: Part) -> Room:
        ident = part.word("id", _NAME, _NAME_IS)
        part.new(ident, self._rooms, "room")
        part.where = f"{part.where} {ident}"
        room = Room(
            ident, part.text("name"), tuple(self._station(one, ident) for one in part.parts("stations", "station"))
        )
        part.done()
        return room

    def _station(self, part: Part, room: str) -> Station:
        ident = part.word("id", _NAME, _NAME_IS)
        part.new(ident, self._stations, "station")
        part.where = f"{part.where} {ident}"
        rigs = tuple(self._rig(one, ident, room) for one in part.parts("rigs", "rig"))
        part.done()
        self._examined_at[ident] = {item for rig in rigs if rig.purpose != TRAINING_ONLY for item in rig.items}
        self._examined |= self._examined_at[ident]
        return Station(ident, rigs)

    def _rig(self, part: Part, station: str, room: str) -> PlannedRig:
        serial = part.word("serial", _SERIAL, _SERIAL_IS)
        part.new(serial, self._serials, "rig")
        part.where = f"{part.where} {serial}"
        gateway = part.word("gateway", _LABEL, _LABEL_IS)
        if gateway not in self._gateways:
            raise part.refused("gateway", gateway, "one of the point's gateways")
        purpose, wire = part.choice("purpose", PURPOSES), part.choice("wire", WIRES)
        items = part.names("items", _CODE, _CODE_IS)
        part.done()
        return PlannedRig(serial, gateway, purpose, wire, items, station, room)

    def _session(self, part: Part) -> Session:
        ident = part.word("id", _NAME, _NAME_IS)
        part.new(ident, self._sessions, "session")
        part.where = f"{part.where} {ident}"
        occupation = part.word("occupation", _OCCUPATION, "the id of a rubric")
        rubric, opens, closes = part.hex("rubric", HASH_BYTES), part.time("opens"), part.time("closes")
        if utc_us(opens) >= utc_us(closes):
            raise part.refused("closes", closes, f"a time after opens, {opens}")
        candidates = tuple(self._candidate(one) for one in part.parts("candidates", "candidate"))
        part.done()
        return Session(ident, occupation, rubric, opens, closes, candidates)

    def _candidate(self, part: Part) -> PlannedCandidate:
        attempt, try_no = part.hex("attempt", ATTEMPT_BYTES), part.number("try", 1, PLAN_TRY_MAX)
        part.new(attempt, self._attempts, "attempt")
        commitments = tuple(_commitment(one) for one in part.parts("commitments", "commitment"))
        fields = [one.field for one in commitments]
        if len(set(fields)) != len(fields) or TICKET not in fields:
            raise part.refused("commitments", fields, f"each field once, and {TICKET} among them")
        items = part.names("items", _CODE, _CODE_IS)
        if not items:
            raise part.refused("items", [], "at least one item")
        places = part.words("places", _NAME, _NAME_IS)
        part.done()
        self._check_places(part, items, places)
        return PlannedCandidate(attempt, try_no, commitments, items, places)

    def _check_places(self, part: Part, items: tuple[str, ...], places: tuple[str, ...]) -> None:
        if places and len(places) != len(items):
            raise PlanError(
                f"{len(places)} places for {len(items)} items", where=part.where, expected="one each, or none"
            )
        for item, place in zip(items, places, strict=False):
            if place not in self._stations:
                raise part.refused("places", place, "a station of the plan")
            if item not in self._examined_at[place]:
                raise PlanError(f"item {item} at {place}", where=part.where, expected="a station whose rig examines it")
        for item in items:
            if item not in self._examined:
                raise PlanError(f"item {item}", where=part.where, expected="an item that a rig of the plan examines")


def _commitment(part: Part) -> Committed:
    commitment = Committed(part.choice("field", FIELDS), part.hex("sha256", HASH_BYTES))
    part.done()
    return commitment
