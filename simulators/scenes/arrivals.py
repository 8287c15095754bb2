"""Formality in who comes when and where: nights, crowds, one person at two benches, sheets typed in afterwards. Pure.

See behaviours.py for what is done to a sheet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from simulators.device.codes import Outcome
from simulators.exam.deeds import Deed, do_item
from simulators.scenes.behaviours import no_veto, plain
from simulators.scenes.drafts import Draft

if TYPE_CHECKING:
    from simulators.scenes.behaviours import Force
    from simulators.scenes.drafts import Day

_US = 1_000_000
_HOUR_US = 3600 * _US


def at_night(day: Day, use: str, force: Force) -> None:
    """Some come when the house is empty, hours after everybody else."""
    late = day.some(use, force.share)
    first: set[int] = set()
    day.drafts = [*(draft for draft in day.drafts if draft not in late), *late]
    for draft in late:
        if draft.rig not in first:
            draft.pause_us += int(force.reach * _HOUR_US)
            first.add(draft.rig)


def conveyor(day: Day, use: str, force: Force) -> None:
    """More candidates than the benches can take: some are added, and nobody is given the time to walk up to the rig."""
    extra = [replace(draft, ticket=f"{draft.ticket}X", deeds=list(draft.deeds)) for draft in day.some(use, force.share)]
    day.drafts += extra
    for draft in day.drafts:
        draft.pause_us = 2 * _US
        draft.item_pause_us = _US
        draft.deeds = [
            plain(deed, no_veto(deed), max(2 * _US, int(deed.duration_us / force.reach))) for deed in draft.deeds
        ]


def two_places(day: Day, use: str, force: Force) -> None:
    """Somebody else sits for a candidate at the next bench while the candidate sits here: one ticket, two rigs."""
    for draft in day.some(use, force.share):
        if day.rigs > 1:
            at = day.drafts.index(draft)
            twin = replace(
                draft, rig=(draft.rig + 1) % day.rigs, deeds=list(draft.deeds), pause_us=draft.pause_us + 20 * _US
            )
            day.drafts.insert(at + 1, twin)


def typed_in_later(day: Day, use: str, force: Force) -> None:
    """The exam was never taken at the rig: when the day is over its sheets are typed in, one like the other."""
    typed = day.some(use, force.share)
    rng = day.rng(use)
    day.drafts = [*(draft for draft in day.drafts if draft not in typed), *typed]
    for draft in typed:
        draft.pause_us = int(30 * _US / force.reach)
        draft.item_pause_us = 2 * _US
        draft.deeds = [plain(deed, _typed(deed, rng.randint(0, 1)), 8 * _US) for deed in draft.deeds]


def _typed(deed: Deed, count: int) -> tuple[tuple[int, int, int], ...]:
    return tuple((3, line, points) for _, line, points in no_veto(deed)[:count])


def retake_farm(day: Day, use: str, force: Force) -> None:
    """Who fails comes again within minutes, more than once, and is suddenly good at it."""
    rng = day.rng(use)
    for draft in day.some(use, force.share):
        failed = draft
        failed.deeds = [plain(deed, _bad(deed), deed.duration_us) for deed in draft.deeds]
        for attempt in range(2, 2 + int(force.reach)):
            last = attempt == 1 + int(force.reach)
            deeds = [do_item(deed.item, rng, 0.02 if last else 0.6, veto_chance=0.0) for deed in draft.deeds]
            again = replace(draft, deeds=deeds, attempt=2, after=failed, pause_us=60 * _US)
            day.drafts.append(again)
            failed = again


def _bad(deed: Deed) -> tuple[tuple[int, int, int], ...]:
    lines = deed.item.plain_lines
    return tuple((2 + index, line.number, line.max_points) for index, line in enumerate(lines[:20]))


def practice_before(day: Day, use: str, force: Force) -> None:
    """The candidate practises, on the exam rig and shortly before, the very items that will be drawn."""
    for draft in day.some(use, force.share):
        rng = day.rng(f"{use}/{draft.ticket}")
        deeds = [do_item(deed.item, rng, 0.5, veto_chance=0.0) for deed in draft.deeds[: max(1, int(force.reach))]]
        at = day.drafts.index(draft)
        day.drafts.insert(at, Draft(f"P{draft.ticket[1:]}", draft.rig, deeds, practice=True))
        draft.deeds = [plain(deed, no_veto(deed)[:1]) for deed in draft.deeds]


def again_until_good(day: Day, use: str, force: Force) -> None:
    """An item that went wrong is simply begun anew in the same exam, until it is good: the last one counts."""
    rng = day.rng(use)
    for draft in day.some(use, force.share):
        deeds: list[Deed] = []
        for deed in draft.deeds:
            tries = [do_item(deed.item, rng, 0.8, veto_chance=0.0) for _ in range(int(force.reach))]
            deeds += [each for each in tries if each.outcome is not Outcome.VETO]
            deeds.append(plain(deed, no_veto(deed)[:1]))
        draft.deeds = deeds
