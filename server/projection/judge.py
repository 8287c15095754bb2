"""P4: decode the raw words again, score again, and say what differs from the entry and from the rig's claim. Pure.

The judgement rests on the raw bytes, the profile and the rubric that stand in the log, never on the gateway's decoded
fields. Personal bytes that were cut are put back from their openings first; where one is gone, everything else is still
decoded and the block's checksum is said to be uncheckable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from device_adapters.decoding.decode import Decoded, decode_entry_raw
from device_adapters.decoding.sent import decode_sent
from device_adapters.errors import DecodeError
from device_adapters.observation import RawArea
from scorelog.format import types
from scorelog.format.errors import RubricError
from scorelog.format.scoring import Deduction, score_item

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.language.profile import Profile
    from server.projection.facts import Fact
    from server.projection.rubrics import Adopted

Verdict = Literal["equal", "mismatch", "impossible", "none"]

# What the rig itself recorded; the other types come from the gateway and have nothing to decode again.
RECORDED: Final = frozenset(
    {
        types.IDENTITY_CHECKED,
        types.ITEM_STARTED,
        types.DEDUCTION,
        types.ITEM_FINISHED,
        types.ATTEMPT_FINISHED,
        types.ATTEMPT_ABORTED,
        types.RIG_MODE,
        types.CANDIDATE_ACKNOWLEDGED,
    },
)
_STRENGTH: Final = ("unacknowledged", "single-read", "double-read", "latched")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which the entry and the recomputation disagree. Never a personal value."""

    what: str
    claimed: Any
    recomputed: Any

    def to_json(self) -> dict[str, Any]:
        """For the table, the page and the API."""
        return {"what": self.what, "claimed": self.claimed, "recomputed": self.recomputed}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one entry. `fields` are those decoded from the raw words, where that was possible."""

    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    score: int | None = None
    veto_effect: str | None = None
    rubric: str | None = None


def restore(fact: Fact) -> tuple[list[RawArea], bool]:
    """The raw areas with personal bytes put back; False when some are gone for good."""
    areas, whole = [], True
    for area in fact.entry.raw:
        data = bytearray(area.data)
        hidden = fact.openings.get(f"raw.{area.area}")
        if area.cut and (hidden is None or len(hidden) != sum(length for _, length in area.cut)):
            whole = False
        elif area.cut and hidden is not None:
            at = 0
            for offset, length in area.cut:
                data[offset : offset + length] = hidden[at : at + length]
                at += length
        areas.append(RawArea(area.area, area.at, bytes(data), area.cut))
    return areas, whole


def judge(fact: Fact, adopted: Adopted) -> Judgement:
    """Decode and score one entry again."""
    if fact.type not in RECORDED or not fact.entry.raw:
        return Judgement("impossible", notes=("no_raw",)) if fact.type in RECORDED else Judgement("none")
    profile, why = adopted.profile(fact.place.origin, fact.place.index, fact.entry.profile)
    if profile is None:
        return Judgement("impossible", notes=(why,))
    areas, whole = restore(fact)
    notes = () if whole or profile.message is not None else ("checksum_not_checkable",)  # a message has no checksum
    try:
        decoded = _decode(profile, areas, erased=not whole)
    except DecodeError as error:
        return Judgement("mismatch", (Difference("raw", fact.type, str(error)),), notes)
    differences = _compare(fact, decoded, profile.guarantee)
    if profile.message is not None:
        hidden, claimed = ([list(area.cut) for area in several] for several in (decoded.areas, areas))
        if hidden != claimed:
            differences.append(Difference("raw.cut", claimed, hidden))
    judged = Judgement("mismatch" if differences else "equal", tuple(differences), notes, decoded.fields)
    return _score(fact, judged, adopted) if fact.type == types.ITEM_FINISHED else judged


def _decode(profile: Profile, areas: list[RawArea], *, erased: bool) -> Decoded:
    """By the registers of the profile, or by the shape of its messages."""
    if profile.message is not None:
        return decode_sent(areas, erased=erased, shape=profile.message)
    return decode_entry_raw(profile, areas, erased=erased)


def _compare(fact: Fact, decoded: Decoded, guarantee: str) -> list[Difference]:
    entry = fact.entry
    pairs = [
        ("type", entry.type, decoded.type),
        ("rig", entry.rig, decoded.rig),
        ("epoch", entry.epoch, decoded.epoch),
        ("seq", entry.seq, decoded.seq),
        ("rig_time", entry.rig_time, decoded.rig_time),
        *((f"fields.{name}", fact.fields.get(name), value) for name, value in decoded.fields.items()),
    ]
    found = [Difference(what, claimed, again) for what, claimed, again in pairs if claimed != again]
    if _strength(entry.guarantee) > _strength(guarantee):
        found.append(Difference("guarantee", entry.guarantee, guarantee))
    for name, value in decoded.personal.items():
        opened = fact.openings.get(name)
        if decoded.proven and opened is not None and opened != value:
            found.append(Difference(f"personal.{name}", "another value", "the raw words"))
    return found


def _strength(guarantee: str | None) -> int:
    return _STRENGTH.index(guarantee) if guarantee in _STRENGTH else -1


def _score(fact: Fact, decoded: Judgement, adopted: Adopted) -> Judgement:
    code = str(decoded.fields.get("item"))
    rubric, why = adopted.rubric_for(fact, code)
    if rubric is None:
        verdict: Verdict = "mismatch" if decoded.differences else "impossible"
        return Judgement(verdict, decoded.differences, (*decoded.notes, why), decoded.fields)
    claimed = decoded.fields.get("score")
    try:
        listed = decoded.fields.get("deductions")
        deductions = [Deduction.from_fields(one) for one in listed] if isinstance(listed, list) else []
        scored = score_item(rubric.item(code), deductions, str(decoded.fields.get("outcome")))
    except RubricError as error:
        wrong = Difference("score", claimed, str(error))
        return Judgement(
            "mismatch", (*decoded.differences, wrong), decoded.notes, decoded.fields, None, None, rubric.sha256
        )
    differences = list(decoded.differences)
    if scored.score != claimed:
        differences.append(Difference("score", claimed, scored.score))
    return Judgement(
        "mismatch" if differences else "equal",
        tuple(differences),
        decoded.notes,
        decoded.fields,
        scored.score,
        scored.veto_effect,
        rubric.sha256,
    )
