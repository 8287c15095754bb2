"""The rubric: what an exam consists of, what its lines may cost, how items weigh (docs/formats/rubric.md).

Owns reading and checking the TOML text; a rubric is versioned data and travels whole inside an entry. Scores are
hundredths of a point, weights 1/10000: integers only.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scorelog.format.errors import RubricError
from scorelog.format.limits import RUBRIC_BYTES_MAX
from scorelog.format.rubric_tables import Places, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION: Final = 1
FULL: Final = 10_000
"""A full item in hundredths, and all weights together in 1/10000."""

ITEM_ZEROED: Final = "item_zeroed"
EXAM_FAILED: Final = "exam_failed"
RETAKES: Final = ("whole", "failed_items")

_CODE = re.compile(r"[A-Z][A-Z0-9]{0,3}\Z")
_ID = re.compile(r"[a-z0-9][a-z0-9.\-]{0,63}\Z")
_LINES_MAX = 99
_LIMIT_S_MAX = 65_535
_DRAWS_MAX = 20


@dataclass(frozen=True, slots=True)
class RubricLine:
    """One line of an item: at most `max` hundredths can be taken off for it."""

    line: int
    max: int
    veto: bool
    text: Text


@dataclass(frozen=True, slots=True)
class RubricItem:
    """One exam item."""

    code: str
    name: Text
    limit_s: int
    veto_effect: str
    lines: Mapping[int, RubricLine]


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject, of whose items `draws` are taken."""

    code: str
    weight: int
    draws: int
    name: Text
    items: Mapping[str, RubricItem]


@dataclass(frozen=True, slots=True)
class Rubric:
    """A whole rubric; `text` is what it was read from and `sha256` names it in entries."""

    text: bytes
    sha256: str
    id: str
    version: str
    occupation: Text
    status: str
    pass_mark: int
    retake: str
    subjects: Mapping[str, Subject]

    def encode(self) -> bytes:
        """The rubric file, byte for byte."""
        return self.text

    def item(self, code: str) -> RubricItem:
        """The item of this code; RubricError naming it if there is none."""
        return self.subject_of(code).items[code]

    def subject_of(self, code: str) -> Subject:
        """The subject that an item belongs to."""
        for subject in self.subjects.values():
            if code in subject.items:
                return subject
        raise RubricError(f"item {code[:20]!r} is not in rubric {self.id} {self.version}")

    @property
    def items(self) -> Iterator[RubricItem]:
        """All items in the order of the file."""
        for subject in self.subjects.values():
            yield from subject.items.values()


def parse_rubric(text: str | bytes) -> Rubric:
    """The rubric in a file's text."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    table = Table(_load(data), "rubric")
    if table.number("rubric", 0, FULL) != VERSION:
        raise RubricError("another version of the format", where="rubric", expected=f"rubric = {VERSION}")
    ident = table.word("id", _ID, "a name of a-z 0-9 . -")
    version = table.word("version", _ID, "a version of a-z 0-9 . -")
    occupation, status = table.text("occupation"), table.choice("status", ("default", "official"))
    pass_mark, retake = table.number("pass_mark", 0, FULL), table.choice("retake", RETAKES)
    places = Places(data)
    subjects = _subjects(table.tables("subject"), places)
    table.done()
    return Rubric(
        data, hashlib.sha256(data).hexdigest(), ident, version, occupation, status, pass_mark, retake, subjects
    )


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > RUBRIC_BYTES_MAX:
        raise RubricError(f"{len(data)} bytes", where="rubric", expected=f"at most {RUBRIC_BYTES_MAX}")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RubricError("not UTF-8", where=f"rubric byte {error.start}") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise RubricError(f"not TOML: {error!s:.120}", where="rubric") from None


def _subjects(values: list[Any], places: Places) -> dict[str, Subject]:
    subjects: dict[str, Subject] = {}
    items: set[str] = set()
    for number, value in enumerate(values, 1):
        subject = _subject(Table(value, places.next("[[subject]]", f"subject {number}")), places)
        if subject.code in subjects:
            raise RubricError(f"subject {subject.code} twice", where="rubric", expected="each code once")
        for code in subject.items:
            if code in items:
                raise RubricError(f"item {code} twice", where=f"subject {subject.code}", expected="each code once")
            items.add(code)
        subjects[subject.code] = subject
    total = sum(one.weight for one in subjects.values())
    if total != FULL:
        raise RubricError(f"the weights of all subjects sum to {total}", where="rubric", expected=f"{FULL}")
    return subjects


def _subject(table: Table, places: Places) -> Subject:
    code = table.word("code", _CODE, "a code like K1")
    table.where = f"{table.where} {code}"
    weight, draws = table.number("weight", 0, FULL), table.number("draws", 1, _DRAWS_MAX)
    name = table.text("name")
    items: dict[str, RubricItem] = {}
    for number, value in enumerate(table.tables("item"), 1):
        item = _item(Table(value, places.next("[[subject.item]]", f"subject {code}, item {number}")), places)
        if item.code in items:
            raise RubricError(f"item {item.code} twice", where=table.where, expected="each code once")
        items[item.code] = item
    table.done()
    if draws > len(items):
        raise RubricError(f"draws = {draws} of {len(items)} items", where=table.where, expected="not more than items")
    if weight % draws:
        raise RubricError(
            f"weight {weight} over {draws} draws", where=table.where, expected="a weight divisible by draws"
        )
    return Subject(code, weight, draws, name, items)


def _item(table: Table, places: Places) -> RubricItem:
    code = table.word("code", _CODE, "a code like K11")
    table.where = f"{table.where} {code}"
    name, limit_s = table.text("name"), table.number("limit_s", 1, _LIMIT_S_MAX)
    effect = table.choice("veto_effect", (ITEM_ZEROED, EXAM_FAILED))
    lines: dict[int, RubricLine] = {}
    for number, value in enumerate(table.tables("line"), 1):
        line = _line(Table(value, places.next("[[subject.item.line]]", f"item {code}, line {number}")))
        if line.line in lines:
            raise RubricError(f"line {line.line} twice", where=table.where, expected="each number once")
        lines[line.line] = line
    table.done()
    total = sum(one.max for one in lines.values())
    if total != FULL:
        raise RubricError(f"the maxima of its lines sum to {total}", where=table.where, expected=f"{FULL}")
    return RubricItem(code, name, limit_s, effect, lines)


def _line(table: Table) -> RubricLine:
    line = RubricLine(
        table.number("line", 1, _LINES_MAX), table.number("max", 0, FULL), table.take("veto", bool, "true or false"),
        table.text("text"),
    )  # fmt: skip
    table.done()
    return line
