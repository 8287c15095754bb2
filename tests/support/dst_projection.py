"""The projections of the simulated server: made by the production projector while it runs, and judged when it is over.

    evidence ── Projector (dies with its server, goes on where its own tables say) ── projections.db ── judged

Two laws. They are what a rebuild from the evidence alone makes, whatever died in between. And the scores in them are
those that the rigs latched: a small model of its own, by rig and exam number, which knows no table of the house but
`items` and `attempts`.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from dst_parts import PROJECTIONS as FILE
from dst_parts import sim_parts
from projection_replay import content

from server.projection import schema
from server.projection.projector import Projector
from server.projection.store import ProjectionStore

if TYPE_CHECKING:
    from pathlib import Path

    from dst_clock import SimClock
    from dst_rig import Latched, Rig
    from dst_world import World

    from server.evidence.store import EntryStore

_OVER = {"attempt.finished": "finished", "attempt.aborted": "aborted"}

Exam = tuple[str, int]


class Projections:
    """Of one life of the server."""

    def __init__(self, tables: ProjectionStore, projector: Projector) -> None:
        self.tables = tables
        self.projector = projector

    @classmethod
    async def opened(cls, store: EntryStore, file: Path, clock: SimClock) -> Projections:
        tables = await ProjectionStore.open(file)
        return cls(tables, Projector(store, tables, clock))

    def notify(self, *_said: object) -> None:
        """Something was stored or cosigned."""
        self.projector.notify()

    async def close(self) -> None:
        await self.tables.close()


async def judge_projections(world: World, store: EntryStore, seen: set[tuple[str, int, int, str]]) -> list[str]:
    """What is wrong with them; `seen` are the records that the server holds."""
    server = world.server
    assert server.projections is not None
    await server.projections.projector.catch_up()
    grown = server.projections.tables
    fresh = server.folder / f"rebuilt-{FILE}"
    shutil.copyfile(sim_parts().server / FILE, fresh)
    again = await Projections.opened(store, fresh, server.clock)
    try:
        await again.projector.catch_up()
        mine, rebuilt = await content(grown), await content(again.tables)
    finally:
        await again.close()
    said = [f"P4 the projection of {name} is not what a rebuild makes" for name in mine if mine[name] != rebuilt[name]]
    return said + await _judge_scores(world, grown, seen)


async def _judge_scores(world: World, tables: ProjectionStore, seen: set[tuple[str, int, int, str]]) -> list[str]:
    items, attempts = await _rows(tables, schema.items), await _rows(tables, schema.attempts)
    shown: dict[Exam, list[dict[str, Any]]] = defaultdict(list)
    for row in items:
        shown[row["rig"], row["exam_no"]].append(row)
    by_id = {row["attempt"]: row for row in attempts}
    said: list[str] = []
    for box in world.boxes:
        for rig in box.rigs.values():
            whole = not rig.was_unreadable and not world.oracle.sick(box)
            for exam, records in _exams(rig, seen).items():
                said += _judge_exam(exam, records, shown.pop(exam, []))
                if whole and _is_whole(rig, records, seen):
                    said += _judge_attempt(exam, records, shown_of(items, exam), by_id)
    said += [f"P4 the projection shows {exam}, which no rig held" for exam in shown]
    return said


def shown_of(items: list[dict[str, Any]], exam: Exam) -> list[dict[str, Any]]:
    return [row for row in items if (row["rig"], row["exam_no"]) == exam]


def _exams(rig: Rig, seen: set[tuple[str, int, int, str]]) -> dict[Exam, list[Latched]]:
    """What the server has of each exam of a rig."""
    found: dict[Exam, list[Latched]] = defaultdict(list)
    for record in rig.history:
        if record.mode == "exam" and (rig.serial, *record.key) in seen:
            found[rig.serial, record.fields["exam_no"]].append(record)
    return found


def _is_whole(rig: Rig, records: list[Latched], seen: set[tuple[str, int, int, str]]) -> bool:
    """It ended, in the boot in which it began, and the server has all of it."""
    number = records[0].fields["exam_no"]
    made = [record for record in rig.history if record.fields["exam_no"] == number]
    return (
        made[-1].kind in _OVER
        and len({record.epoch for record in made}) == 1
        and all((rig.serial, *record.key) in seen for record in made)
    )


def _judge_exam(exam: Exam, records: list[Latched], rows: list[dict[str, Any]]) -> list[str]:
    ends = [record.fields for record in records if record.kind == "item.finished"]
    made = {(fields["item"], fields["ordinal"], fields["score"]) for fields in ends}
    held = {(row["item"], row["ordinal"], row["score_claimed"]) for row in rows}
    return (
        [] if made == held else [f"P4 of {exam} the projection shows {sorted(held, key=str)}, the rig latched {made}"]
    )


def _judge_attempt(
    exam: Exam, records: list[Latched], rows: list[dict[str, Any]], attempts: dict[str, dict[str, Any]]
) -> list[str]:
    """A whole exam is one attempt, of so many items, and ended as the rig says."""
    ids = {row["attempt"] for row in rows}
    if len(ids) != 1 or None in ids:
        return [f"P4 the items of {exam} are of attempts {sorted(map(str, ids))}"]
    found = attempts.get(ids.pop())
    end, count = records[-1], sum(record.kind == "item.finished" for record in records)
    total = end.fields["claimed_total"] if end.kind == "attempt.finished" else None  # what is broken off has none
    expected = count, _OVER[end.kind], total
    held = found and (found["item_count"], found["state"], found["claimed_total"])
    return [] if held == expected else [f"P4 the attempt of {exam} is {held}, the rig says {expected}"]


async def _rows(tables: ProjectionStore, table: sa.Table) -> list[dict[str, Any]]:
    async with tables.reading() as db:
        return [dict(row) for row in (await db.execute(sa.select(table))).mappings()]
