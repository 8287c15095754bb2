"""Profiles, rubrics and plans as the logs adopted them, by hash.

`RubricBook` gives the words of a rubric to whoever shows something. `Adopted` answers the stricter question of P4: what
had *this log* adopted before *this entry*? Only that may judge the entry.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from device_adapters.errors import AdapterError
from device_adapters.language.profile import load_profile
from scorelog.format.errors import FormatError, RubricError
from scorelog.format.rubric import parse_rubric
from scorelog.format.scoring import Deduction, score_item
from server.projection import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from device_adapters.language.profile import Profile
    from scorelog.format.rubric import Rubric
    from server.projection.facts import Fact
    from server.projection.plans import PlanFacts
    from server.projection.rigfold import Deducted


@dataclass(frozen=True, slots=True)
class Adoption:
    """One `profile.adopted`, `rubric.adopted` or whole `plan.adopted`; `problem` says why it cannot be used."""

    index: int
    kind: str
    sha256: str
    problem: str | None = None
    rubric_id: str | None = None


Adoptions: TypeAlias = "dict[tuple[str, str], tuple[Adoption, ...]]"  # by origin and kind, in log order
Marked: TypeAlias = "tuple[Adoptions, dict[str, PlanFacts]]"


class RubricBook:
    """Parsed rubrics and profiles by hash of their text. Never decides which one applies."""

    def __init__(self) -> None:
        self._rubrics: OrderedDict[str, Rubric] = OrderedDict()
        self._profiles: OrderedDict[str, Profile] = OrderedDict()

    def take(self, index: int, kind: str, claimed: str, text: str) -> Adoption:
        """Read an adopted text; the adoption says what is wrong with it, if anything."""
        data = text.encode("utf-8", "surrogatepass")
        found = hashlib.sha256(data).hexdigest()
        if found != claimed:
            return Adoption(index, kind, claimed, problem=f"the text hashes to {found}")
        try:
            if kind == "profile":
                if found not in self._profiles:  # many gateways adopt one text, and its hash says that it is the same
                    self._profiles[found] = load_profile(data)
                    _bound(self._profiles, limits.PROFILES_KEPT)
                return Adoption(index, kind, found)
            if found not in self._rubrics:
                self._rubrics[found] = parse_rubric(data)
                _bound(self._rubrics, limits.RUBRICS_KEPT)
            return Adoption(index, kind, found, rubric_id=self._rubrics[found].id)
        except (AdapterError, FormatError) as error:
            return Adoption(index, kind, found, problem=str(error)[: limits.REASON_MAX])

    def rubric(self, sha256: str | None) -> Rubric | None:
        """The rubric of this hash, if it was ever taken."""
        return self._rubrics.get(sha256 or "")

    def profile(self, sha256: str | None) -> Profile | None:
        """The profile of this hash, if it was ever taken."""
        return self._profiles.get(sha256 or "")

    def item(self, sha256: str | None, code: str) -> dict[str, Any]:
        """An item's code and names; the code itself where no rubric is known."""
        rubric = self.rubric(sha256)
        try:
            name = rubric.item(code).name if rubric else None
        except RubricError:
            name = None
        return {"code": code, "zh": name.zh if name else code, "en": name.en if name else code}

    def line(self, sha256: str | None, code: str, line: int) -> dict[str, Any]:
        """A line's number, words and maximum."""
        rubric = self.rubric(sha256)
        try:
            found = rubric.item(code).lines.get(line) if rubric else None
        except RubricError:
            found = None
        if found is None:
            return {"line": line, "zh": f"第 {line} 项", "en": f"line {line}", "max": None}
        return {"line": line, "zh": found.text.zh, "en": found.text.en, "max": found.max}

    def running_score(self, sha256: str | None, code: str, deductions: Iterable[Deducted]) -> int | None:
        """What the item would score if it ended now."""
        rubric = self.rubric(sha256)
        if rubric is None:
            return None
        try:
            return score_item(
                rubric.item(code), [Deduction(one.line, one.points, one.veto) for one in deductions], "finished"
            ).score
        except RubricError:
            return None


class Adopted:
    """Per log, what was adopted at which index."""

    def __init__(self, book: RubricBook) -> None:
        self.book = book
        self.plans: dict[str, PlanFacts] = {}
        self._adoptions: Adoptions = {}

    def add(self, origin: str, adoption: Adoption) -> None:
        """In log order; the same index again changes nothing."""
        here = origin, adoption.kind
        kept = [one for one in self._adoptions.get(here, ()) if one.index != adoption.index]
        self._adoptions[here] = tuple(sorted([*kept, adoption], key=lambda one: one.index))

    def mark(self) -> Marked:
        """What is known now, to come back to."""
        return dict(self._adoptions), dict(self.plans)

    def back_to(self, marked: Marked) -> None:
        """Forget what was adopted since."""
        adoptions, plans = marked
        self._adoptions, self.plans = dict(adoptions), dict(plans)

    def profile(self, origin: str, index: int, sha256: str | None) -> tuple[Profile | None, str]:
        """The profile that the entry names, if this log adopted it before the entry; else why not."""
        for one in self._adoptions.get((origin, "profile"), ()):
            if one.sha256 == sha256 and one.index < index:
                return self.book.profile(sha256), one.problem or "profile_unreadable"
        return None, "profile_not_adopted"

    def rubric(self, origin: str, index: int, item: str) -> tuple[Rubric | None, str]:
        """The rubric that applies to an item: of the newest version of each adopted one, the only one with the item."""
        newest: dict[str, Adoption] = {}
        for one in self._before(origin, index, "rubric"):
            if one.rubric_id:
                newest[one.rubric_id] = one
        fitting = [
            rubric
            for one in newest.values()
            if (rubric := self.book.rubric(one.sha256)) and any(item in s.items for s in rubric.subjects.values())
        ]
        if len(fitting) == 1:
            return fitting[0], ""
        return None, "rubric_ambiguous" if fitting else "rubric_not_adopted"

    def plan(self, origin: str, index: int) -> PlanFacts | None:
        """The plan that this log went by at this entry: the last one that it had adopted."""
        for one in reversed(self._adoptions.get((origin, "plan"), ())):
            if one.problem is None and one.index < index:
                return self.plans.get(one.sha256)
        return None

    def rubric_for(self, fact: Fact, item: str) -> tuple[Rubric | None, str]:
        """The rubric that judges an item of this entry: its session's, where the entry names one, never a guess."""
        place = fact.place
        if fact.entry.session is None:
            return self.rubric(place.origin, place.index, item)
        wanted, why = self._session_rubric(fact)
        if wanted is None:
            return None, why
        for one in self._adoptions.get((place.origin, "rubric"), ()):
            if one.sha256 == wanted and one.index < place.index and not one.problem:
                return self.book.rubric(wanted), "rubric_unreadable"
        return None, "session_rubric_not_adopted"

    def _session_rubric(self, fact: Fact) -> tuple[str | None, str]:
        """The hash of the rubric of the entry's session, in the plan that it names or else in the last one."""
        named, place, any_plan = fact.entry.plan, fact.place, False
        for one in reversed(self._adoptions.get((place.origin, "plan"), ())):
            if one.problem is not None or one.index >= place.index or named not in {None, one.sha256}:
                continue
            plan = self.plans.get(one.sha256)
            session = plan.sessions.get(fact.entry.session or "") if plan else None
            if session:
                return session.rubric, ""
            any_plan = any_plan or plan is not None
        return None, "session_not_in_plan" if any_plan else "plan_not_adopted"

    def _before(self, origin: str, index: int, kind: str) -> list[Adoption]:
        return [one for one in self._adoptions.get((origin, kind), ()) if one.index < index]


def _bound(kept: OrderedDict[str, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
