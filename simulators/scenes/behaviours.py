"""What people do at an exam that is a formality: each as behaviour, in three strengths, never as a threshold. Pure.

Every behaviour changes the drafts of a day. How many take part and how far they go is all that a strength says; at
what point an alarm must sound is the server's to know and stands nowhere here. The ids are those of the rules that
the behaviour ought to trip (docs/simulators.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from simulators.device import marking
from simulators.device.codes import Outcome, Verdict
from simulators.device.rubric import EXAM_FAILED
from simulators.exam.deeds import Deed, do_item, ruin_item, score_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.device.rubric import Rubric
    from simulators.scenes.drafts import Day, Draft

_US = 1_000_000
STRENGTHS = ("faint", "plain", "gross")


@dataclass(frozen=True, slots=True)
class Force:
    """How strong: the share of candidates that it touches, and how far it goes."""

    share: float
    reach: float  # times, hours, mistakes: by behaviour


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way in which people do it. `forces` in the order of STRENGTHS."""

    rules: str
    what: str
    change: Callable[[Day, str, Force], None]
    forces: tuple[Force, Force, Force]
    faults: tuple[str, str, str] = ("", "", "")  # what is done to the wire or the rig, beside


def plain(deed: Deed, faults: tuple[tuple[int, int, int], ...], duration_us: int | None = None) -> Deed:
    """The item done without a veto, with these deductions."""
    whole = deed.duration_us if duration_us is None else duration_us
    kept = tuple((min(second, max(1, whole // _US - 1)), line, points) for second, line, points in faults)
    return Deed(deed.item, kept, Outcome.FINISHED, whole, felt=deed.felt)


def no_veto(deed: Deed) -> tuple[tuple[int, int, int], ...]:
    """The mistakes that only cost points."""
    return tuple(fault for fault in deed.faults if not deed.item.lines[fault[1]].veto)


def hurried(day: Day, use: str, force: Force) -> None:
    """An examiner presses them through, many times as fast as hands can be, and nobody looks for mistakes."""
    for draft in day.some(use, force.share):
        draft.deeds = [
            plain(deed, no_veto(deed)[:1], max(2 * _US, int(deed.duration_us / force.reach))) for deed in draft.deeds
        ]


def copied_sheet(day: Day, use: str, force: Force) -> None:
    """One sheet is marked, with its mistakes, and then marked again for the others."""
    chosen = day.some(use, force.share)
    if not chosen:
        return
    rng = day.rng(use)
    pattern = [do_item(deed.item, rng, 0.5, factor=0.6, veto_chance=0.0) for deed in chosen[0].deeds]
    for draft in chosen:
        draft.deeds = [_late(deed, rng.uniform(0.95, 1.05)) for deed in pattern]


def _late(deed: Deed, factor: float) -> Deed:
    moved = tuple((max(1, int(second * factor)), line, points) for second, line, points in deed.faults)
    return plain(deed, moved, int(deed.duration_us * 1.1))


def waved_through(day: Day, use: str, force: Force) -> None:
    """They do what they do, and the examiner takes nothing off."""
    for draft in day.some(use, force.share):
        draft.deeds = [plain(deed, ()) for deed in draft.deeds]


def nobody_there(day: Day, use: str, force: Force) -> None:
    """The item is started, a photograph is taken, nobody touches the rig, and the item is ended with full marks."""
    for draft in day.some(use, force.share):
        draft.deeds = [
            replace(plain(deed, (), int(force.reach * deed.item.limit_s) * _US), untouched=True) for deed in draft.deeds
        ]


def lifted(day: Day, use: str, force: Force) -> None:
    """Whoever would fail by little is forgiven mistakes, the smallest first, until it is enough."""
    willing = {id(draft) for draft in day.some(use, force.share)}
    for draft in day.drafts:
        if id(draft) in willing and not any(deed.outcome is Outcome.VETO for deed in draft.deeds):
            _lift(day.rubric, draft, int(force.reach))


def _lift(rubric: Rubric, draft: Draft, most: int) -> None:
    kept = list(draft.deeds)
    for _ in range(most):
        if _total(rubric, kept) >= rubric.pass_mark:
            draft.deeds = kept
            return
        mistakes = [(fault[2], index, fault) for index, deed in enumerate(kept) for fault in deed.faults]
        if not mistakes:
            return
        _, index, fault = min(mistakes)
        kept[index] = replace(kept[index], faults=tuple(each for each in kept[index].faults if each != fault))
    if _total(rubric, kept) >= rubric.pass_mark:
        draft.deeds = kept


def _total(rubric: Rubric, deeds: list[Deed]) -> int:
    return marking.total(rubric, [(deed.item.code, score_of(deed)) for deed in deeds])


def against_sensors(day: Day, use: str, force: Force) -> None:
    """The manikin feels bad compressions, and the sheet says nothing of them. Only rigs with measures tell."""
    rng = day.rng(use)
    for draft in day.some(use, force.share):
        items = [subject.items for subject in day.rubric.subjects]
        revive = [item for some in items for item in some if item.resuscitation]
        deeds = [replace(plain(deed, ()), felt=deed.faults) for deed in draft.deeds if not deed.item.resuscitation]
        bad = do_item(revive[0], rng, 0.9, factor=0.6, veto_chance=0.0) if revive else None
        draft.deeds = [*deeds[:-1], replace(plain(bad, ()), felt=bad.faults)] if bad else deeds


def lenient_bench(day: Day, use: str, force: Force) -> None:
    """At one bench mistakes cost less often than at all others: its examiner is like that."""
    benches = max(1, round(force.share * day.rigs))
    order = list(range(day.rigs))
    day.rng(f"{use}/who").shuffle(order)
    for draft in day.drafts:
        if draft.rig in order[:benches]:
            draft.deeds = [_mild(deed, force.reach) for deed in draft.deeds]


def _mild(deed: Deed, reach: float) -> Deed:
    kept = tuple((second, line, points) for second, line, points in no_veto(deed))[:: max(1, round(reach))]
    return plain(deed, kept if reach < 10 else ())  # noqa: PLR2004 - nothing at all is the end of the scale


def easy_draw(day: Day, use: str, force: Force) -> None:
    """Of every subject the item that the house likes best, whatever the draw said."""
    favourites = {subject.code: subject.items[0] for subject in day.rubric.subjects}
    rng = day.rng(use)
    for draft in day.some(use, force.share):
        draft.deeds = [
            deed
            if day.rubric.subject_of(deed.item.code).draws > 1
            else do_item(favourites[day.rubric.subject_of(deed.item.code).code], rng, 0.2, veto_chance=0.0)
            for deed in draft.deeds
        ]


def staged_failures(day: Day, use: str, force: Force) -> None:
    """Hired hands fail in other people's names: not looked at, no work done, just long enough to be counted."""
    rng = day.rng(use)
    for draft in day.some(use, force.share):
        draft.verdict = Verdict.NOT_CHECKED
        draft.deeds = [_staged(ruin_item(deed.item, rng), force.reach) for deed in draft.deeds]


def _staged(deed: Deed, reach: float) -> Deed:
    return plain(deed, deed.faults, int(deed.item.limit_s * _US // reach))


def unchecked(day: Day, use: str, force: Force) -> None:
    """The card reader is passed by; the worst do not even look like their card."""
    rng = day.rng(use)
    for draft in day.some(use, force.share):
        draft.verdict = Verdict.NO_MATCH if rng.random() < force.reach else Verdict.NOT_CHECKED


def sudden_pass(day: Day, _: str, force: Force) -> None:
    """From some time of the day on everybody passes: word has come."""
    exams = [draft for draft in day.drafts if not draft.practice]
    late = exams[len(exams) - round(force.share * len(exams)) :]
    for draft in late:
        draft.deeds = [
            plain(deed, no_veto(deed)[:1] if deed.item.veto_effect != EXAM_FAILED else ()) for deed in draft.deeds
        ]
