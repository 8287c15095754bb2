"""An exam point's plan as its author wrote it (docs/formats/plan.md, first example): rigs, sessions, candidate lists.

Read with tomllib and csv alone, and only what a rig maker's bench needs; what else stands in it is the server's to
check. An error names file and row, never a value of a person.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulators.device.rubric import Rubric, find_rubric_of, load_rubric
from simulators.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

WIRES = ("modbus", "mqtt", "http")
TRAINING_ONLY = "training_only"
_HEADS = {
    "准考证号": "ticket",
    "准考证": "ticket",
    "考号": "ticket",
    "ticket": "ticket",
    "考次": "try",
    "try": "try",
    "题目": "items",
    "考题": "items",
    "items": "items",
    "item": "items",
    "工位": "places",
    "考位": "places",
    "places": "places",
    "place": "places",
    "station": "places",
    "stations": "places",
}
_APART = re.compile(r"[\s,，、;；]+")


@dataclass(frozen=True, slots=True)
class PlanRig:
    """One rig of the plan, at its station."""

    serial: str
    station: str
    gateway: str
    wire: str
    items: frozenset[str]
    purpose: str


@dataclass(frozen=True, slots=True)
class PlanCandidate:
    """One row of a list. `order` is its place in the list, from 1."""

    order: int
    ticket: str = field(repr=False)
    attempt: int
    items: tuple[str, ...]
    places: tuple[str, ...]  # as long as items, or empty


@dataclass(frozen=True, slots=True)
class PlanSession:
    """One sitting."""

    id: str
    rubric: Rubric
    candidates: tuple[PlanCandidate, ...]


@dataclass(frozen=True, slots=True)
class ExamPlan:
    """What the fleet plays."""

    point: str
    rigs: tuple[PlanRig, ...]
    sessions: tuple[PlanSession, ...]


def load_plan(path: Path, items: Sequence[str] = ()) -> ExamPlan:
    """The plan in the file; `items` are those of candidates whose list says none. InputError says what is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--plan {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"--plan {path}: not TOML in UTF-8: {error}") from error
    try:
        rigs = tuple(_rigs(document.get("room", ())))
        sessions = tuple(_session(entry, path.parent, tuple(items)) for entry in document.get("session", ()))
        plan = ExamPlan(str(document["point"]["id"]), rigs, sessions)
    except KeyError as error:
        raise InputError(f"--plan {path}: the key {error} is missing") from error
    except (TypeError, ValueError, AttributeError, InputError) as error:
        raise InputError(f"--plan {path}: {error}") from error
    if not plan.rigs:
        raise InputError(f"--plan {path}: there is no [[room.station.rig]]")
    return plan


def _rigs(rooms: Iterable[Mapping[str, Any]]) -> Iterable[PlanRig]:
    seen: set[str] = set()
    for room in rooms:
        for station in room.get("station", ()):
            for rig in station.get("rig", ()):
                serial, wire = str(rig["serial"]), str(rig.get("wire", "modbus"))
                if wire not in WIRES:
                    raise InputError(f"rig {serial}: wire {wire!r} is none of modbus, mqtt, http")
                if serial in seen:
                    raise InputError(f"rig {serial} stands twice in the plan")
                seen.add(serial)
                codes = frozenset(map(str, rig["items"]))
                purpose = str(rig.get("purpose", "exam_only"))
                yield PlanRig(serial, str(station["id"]), str(rig["gateway"]), wire, codes, purpose)


def _session(entry: Mapping[str, Any], folder: Path, items: tuple[str, ...]) -> PlanSession:
    rubric = load_rubric(find_rubric_of(str(entry["rubric"]), folder))
    candidates = _candidates(folder / str(entry["candidates"]), items)
    for candidate in candidates:
        for code in candidate.items:
            rubric.item(code)
    return PlanSession(str(entry["id"]), rubric, candidates)


def _candidates(path: Path, items: tuple[str, ...]) -> tuple[PlanCandidate, ...]:
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path.name}: this bench reads candidate lists in CSV only")
    rows = _rows(path)
    heads: dict[str, int] = {}
    found: list[PlanCandidate] = []
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not heads:
            known = {_HEADS[cell.lower()]: at for at, cell in enumerate(cells) if cell.lower() in _HEADS}
            heads = known if "ticket" in known else {}
        elif any(cells):
            found.append(
                _candidate(
                    path.name,
                    number,
                    {k: cells[at] for k, at in heads.items() if at < len(cells)},
                    len(found) + 1,
                    items,
                )
            )
    if not heads:
        raise InputError(f"{path.name}: no row names the column 准考证号 (ticket)")
    return tuple(found)


def _candidate(name: str, row: int, cells: Mapping[str, str], order: int, items: tuple[str, ...]) -> PlanCandidate:
    where = f"{name} row {row}"
    codes = tuple(filter(None, _APART.split(cells.get("items", "")))) or items
    places = tuple(filter(None, _APART.split(cells.get("places", ""))))
    if not cells.get("ticket"):
        raise InputError(f"{where}: the ticket is missing")
    if not codes:
        raise InputError(f"{where}: no items; the server would draw them, here say --items")
    if places and len(places) != len(codes):
        raise InputError(f"{where}: {len(codes)} items and {len(places)} places")
    attempt = cells.get("try") or "1"
    if attempt not in {"1", "2"}:
        raise InputError(f"{where}: try is 1 or 2")
    return PlanCandidate(order, cells["ticket"], int(attempt), codes, places)


def _rows(path: Path) -> list[list[str]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return list(csv.reader(io.StringIO(data.decode(encoding), newline="")))
        except UnicodeDecodeError:
            continue
        except csv.Error as error:
            raise InputError(f"{path.name}: {error}") from None
    raise InputError(f"{path.name}: neither UTF-8 nor GB18030")
