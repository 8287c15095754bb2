"""Fuzz targets of what a server answers to a gateway: a plan with its openings, and a heartbeat's answer."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from fuzz_targets import Target
from gateway_plans import PlanDraft, Seat, Sitting, plan_answer

from gateway.errors import BadAnswer, PlanRefused
from gateway.plan.answer import parse_answer
from gateway.plan.roster import Roster
from gateway.sending.transport import parse_heartbeat_answer

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from gateway.plan.answer import PlanCopy


def _parse(body: bytes) -> PlanCopy:
    """A plan that is taken can be put to use."""
    copy = parse_answer(body)
    Roster(copy)
    return copy


def _with_its_hash(rng: random.Random, body: bytes, mutate: Callable[[bytes], bytes]) -> bytes:
    """Another text under a hash that fits, so that the walk gets behind that check; now and then other openings."""
    try:
        document = json.loads(body)
        part = rng.choice(("plan", "openings"))
        if part == "openings":
            document["openings"] = json.loads(mutate(json.dumps(document["openings"]).encode()))
        else:
            document["plan"] = mutate(document["plan"].encode()).decode("utf-8", "replace")
            document["sha256"] = hashlib.sha256(document["plan"].encode()).hexdigest()
        return json.dumps(document).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return mutate(body)


def _plans() -> list[bytes]:
    placed = PlanDraft((Sitting((Seat("T1", ("K11",), ("A-01",)),)),))
    empty = PlanDraft(())
    return [plan_answer(), placed.answer(), empty.answer(rubrics=[]), plan_answer(openings=[])]


def _beats() -> list[bytes]:
    answer = {
        "v": 1,
        "time": "2026-11-23T06:42:05.201Z",
        "nonce": "00" * 16,
        "plan_version": 7,
        "renew": False,
        "revoked": None,
        "size": 55,
        "sessions": [{"id": "S20261123-1", "nonce": "ab" * 16}],
    }
    return [json.dumps(answer).encode(), json.dumps({**answer, "plan_version": None, "sessions": []}).encode()]


TARGETS = [
    Target(
        name="plan-answer",
        parse=_parse,
        refusals=(PlanRefused,),
        encode=None,
        seeds=_plans,
        tokens=(b"\\ud800", b"null", b"[[", b'"openings":', b'"rubrics":[', b"1e9"),
        reshape=_with_its_hash,
    ),
    Target(
        name="heartbeat-answer",
        parse=parse_heartbeat_answer,
        refusals=(BadAnswer,),
        encode=None,
        seeds=_beats,
        tokens=(b"\\ud800", b"null", b"[[[[", b"true", b"1.5", b'"sessions":'),
    ),
]
