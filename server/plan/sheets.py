"""What a plan's sessions name: the rubric and the candidate list of each, read and checked against the stations.

Owns reading these files and the checks of one session by itself (rules 4 and 5 of docs/formats/plan.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scorelog.format.errors import RubricError
from scorelog.format.limits import RUBRIC_BYTES_MAX
from scorelog.format.rubric import Rubric, parse_rubric
from server.errors import ConfigError, ListError
from server.plan import limits
from server.plan.candidates import Candidate, read_candidates
from server.plan.findings import Finding
from server.plan.lists import ITEMS, PLACES, read_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.plan.lists import Sheet
    from server.plan.source import PlanSource, SessionSource

SHIPPED: Final = Path(__file__).parents[1] / "rubrics"


@dataclass(frozen=True, slots=True)
class Sitting:
    """A session with what it names. `drawable` is the rubric with only the items that the point can examine."""

    session: SessionSource
    rubric: Rubric
    drawable: Rubric
    candidates: tuple[Candidate, ...] = field(repr=False)
    rows: tuple[int, ...]

    @property
    def file(self) -> str:
        """The list's name in messages."""
        return self.session.candidates


def read_bytes(path: Path, most: int) -> bytes:
    """A file that the operator named; ConfigError where it cannot be read or is too long."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{path.name}: {error.strerror}; the path counts from the plan's folder") from None
    if len(data) > most:
        raise ConfigError(f"{path.name}: more than {most} bytes")
    return data


def find_rubric(name: str, folder: Path) -> Rubric:
    """By the id of one that comes with the server, or by the path of a file; ConfigError where there is none."""
    beside = "/" in name or name.endswith(".toml")
    path = folder / name if beside else SHIPPED / f"{name}.toml"
    if not beside and not path.is_file():
        known = ", ".join(sorted(each.stem for each in SHIPPED.glob("*.toml")))
        raise ConfigError(f"no rubric of this id; write the path of a file, or one of {known}")
    try:
        return parse_rubric(read_bytes(path, RUBRIC_BYTES_MAX))
    except RubricError as error:
        raise ConfigError(f"the rubric does not hold: {error}") from error


def read_sittings(source: PlanSource, folder: Path, findings: list[Finding]) -> list[Sitting]:
    """Every session that can be read; what is wrong is added to the findings."""
    found = [_sitting(each, source, folder, findings) for each in source.sessions]
    return [each for each in found if each is not None]


def _sitting(session: SessionSource, source: PlanSource, folder: Path, findings: list[Finding]) -> Sitting | None:
    try:
        rubric = find_rubric(session.rubric, folder)
    except ConfigError as error:
        if session.rubric:  # else it is told already
            problem, _, remedy = str(error).partition("; ")
            findings.append(
                Finding(session.place.of("rubric"), "session.rubric", problem, remedy or "see the file", unit="line")
            )
        return None
    stations = source.stations
    examined = frozenset[str]().union(*stations.values())
    drawable = _drawable(rubric, examined)
    findings += _uncovered(session, drawable)
    sheet = _sheet(session, folder, findings)
    if sheet is None:
        return Sitting(session, rubric, drawable, (), ())
    try:
        candidates = read_candidates(sheet, rubric, stations)
    except ListError as error:
        findings += [each.of(session.candidates) for each in error.findings]
        return None
    made = Sitting(session, rubric, drawable, candidates, tuple(row.number for row in sheet.rows))
    findings += [each.of(made.file) for each in _unexamined(made, sheet, stations, examined)]
    return made


def _sheet(session: SessionSource, folder: Path, findings: list[Finding]) -> Sheet | None:
    if not session.candidates:
        return None
    try:
        data = read_bytes(folder / session.candidates, limits.LIST_BYTES_MAX)
        return read_list(data, session.candidates)
    except ListError as error:
        findings += [each.of(session.candidates) for each in error.findings]
    except ConfigError as error:
        problem, _, remedy = str(error).partition("; ")
        findings.append(
            Finding(
                session.place.of("candidates"), "session.candidates", problem, remedy or "split the list", unit="line"
            )
        )
    return None


def _of_key(session: SessionSource, key: str, problem: str, remedy: str) -> Finding:
    return Finding(session.place.of(key), f"session.{key}", problem, remedy, unit="line")


def _drawable(rubric: Rubric, examined: frozenset[str]) -> Rubric:
    kept = {
        code: replace(subject, items={item: each for item, each in subject.items.items() if item in examined})
        for code, subject in rubric.subjects.items()
    }
    return replace(rubric, subjects=kept)


def _uncovered(session: SessionSource, drawable: Rubric) -> Iterator[Finding]:
    for code, subject in drawable.subjects.items():
        if len(subject.items) < subject.draws:
            problem = f"subject {code} draws {subject.draws}, and the rigs of the plan examine {len(subject.items)}"
            remedy = "name its items at a rig that is not training_only, or take another rubric"
            yield _of_key(session, "rubric", problem, remedy)


def _unexamined(
    sitting: Sitting, sheet: Sheet, stations: Mapping[str, frozenset[str]], examined: frozenset[str]
) -> Iterator[Finding]:
    """Rule 4: some rig of its place, or without places of the plan, has the item and is not for training only."""
    for row, candidate in zip(sitting.rows, sitting.candidates, strict=True):
        total = len(candidate.items)
        for at, item in enumerate(candidate.items, 1):
            place = candidate.places[at - 1] if candidate.places else None
            if place is not None and item not in stations[place]:
                problem = f"place {at} of {total} has no rig that examines item {at}"
                yield Finding(row, sheet.label(PLACES), problem, "give another place, or add the item to a rig")
            elif item not in examined:
                problem = f"item {at} of {total} is examined by no rig of the plan"
                yield Finding(row, sheet.label(ITEMS), problem, "give another item, or add it to a rig")
