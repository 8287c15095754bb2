"""What the truth of a day looks like to somebody who counts: one number for every behaviour of the simulators.

They say how much of a behaviour there is, and nothing of where an alarm should begin.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulators.device.truth import truth_line
from simulators.scenes.rehearsal import rehearse
from simulators.scenes.scene import find_scene, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.device.latched import Latched
    from simulators.exam.lineup import RigPlace
    from simulators.exam.scenario import Run

Line = dict[str, Any]
Lines = list[Line]
START_US = 1_795_395_600_000_000  # 2026-11-23T01:00:00Z, nine o'clock in China


def day_of(name: str, strength: str | None = None, *, seed: int = 7) -> Lines:
    """The truth of a small day of this scenario."""
    lines: Lines = []

    def record(latched: Latched, place: RigPlace, run: Run) -> None:
        lines.append(truth_line(latched) | {"station": place.station, "run": run.number})

    scene = replace(find_scene(name), rigs=4, candidates=24)
    rehearse(play(scene, seed=seed, strength=strength), START_US, record)
    return lines


def items(lines: Lines, mode: str = "exam") -> Lines:
    return [line for line in lines if line["type"] == "item.finished" and line["mode"] == mode]


def _at(line: Line) -> float:
    return datetime.fromisoformat(line["rig_time"]).timestamp()


def _runs(lines: Lines) -> dict[int, Lines]:
    found: dict[int, Lines] = defaultdict(list)
    for line in lines:
        if line["mode"] == "exam":
            found[line["run"]].append(line)
    return found


def haste(lines: Lines) -> float:
    """R1."""
    return statistics.mean(1 - line["elapsed_s"] / line["limit_s"] for line in items(lines))


def _vector(run: Lines) -> tuple[Any, ...]:
    return tuple((line["item"], d["line"], d["points"]) for line in items(run) for d in line["deductions"])


def same_sheets(lines: Lines) -> float:
    """R2."""
    counted = Counter(vector for run in _runs(lines).values() if (vector := _vector(run)))
    return max(counted.values())


def spotless(lines: Lines) -> float:
    """R3."""
    return sum(not line["deductions"] for line in items(lines))


def passes(lines: Lines) -> float:
    """R4, R20."""
    return sum(line["claimed_total"] >= 8000 for line in lines if line["type"] == "attempt.finished")


def at_night(lines: Lines) -> float:
    """R5: eight in the evening to six in the morning, in China."""
    return sum(datetime.fromisoformat(line["rig_time"]).hour in range(12, 22) for line in items(lines))


def throughput(lines: Lines) -> float:
    """R6."""
    times = [_at(line) for line in items(lines)]
    return len(times) / (max(times) - min(times))


def twice_at_once(lines: Lines) -> float:
    """R7."""
    spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for run in _runs(lines).values():
        spans[run[0]["ticket"]].append((_at(run[0]), _at(run[-1]), run[0]["serial"]))
    pairs = (pair for each in spans.values() for pair in itertools.combinations(each, 2))
    return sum(a[2] != b[2] and a[0] < b[1] and b[0] < a[1] for a, b in pairs)


def in_a_row(lines: Lines) -> float:
    """R9: most items ended within ten minutes."""
    times = sorted(_at(line) for line in items(lines))
    return max(sum(begin <= each < begin + 600 for each in times) for begin in times)


def repeats(lines: Lines) -> float:
    """R11: items taken again within one exam."""
    return sum(len(items(run)) - len({line["item"] for line in items(run)}) for run in _runs(lines).values())


def odd_bench(lines: Lines) -> float:
    """R12: by how much the mildest bench takes less than the middle one."""
    lost: dict[str, list[int]] = defaultdict(list)
    for line in items(lines):
        lost[line["serial"]].append(sum(d["points"] for d in line["deductions"] if not d["veto"]))
    means = sorted(statistics.mean(each) for each in lost.values())
    return statistics.median(means) - means[0]


def felt_and_not_said(lines: Lines) -> float:
    """R13."""
    return sum(
        not line["deductions"] and any(m["name"] == "compressions_bad" and m["value"] for m in line.get("measures", ()))
        for line in items(lines)
    )


def same_length(lines: Lines) -> float:
    """R14: items of one kind, without a mistake, that took the very same time."""
    counted = Counter((line["item"], line["elapsed_s"]) for line in items(lines) if not line["deductions"])
    return sum(count for count in counted.values() if count > 1)


def resits(lines: Lines) -> float:
    """R15."""
    return len(_runs(lines)) - len({run[0]["ticket"] for run in _runs(lines).values()})


def unseen_failures(lines: Lines) -> float:
    """R16."""
    return sum(
        run[0].get("verdict") != "match" and any(line.get("claimed_total", 10_000) < 8000 for line in run)
        for run in _runs(lines).values()
    )


def favourites(lines: Lines) -> float:
    """R17."""
    drawn: dict[str, Counter[str]] = defaultdict(Counter)
    for line in items(lines):
        drawn[line["item"][:2]][line["item"]] += 1
    return sum(max(each.values()) / each.total() for each in drawn.values())


def practised(lines: Lines) -> float:
    """R18: items practised on a rig within the two hours before they were an exam there."""
    before = {(line["serial"], line["item"], _at(line)) for line in items(lines, "practice")}
    return sum(
        line["serial"] == serial and line["item"] == item and 0 < _at(line) - at < 7200
        for line in items(lines)
        for serial, item, at in before
    )


def unseen(lines: Lines) -> float:
    """R22."""
    return sum(
        line["verdict"] != "match" for line in lines if line["type"] == "identity.checked" and line["mode"] == "exam"
    )


SIGNS: dict[str, Callable[[Lines], float]] = {
    "hurried": haste,
    "copied-sheet": same_sheets,
    "waved-through": spotless,
    "lifted": passes,
    "at-night": at_night,
    "conveyor": throughput,
    "two-places": twice_at_once,
    "typed-in-later": in_a_row,
    "again-until-good": repeats,
    "lenient-bench": odd_bench,
    "against-sensors": felt_and_not_said,
    "nobody-there": same_length,
    "retake-farm": resits,
    "staged-failures": unseen_failures,
    "easy-draw": favourites,
    "practice-before": practised,
    "sudden-pass": passes,
    "unchecked": unseen,
}
