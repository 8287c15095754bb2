"""The rubric file as a rig maker's data: items, limits, caps, vetoes and weights (format: docs/formats/rubric.md).

Read with tomllib alone. A rig knows only what it needs to run and mark an exam; names in two languages are left to
the server.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulators.errors import RubricError
from simulators.limits import ITEM_BYTES, SCORE_FULL, U16_MAX, WEIGHT_WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESUSCITATION = "心肺复苏"
ITEM_ZEROED = "item_zeroed"
EXAM_FAILED = "exam_failed"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an item's score sheet."""

    number: int
    max_points: int
    veto: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One task that can be drawn."""

    code: str
    limit_s: int
    veto_effect: str
    lines: Mapping[int, Line]
    resuscitation: bool = False  # a manikin takes measures in it

    @property
    def veto_lines(self) -> tuple[Line, ...]:
        """Lines whose failure ends the item."""
        return tuple(line for line in self.lines.values() if line.veto)

    @property
    def plain_lines(self) -> tuple[Line, ...]:
        """Lines that only cost points."""
        return tuple(line for line in self.lines.values() if not line.veto)


@dataclass(frozen=True, slots=True)
class Subject:
    """K1 to K4: how many of its items are drawn and what they weigh together."""

    code: str
    weight: int
    draws: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Rubric:
    """One occupation's practical exam."""

    id: str
    version: str
    pass_mark: int
    subjects: tuple[Subject, ...]

    def item(self, code: str) -> Item:
        """The item with that code."""
        for subject in self.subjects:
            for item in subject.items:
                if item.code == code:
                    return item
        raise RubricError(f"rubric {self.id} has no item {code!r}")

    def subject_of(self, code: str) -> Subject:
        """The subject that the item belongs to."""
        for subject in self.subjects:
            if any(item.code == code for item in subject.items):
                return subject
        raise RubricError(f"rubric {self.id} has no item {code!r}")


def load_rubric(path: Path) -> Rubric:
    """The rubric in the file, or a RubricError that says where it is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RubricError(f"{path}: {error.strerror}; name a rubric file with --rubric") from error
    except (ValueError, RecursionError) as error:
        raise RubricError(f"{path}: not TOML in UTF-8: {error}") from error
    try:
        return _rubric(document)
    except KeyError as error:
        raise RubricError(f"{path}: the key {error} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise RubricError(f"{path}: {error}") from error
    except RubricError as error:
        raise RubricError(f"{path}: {error}") from error


def find_rubric(given: Path | None) -> Path:
    """The file named on the command line, else the default one of this source tree, which is data and may be absent."""
    if given is not None:
        return given
    return _shipped("low-voltage-electrician")


def _shipped(rubric_id: str) -> Path:
    name = Path("server") / "rubrics" / f"{rubric_id}.toml"
    for place in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (place / name).is_file():
            return place / name
    raise RubricError(f"{name} is not here; name a rubric file with --rubric")


def find_rubric_of(name: str, folder: Path) -> Path:
    """A plan's rubric: a path beside the plan, else the id of one in this source tree."""
    for beside in (folder / name, folder / f"{name}.toml"):
        if beside.is_file():
            return beside
    return _shipped(name)


def _rubric(document: dict[str, Any]) -> Rubric:
    if document["rubric"] != 1:
        raise RubricError(f"rubric = {document['rubric']!r}: this rig reads version 1")
    subjects = tuple(_subject(entry) for entry in document["subject"])
    if sum(subject.weight for subject in subjects) != WEIGHT_WHOLE:
        raise RubricError(f"the weights of the subjects sum to {sum(s.weight for s in subjects)}, not {WEIGHT_WHOLE}")
    return Rubric(str(document["id"]), str(document["version"]), int(document["pass_mark"]), subjects)


def _subject(entry: dict[str, Any]) -> Subject:
    items = tuple(_item(item) for item in entry["item"])
    draws = int(entry["draws"])
    if not 1 <= draws <= len(items):
        raise RubricError(f"subject {entry['code']}: {draws} draws of {len(items)} items")
    return Subject(str(entry["code"]), int(entry["weight"]), draws, items)


def _item(entry: dict[str, Any]) -> Item:
    code, effect, limit_s = str(entry["code"]), str(entry["veto_effect"]), int(entry["limit_s"])
    lines = {line.number: line for line in map(_line, entry["line"])}
    if effect not in {ITEM_ZEROED, EXAM_FAILED}:
        raise RubricError(f"item {code}: veto_effect {effect!r} is neither {ITEM_ZEROED} nor {EXAM_FAILED}")
    if not 0 < len(code) <= ITEM_BYTES or not 0 < limit_s <= U16_MAX:
        raise RubricError(f"item {code}: a code has 1 to {ITEM_BYTES} characters, a limit 1 to {U16_MAX} s")
    if sum(line.max_points for line in lines.values()) != SCORE_FULL:
        raise RubricError(f"item {code}: the maxima of its lines do not sum to {SCORE_FULL}")
    return Item(code, limit_s, effect, lines, _RESUSCITATION in str(entry.get("name")))


def _line(entry: dict[str, Any]) -> Line:
    return Line(int(entry["line"]), int(entry["max"]), bool(entry["veto"]))
