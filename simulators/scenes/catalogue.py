"""Every behaviour by its name, and its three strengths. Numbers of people and effort, no limits of any alarm."""

from __future__ import annotations

from simulators.scenes import arrivals, behaviours
from simulators.scenes.behaviours import Behaviour, Force


def _forces(*pairs: tuple[float, float]) -> tuple[Force, Force, Force]:
    first, second, third = (Force(*pair) for pair in pairs)
    return first, second, third


def _doc(change: object) -> str:
    return (change.__doc__ or "").strip()


_CHANGES = {
    "hurried": ("R1", behaviours.hurried, _forces((0.1, 3), (0.4, 6), (0.9, 12))),
    "copied-sheet": ("R2", behaviours.copied_sheet, _forces((0.15, 1), (0.4, 1), (0.9, 1))),
    "waved-through": ("R3", behaviours.waved_through, _forces((0.2, 1), (0.5, 1), (1.0, 1))),
    "lifted": ("R4", behaviours.lifted, _forces((0.3, 2), (0.7, 4), (1.0, 8))),
    "at-night": ("R5", arrivals.at_night, _forces((0.1, 8), (0.3, 9), (0.6, 11))),
    "conveyor": ("R6", arrivals.conveyor, _forces((0.2, 1.5), (0.5, 3), (1.0, 6))),
    "two-places": ("R7", arrivals.two_places, _forces((0.05, 1), (0.2, 1), (0.5, 1))),
    "typed-in-later": ("R9 R14", arrivals.typed_in_later, _forces((0.2, 1), (0.5, 3), (1.0, 6))),
    "again-until-good": ("R11 R15", arrivals.again_until_good, _forces((0.1, 1), (0.3, 2), (0.7, 3))),
    "lenient-bench": ("R12", behaviours.lenient_bench, _forces((0.01, 2), (0.01, 4), (0.01, 10))),
    "against-sensors": ("R13", behaviours.against_sensors, _forces((0.1, 1), (0.4, 1), (0.9, 1))),
    "nobody-there": ("R14", behaviours.nobody_there, _forces((0.1, 0.6), (0.4, 0.5), (0.9, 0.4))),
    "retake-farm": ("R15", arrivals.retake_farm, _forces((0.1, 1), (0.3, 2), (0.6, 3))),
    "staged-failures": ("R16", behaviours.staged_failures, _forces((0.1, 2), (0.3, 4), (0.6, 8))),
    "easy-draw": ("R17", behaviours.easy_draw, _forces((0.3, 1), (0.6, 1), (1.0, 1))),
    "practice-before": ("R18", arrivals.practice_before, _forces((0.1, 1), (0.4, 2), (0.8, 4))),
    "sudden-pass": ("R20", behaviours.sudden_pass, _forces((0.2, 1), (0.4, 1), (0.6, 1))),
    "unchecked": ("R22", behaviours.unchecked, _forces((0.1, 0.0), (0.4, 0.2), (0.9, 0.5))),
}
_NOTHING = _forces((0, 0), (0, 0), (0, 0))


def _only_faults(rules: str, what: str, *faults: str) -> Behaviour:
    first, second, third = faults
    return Behaviour(rules, what, lambda _day, _use, _force: None, _NOTHING, (first, second, third))


BEHAVIOURS: dict[str, Behaviour] = {
    name: Behaviour(rules, _doc(change), change, forces) for name, (rules, change, forces) in _CHANGES.items()
} | {
    "cable-pulled": _only_faults(
        "R10",
        "Somebody pulls the cable while exams run, and puts it back when they are over.",
        "refuse@5-10",
        "refuse@5-25",
        "refuse@5-65",
    ),
    "clock-turned": _only_faults(
        "R19",
        "The clock of the rig is turned back, so that an exam looks as if it had been in its hours.",
        "clock-back@5-8",
        "clock-back@5-20",
        "clock-back@2-60",
    ),
    "memory-wiped": _only_faults(
        "R21",
        "Results that displease are wiped from the rig before anybody has read them.",
        "seq-gap@5-6",
        "seq-restart@5-6",
        "seq-restart@5-6 seq-restart@15-16 seq-restart@25-26",
    ),
}
