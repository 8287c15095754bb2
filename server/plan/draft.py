"""The next version of a plan from what was read and what earlier versions minted: attempts, blinds, draws.

    source + lists + Kept ─▶ document ─▶ text, openings, keyed hashes

Owns what stays over versions (rule 2): the attempt of a (session, ticket, try), the blind of an unchanged value, the
items that were drawn. Randomness comes in: a real server draws from the system's source, a test from a seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from scorelog.format.limits import ATTEMPT_BYTES, BLIND_BYTES
from scorelog.format.plan import PlanOpening
from server.plan.draw import draw_items
from server.plan.identity import keyed_hash, masked
from server.plan.publication import AttemptOpening

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from datetime import datetime

    from server.plan.candidates import Candidate
    from server.plan.sheets import Sitting
    from server.plan.source import PlanSource

TEXT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """What earlier versions of the point have. Personal."""

    attempts: Mapping[tuple[str, str, int], str] = field(default_factory=dict, repr=False)
    openings: Mapping[tuple[str, str], PlanOpening] = field(default_factory=dict, repr=False)
    items: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """A version without its number and date. Personal beside the sessions."""

    sessions: list[dict[str, Any]] = field(default_factory=list)
    openings: list[AttemptOpening] = field(default_factory=list, repr=False)
    persons: dict[str, str] = field(default_factory=dict, repr=False)
    drawn: int = 0
    redrawn: int = 0

    def document(self, source: PlanSource, version: int, published: str) -> dict[str, Any]:
        """The plan's public text as an object."""
        gateways = sorted({rig["gateway"] for rig in source.rigs})
        return {
            "point": {"gateways": gateways, "id": source.point, "name": source.name, "region": source.region},
            "published": published,
            "rooms": source.rooms,
            "sessions": self.sessions,
            "v": TEXT_VERSION,
            "version": version,
        }


def make_draft(sittings: list[Sitting], kept: Kept, id_key: bytes, source: random.Random) -> Draft:
    """Mint and draw what is not there yet."""
    draft = Draft()
    maker = _Maker(draft, kept, id_key, source)
    for sitting in sittings:
        session = sitting.session
        draft.sessions.append(
            {
                "candidates": [maker.candidate(sitting, each) for each in sitting.candidates],
                "closes": utc(session.closes),
                "id": session.id,
                "occupation": sitting.rubric.id,
                "opens": utc(session.opens),
                "rubric": sitting.rubric.sha256,
            }
        )
    return draft


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one."""
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


class _Maker:
    """Adds candidate after candidate to a draft."""

    def __init__(self, draft: Draft, kept: Kept, id_key: bytes, source: random.Random) -> None:
        self._draft = draft
        self._kept = kept
        self._id_key = id_key
        self._source = source

    def candidate(self, sitting: Sitting, one: Candidate) -> dict[str, Any]:
        """One element of a session's `candidates`."""
        minted = self._kept.attempts.get((sitting.session.id, one.ticket, one.try_no))
        attempt = minted or self._source.randbytes(ATTEMPT_BYTES).hex()
        values = {"masked_id": masked(one.id_number), "name": one.name, "ticket": one.ticket}
        openings = [self._opening(attempt, name, value) for name, value in values.items()]
        self._draft.openings += [AttemptOpening(each, sitting.session.id, one.try_no) for each in openings]
        self._draft.persons[attempt] = keyed_hash(self._id_key, one.id_number)
        return {
            "attempt": attempt,
            "commitments": [{"field": each.field, "sha256": each.sha256} for each in openings],
            "items": list(one.items or self._drawn(attempt, sitting)),
            "places": list(one.places),
            "try": one.try_no,
        }

    def _opening(self, attempt: str, name: str, value: str) -> PlanOpening:
        kept = self._kept.openings.get((attempt, name))
        if kept is not None and kept.value == value:
            return kept
        return PlanOpening(attempt, name, self._source.randbytes(BLIND_BYTES), value)

    def _drawn(self, attempt: str, sitting: Sitting) -> tuple[str, ...]:
        """What was drawn stays drawn as long as it can be examined."""
        items = self._kept.items.get(attempt, ())
        subjects = sitting.drawable.subjects.values()
        if items and all(sum(item in each.items for item in items) == each.draws for each in subjects):
            return items
        self._draft.drawn += 1
        self._draft.redrawn += bool(items)
        return draw_items(sitting.drawable, self._source)
