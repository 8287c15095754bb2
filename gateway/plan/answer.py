"""A plan with what travels beside it, and whether the whole of it holds (docs/formats/plan.md, rules 1 to 5 and B1).

Pure: bytes in, a `PlanCopy` out, or PlanRefused with a reason that holds nothing personal (P7).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway import limits
from gateway.errors import PlanRefused
from gateway.recording.texts import Text
from scorelog.format.errors import FormatError
from scorelog.format.plan import check_openings, parse_openings, parse_plan
from scorelog.format.plan_openings import MISSING
from scorelog.format.rubric import parse_rubric

if TYPE_CHECKING:
    from scorelog.format.plan import Plan, PlanOpening

VERSION = 1


@dataclass(frozen=True, slots=True)
class PlanCopy:
    """A plan that holds. `missing` commitments have no opening any more: those values were erased."""

    plan: Plan
    rubrics: tuple[Text, ...]
    openings: tuple[PlanOpening, ...] = field(repr=False)
    missing: int


def parse_answer(body: bytes) -> PlanCopy:
    """The body of `GET /gateway/v1/plan`, checked whole."""
    document = _object(body)
    if document.get("v") != VERSION:
        raise PlanRefused("the answer is of another version")
    copy = checked(document)
    if document.get("version") != copy.plan.version:
        raise PlanRefused(f"the answer says another version than its text, {copy.plan.version}")
    return copy


def checked(document: dict[str, Any]) -> PlanCopy:
    """The same for the parts, wherever they come from: `sha256`, `plan`, `rubrics`, `openings`."""
    text, rubrics = document.get("plan"), document.get("rubrics")
    if not isinstance(text, str) or not isinstance(rubrics, list):
        raise PlanRefused("the answer has no plan or no rubrics")
    try:
        data = text.encode()
        if hashlib.sha256(data).hexdigest() != document.get("sha256"):
            raise PlanRefused("the text has another hash than the one that names it")
        plan, openings = parse_plan(data), parse_openings(document.get("openings"))
    except UnicodeEncodeError:
        raise PlanRefused("the text has a lone surrogate") from None
    except FormatError as error:
        raise PlanRefused(str(error)[:300]) from None
    return PlanCopy(plan, _rubrics(plan, rubrics), openings, _missing(plan, openings))


def check_place(copy: PlanCopy, gateway_id: str, used: Plan | None) -> None:
    """Whether this plan is for this box, and newer than the one in use."""
    plan = copy.plan
    if gateway_id not in plan.gateways:
        raise PlanRefused(f"this gateway, {gateway_id}, is none of the point {plan.point}")
    if used is None:
        return
    if plan.point != used.point:
        raise PlanRefused(
            f"it is of the point {plan.point}, and this box is at {used.point}; "
            "a box that moves is stopped and its folder `plan` removed"
        )
    if plan.version < used.version or (plan.version == used.version and plan.sha256 != used.sha256):
        raise PlanRefused(f"version {plan.version} is not newer than {used.version}, which is in use")


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise PlanRefused("the answer is no JSON") from None
    if not isinstance(document, dict):
        raise PlanRefused("the answer is no object")
    return document


def _missing(plan: Plan, openings: tuple[PlanOpening, ...]) -> int:
    """How many values were erased. Anything else that does not fit refuses the plan."""
    found = Counter(one.kind for one in check_openings(plan, openings))
    missing = found.pop(MISSING, 0)
    if found:
        said = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
        raise PlanRefused(f"openings and commitments do not fit: {said}")
    return missing


def _rubrics(plan: Plan, texts: list[Any]) -> tuple[Text, ...]:
    """Each rubric that a session names, once, in the order of the plan."""
    given = {hashlib.sha256(_bytes(text)).hexdigest(): text for text in texts}
    found = []
    for name in dict.fromkeys(session.rubric for session in plan.sessions):
        if name not in given:
            raise PlanRefused(f"rubric {name[:16]} is named and not there")
        try:
            parse_rubric(given[name].encode())
        except FormatError as error:
            raise PlanRefused(f"rubric {name[:16]}: {error}"[:300]) from None
        if len(json.dumps(given[name], ensure_ascii=False).encode()) > limits.ADOPTED_JSON_BYTES_MAX:
            raise PlanRefused(f"rubric {name[:16]} does not fit into an entry")
        found.append(Text(name, given[name]))
    return tuple(found)


def _bytes(text: Any) -> bytes:
    try:
        return text.encode() if isinstance(text, str) else b""
    except UnicodeEncodeError:
        return b""
