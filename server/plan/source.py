"""What a person writes: PLAN.toml to the rooms and sessions of a plan, every error at once (docs/formats/plan.md).

Owns the keys of the file. Lists and rubrics that it names are read in publish.py.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from device_adapters.language.toml_lines import lines_of, too_deep
from scorelog.format.limits import PLAN_NAME_CHARS_MAX, PLAN_SERIAL_CHARS_MAX
from scorelog.format.plan import PURPOSES, WIRES
from server.errors import ListError
from server.plan.findings import Finding
from server.plan.toml_table import NEVER, Place, Table

if TYPE_CHECKING:
    from datetime import datetime

VERSION: Final = 1

_MORE: Final = PLAN_NAME_CHARS_MAX - 1
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._\-]{{0,{_MORE}}}\Z")
_NAME_IS: Final = f"1 to {PLAN_NAME_CHARS_MAX} of A-Z a-z 0-9 . _ -, beginning with a letter or digit"
_LABEL: Final = re.compile(rf"[a-z0-9][a-z0-9\-]{{0,{_MORE}}}\Z")
_LABEL_IS: Final = f"1 to {PLAN_NAME_CHARS_MAX} of a-z 0-9 -, beginning with a letter or digit"
_SERIAL: Final = re.compile(rf"[\x21-\x7e]{{1,{PLAN_SERIAL_CHARS_MAX}}}\Z")
_SERIAL_IS: Final = f"1 to {PLAN_SERIAL_CHARS_MAX} printable ASCII characters without space"
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]{0,3}\Z")
_REGION: Final = re.compile(r"[0-9]{6,12}\Z")
_FILE: Final = re.compile(r"[^\x00-\x1f]{1,255}\Z")
_AT: Final = re.compile(r"at line (\d+)")


@dataclass(frozen=True, slots=True)
class SessionSource:
    """One session as it is written; `candidates` empty: no list yet."""

    id: str
    rubric: str
    opens: datetime
    closes: datetime
    candidates: str
    place: Place


@dataclass(frozen=True, slots=True)
class PlanSource:
    """The whole file; `rooms` as the text of the plan will have them."""

    point: str
    name: dict[str, str]
    region: str
    rooms: list[dict[str, Any]]
    sessions: tuple[SessionSource, ...]

    @property
    def rigs(self) -> list[dict[str, Any]]:
        """All rigs."""
        return [rig for room in self.rooms for station in room["stations"] for rig in station["rigs"]]

    @property
    def stations(self) -> dict[str, frozenset[str]]:
        """Station -> the items that can be examined there."""
        return {
            station["id"]: frozenset(
                item for rig in station["rigs"] if rig["purpose"] != "training_only" for item in rig["items"]
            )
            for room in self.rooms
            for station in room["stations"]
        }


def read_source(data: bytes) -> tuple[PlanSource, list[Finding]]:
    """The file as far as it can be read, and everything that is wrong with it; ListError where it is no TOML."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        document = tomllib.loads(text)
    except UnicodeDecodeError:
        raise ListError([Finding(0, "", "not UTF-8", "save it as UTF-8")]) from None
    except (ValueError, RecursionError) as error:
        at = _AT.search(str(error))
        line = int(at[1]) if at else 0
        raise ListError([Finding(line, "", "not TOML", "compare with the example", unit="line")]) from None
    if too_deep(document):
        raise ListError([Finding(0, "", "tables or lists lie too deep inside each other", "compare with the example")])
    reader = _Reader(document, Place(lines_of(text)))
    return reader.source(), sorted(reader.findings)


class _Reader:
    """What was found so far, and the names that stand already."""

    def __init__(self, document: dict[str, Any], place: Place) -> None:
        self.findings: list[Finding] = []
        self._top = Table(document, "plan", place, self.findings)
        self._rooms: set[str] = set()
        self._stations: set[str] = set()
        self._serials: set[str] = set()
        self._sessions: set[str] = set()

    def source(self) -> PlanSource:
        """Top to bottom."""
        top = self._top
        if top.take("plan", int, f"plan = {VERSION}") not in {VERSION, None}:
            top.wrong("plan", "another version of the format", f"write plan = {VERSION}")
        point = Table(top.take("point", dict, "[point]") or {}, "point", top.place.inside("point"), self.findings)
        ident, name = point.word("id", _LABEL, _LABEL_IS), point.text("name")
        region = point.word("region", _REGION, "6 to 12 digits, the code of the administrative division")
        point.done()
        rooms = [self._room(each) for each in top.tables("room", "room")]
        sessions = [self._session(each) for each in top.tables("session", "session", least=0)]
        top.done()
        return PlanSource(ident, name, region, rooms, tuple(sessions))

    def _room(self, table: Table) -> dict[str, Any]:
        ident = table.word("id", _NAME, _NAME_IS)
        table.new("id", ident, self._rooms)
        name = table.text("name")
        stations = [self._station(each) for each in table.tables("station", "room.station")]
        table.done()
        return {"id": ident, "name": name, "stations": stations}

    def _station(self, table: Table) -> dict[str, Any]:
        ident = table.word("id", _NAME, _NAME_IS)
        table.new("id", ident, self._stations)
        rigs = [self._rig(each) for each in table.tables("rig", "room.station.rig", least=0)]
        table.done()
        return {"id": ident, "rigs": rigs}

    def _rig(self, table: Table) -> dict[str, Any]:
        serial = table.word("serial", _SERIAL, _SERIAL_IS)
        table.new("serial", serial, self._serials)
        rig = {
            "gateway": table.word("gateway", _LABEL, _LABEL_IS),
            "items": table.words("items", _CODE, "a code like K11"),
            "purpose": table.choice("purpose", PURPOSES),
            "serial": serial,
            "wire": table.choice("wire", WIRES, "modbus"),
        }
        table.done()
        return rig

    def _session(self, table: Table) -> SessionSource:
        ident = table.word("id", _NAME, _NAME_IS)
        table.new("id", ident, self._sessions)
        rubric = table.word("rubric", _FILE, "the id of a rubric of the server, or the path of a file beside this one")
        opens, closes = table.time("opens"), table.time("closes")
        if NEVER not in {opens, closes} and opens >= closes:
            table.wrong("closes", "not after opens", "write a later time")
        candidates = table.word("candidates", _FILE, "the path of a CSV or XLSX beside this file", "")
        table.done()
        return SessionSource(ident, rubric, opens, closes, candidates, table.place)
