"""Which runs count and what they score: exact weights, half points, both effects of a veto, no matter in what order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_world import ROOT

from server.projection.compose import Composed, compose
from server.projection.rubrics import RubricBook
from server.projection.runs import Planned
from server.projection.working import session_over

if TYPE_CHECKING:
    from collections.abc import Sequence

BOOK = RubricBook()
ATTEMPT = "a0" * 16


def rubric(name: str) -> str:
    data = (ROOT / "server" / "rubrics" / f"{name}.toml").read_bytes()
    adoption = BOOK.take(0, "rubric", hashlib.sha256(data).hexdigest(), data.decode())
    assert adoption.problem is None
    return adoption.sha256


CHEMICALS, LOW = rubric("hazardous-chemicals-unit"), rubric("low-voltage-electrician")


def planned(sha256: str, *items: str, **fields: Any) -> Planned:
    base = {"session": "S-1", "point": "hn-cs-01", "plan": "5c" * 32, "version": 1, "try_no": 1}
    base["gateways"] = frozenset({"gw-01", "gw-02"})
    return Planned(**(base | {"rubric": sha256, "items": items, "places": ()} | fields))


def run(code: str, *deductions: tuple[int, int], index: int = 1, **fields: Any) -> dict[str, Any]:
    base = {
        "origin": "exam.example/gw/gw-01/0",
        "index": index,
        "received_us": 5,
        "read_us": index,
        "attempt": ATTEMPT,
        "gateway": "gw-01",
        "rig": "R-1",
        "station": "A-01",
        "mode": "exam",
        "item": code,
        "ordinal": 1,
        "outcome": "finished",
        "score_claimed": 10_000 - sum(points for _, points in deductions),
        "score_recomputed": None,
        "deductions": [{"line": line, "points": points, "at_s": 1, "veto": False} for line, points in deductions],
        "veto_effect": None,
        "verdict": "impossible",
        "differences": [],
        "notes": [],
        "rubric": None,
        "decoded": True,
    }
    return base | fields


def composed(plan: Planned, *runs: dict[str, Any], marks: Sequence[dict[str, Any]] = ()) -> Composed:
    return compose(ATTEMPT, runs, marks, [], BOOK, planned=plan)


def items_of(sha256: str) -> list[str]:
    found = BOOK.rubric(sha256)
    assert found is not None
    return [code for subject in found.subjects.values() for code in list(subject.items)[: subject.draws]]


def test_weights_of_seven_and_a_half_and_half_points_are_exact() -> None:
    """P4: score ÷ 100 × 7.5 and half points add up in integers; nothing is rounded on the way."""
    codes = items_of(CHEMICALS)
    weights = {code: s.weight // s.draws for s in BOOK.rubric(CHEMICALS).subjects.values() for code in s.items}  # type: ignore[union-attr]
    assert 750 in weights.values()
    runs = [run(code, (1, 50), index=number) for number, code in enumerate(codes, 1)]
    row = composed(planned(CHEMICALS, *codes), *runs).row
    assert row["total_e6"] == sum(weights[code] * 9950 for code in codes) == 99_500_000
    assert (row["passed"], row["complete"], row["verdict"]) == (True, True, "equal")
    one = next(code for code in codes if weights[code] == 750)
    assert composed(planned(CHEMICALS, *codes), run(one, (1, 50))).row["total_e6"] == 7_462_500


@pytest.mark.parametrize("outcome", ["finished", "veto", "aborted"])
def test_both_effects_of_a_veto(outcome: str) -> None:
    """An item zeroed leaves the exam to be passed or not by its total; an exam failed is failed at once."""
    effects = {}
    for sha256 in (LOW, CHEMICALS):
        found = BOOK.rubric(sha256)
        assert found is not None
        for subject in found.subjects.values():
            effects |= {item.veto_effect: (sha256, code) for code, item in subject.items.items()}
    for effect, (sha256, code) in effects.items():
        vetoed = run(code, (1, 0), outcome=outcome)
        vetoed["deductions"][0]["veto"] = True
        row = composed(planned(sha256, code, *[one for one in items_of(sha256) if one != code]), vetoed).row
        assert row["runs"][0]["score"] == 0
        assert row["runs"][0]["veto_effect"] == effect
        assert row["failed_by_veto"] is (effect == "exam_failed")
        assert row["passed"] is (False if effect == "exam_failed" else None)
    assert "exam_failed" in effects or "item_zeroed" in effects


def test_a_claim_is_compared_with_the_score_by_the_session_s_rubric() -> None:
    """P4: what was judged by no rubric yet is compared again, and the difference is an alarm."""
    wrong = composed(planned(LOW, *items_of(LOW)), run("K11", (2, 500), score_claimed=9000))
    assert wrong.row["runs"][0]["differences"] == [{"what": "score", "claimed": 9000, "recomputed": 9500}]
    assert [(alert.kind, alert.index) for alert in wrong.alerts] == [("recompute_mismatch", 1)]
    undecoded = composed(planned(LOW, *items_of(LOW)), run("K11", (2, 500), decoded=False))
    assert (undecoded.row["total_e6"], undecoded.row["verdict"]) == (None, "impossible")
    assert undecoded.row["notes"] == ["items_not_recomputed"]
    beyond = composed(planned(LOW, *items_of(LOW)), run("K11", (99, 500)))
    assert (beyond.row["total_e6"], beyond.row["verdict"]) == (None, "mismatch")


def test_an_abort_at_one_rig_ends_nothing_that_goes_on_at_another() -> None:
    """S1: the newest step says whether the attempt is broken off."""
    aborted = {
        "origin": "exam.example/gw/gw-01/0", "index": 9, "received_us": 9, "rig": "R-1", "station": "A-01",
        "type": "attempt.aborted", "read_us": 9, "fields": {"reason": "fault"}, "notes": [],
    }  # fmt: skip
    plan = planned(LOW, *items_of(LOW))
    assert composed(plan, run("K11"), marks=[aborted]).row["state"] == "aborted"
    later = run("K21", index=3, origin="exam.example/gw/gw-02/0", read_us=10)
    assert composed(plan, run("K11"), later, marks=[aborted]).row["state"] == "open"


def test_a_session_is_over_when_every_gateway_that_opened_it_closed_it() -> None:
    """The newest mark of each gateway counts, a later generation behind an earlier one."""

    def mark(gateway: str, index: int, kind: str, generation: int = 0) -> dict[str, Any]:
        origin = f"exam.example/gw/{gateway}/{generation}"
        return {"origin": origin, "index": index, "gateway": gateway, "type": f"session.{kind}"}

    first, second = mark("gw-01", 1, "opened"), mark("gw-02", 1, "opened")
    closed = [mark("gw-01", 9, "closed"), mark("gw-02", 9, "closed")]
    assert not session_over([])
    assert not session_over([first, second, closed[0]])
    assert session_over([*closed, first, second])
    assert not session_over([*closed, first, second, mark("gw-02", 2, "opened", 1)])


RUNS = [
    run("K11", (2, 500), index=1),
    run("K21", (2, 1250), index=2, outcome="aborted"),
    run("K21", index=3, rig="R-2", origin="exam.example/gw/gw-02/0"),
    run("K31", index=4),
    run("K12", index=5),
    run("K42", index=6, score_claimed=1),
]


@settings(max_examples=60, deadline=None)
@given(order=st.permutations(RUNS))
def test_the_order_of_rows_changes_nothing(order: list[dict[str, Any]]) -> None:
    """Composition is a function of what happened, not of when it came."""
    plan = planned(LOW, *items_of(LOW))
    assert composed(plan, *order) == composed(plan, *RUNS)
