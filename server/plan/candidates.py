"""Rows to candidates, with every error of a list at once (docs/formats/plan.md, rules 2 to 5).

Never repeats a cell in an error text: a person who shifts a column would find names in it (P7).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from server.errors import ListError
from server.plan import limits
from server.plan.findings import Finding, Flaw
from server.plan.identity import wrong_with
from server.plan.lists import ID_NUMBER, ITEMS, NAME, PLACES, TICKET, TRY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from scorelog.format.rubric import Rubric
    from server.plan.lists import Row, Sheet

_APART: Final = re.compile(r"[\s,;，；、]+")
_UNWRITTEN: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_TRY: Final = re.compile(r"[0-9]{1,2}\Z")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate of one session. Personal: its repr says nothing of the person."""

    ticket: str = field(repr=False)
    name: str = field(repr=False)
    id_number: str = field(repr=False)
    try_no: int
    items: tuple[str, ...]
    places: tuple[str, ...]


def read_candidates(sheet: Sheet, rubric: Rubric, stations: Collection[str] | None = None) -> tuple[Candidate, ...]:
    """The candidates of a list; ListError with all findings. `stations` None: places are not looked up."""
    reader = _Reader(sheet, rubric, stations)
    candidates = tuple(reader.candidate(row) for row in sheet.rows)
    if not sheet.rows:
        reader.findings.append(Finding(0, "", "no candidate", "write one in each row below the column names"))
    if reader.findings:
        raise ListError(sorted(reader.findings))
    return candidates


class _Reader:
    """One pass over a list; what it finds wrong goes into `findings`."""

    def __init__(self, sheet: Sheet, rubric: Rubric, stations: Collection[str] | None) -> None:
        self.findings: list[Finding] = []
        self._sheet = sheet
        self._rubric = rubric
        self._stations = stations
        self._tries: dict[tuple[str, int], int] = {}
        self._person_of: dict[str, tuple[str, int]] = {}
        self._ticket_of: dict[str, tuple[str, int]] = {}

    def candidate(self, row: Row) -> Candidate:
        """What the row says; only to be used if there are no findings in the end."""
        ticket = self._words(row, TICKET, limits.TICKET_CHARS_MAX)
        name = self._words(row, NAME, limits.NAME_CHARS_MAX)
        number = self._id_number(row)
        try_no = self._try(row)
        items = self._items(row)
        places = self._places(row, len(items))
        self._meet(row, ticket, number, try_no)
        return Candidate(ticket, name, number, try_no, items, places)

    def _wrong(self, row: Row, column: str, problem: str, remedy: str) -> None:
        self.findings.append(Finding(row.number, self._sheet.label(column), problem, remedy))

    def _cell(self, row: Row, column: str) -> str | None:
        """The text of a cell; None when it has a flaw, which is told."""
        cell = row.get(column)
        if isinstance(cell, Flaw):
            self._wrong(row, column, cell.problem, cell.remedy)
            return None
        return cell.strip()

    def _words(self, row: Row, column: str, most: int) -> str:
        text = self._cell(row, column)
        if text is None:
            return ""
        if not text:
            self._wrong(row, column, "empty", "fill it in")
        if len(text) > most:
            self._wrong(row, column, "too long", f"at most {most} characters")
        if any(unicodedata.category(char) in _UNWRITTEN for char in text):
            self._wrong(row, column, "a character that cannot be seen", "write it again by hand")
        return text

    def _id_number(self, row: Row) -> str:
        text = self._cell(row, ID_NUMBER)
        if text is None:
            return ""
        number = unicodedata.normalize("NFKC", text).upper()
        problem = wrong_with(number) if number else ""
        if not number:
            self._wrong(row, ID_NUMBER, "empty", "fill it in")
        elif problem:
            self._wrong(row, ID_NUMBER, problem, "compare with the document; keep the column as text")
        return "" if problem else number

    def _try(self, row: Row) -> int:
        text = self._cell(row, TRY)
        if text is None or text == "":
            return 1
        if not _TRY.match(text) or int(text) == 0:
            self._wrong(row, TRY, "not a number of a try", f"1 to {limits.TRY_MAX}, or empty for 1")
            return 1
        return int(text)

    def _items(self, row: Row) -> tuple[str, ...]:
        items = tuple(unicodedata.normalize("NFKC", part).upper() for part in _parts(self._cell(row, ITEMS)))
        if not items:
            return ()
        for at, problem in self._unfit(items):
            self._wrong(row, ITEMS, f"item {at} of {len(items)} {problem}", f"see rubric {self._rubric.id}")
        for subject in self._rubric.subjects.values():
            count = sum(1 for code in items if code in subject.items)
            if count != subject.draws:
                problem = f"{count} items of subject {subject.code}, and {subject.draws} are drawn"
                self._wrong(row, ITEMS, problem, "name all items of the paper, or none: then the server draws")
        return items

    def _unfit(self, items: tuple[str, ...]) -> Iterator[tuple[int, str]]:
        known = {item.code for item in self._rubric.items}
        for at, code in enumerate(items, 1):
            if code not in known:
                yield at, "is not in the rubric"
            elif code in items[: at - 1]:
                yield at, "stands twice"

    def _places(self, row: Row, items: int) -> tuple[str, ...]:
        places = _parts(self._cell(row, PLACES))
        if places and len(places) != items:
            self._wrong(row, PLACES, f"{len(places)} places for {items} items", "one place per item, or none at all")
        for at, place in enumerate(places, 1):
            if self._stations is not None and place not in self._stations:
                self._wrong(row, PLACES, f"place {at} of {len(places)} is no station of the plan", "see its stations")
        return places

    def _meet(self, row: Row, ticket: str, number: str, try_no: int) -> None:
        """No try twice, no ticket of two people, nobody with two tickets."""
        if not ticket:
            return
        first = self._tries.setdefault((ticket, try_no), row.number)
        if first != row.number:
            self._wrong(row, TICKET, f"the same ticket and try as in row {first}", "keep one, or count the try")
        if not number:
            return
        other, first = self._person_of.setdefault(ticket, (number, row.number))
        if other != number:
            self._wrong(row, TICKET, f"row {first} gives this ticket to another id number", "one ticket per person")
        other, first = self._ticket_of.setdefault(number, (ticket, row.number))
        if other != ticket:
            self._wrong(row, ID_NUMBER, f"row {first} has it with another ticket", "one ticket per person")


def _parts(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in _APART.split(text or "") if part)
