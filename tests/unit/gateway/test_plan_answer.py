"""A fetched plan is checked whole before anything of it counts, and kept so that a crash leaves one that is whole."""

from __future__ import annotations

import hashlib
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from gateway_plans import RUBRIC, PlanDraft, Seat, Sitting, plan_answer

from gateway.errors import PlanRefused
from gateway.plan.answer import check_place, parse_answer
from gateway.plan.shelf import Shelf
from scorelog.journal import failpoints

if TYPE_CHECKING:
    from pathlib import Path

DRAFT = PlanDraft()


def wrong(**other: Any) -> bytes:
    """The answer with another part."""
    return plan_answer(**other)


def openings(**other: Any) -> list[dict[str, Any]]:
    """The openings, the first one changed."""
    first, *rest = (one.to_json() for one in DRAFT.openings)
    return [{**first, **other}, *rest]


def test_a_plan_that_holds_is_taken_whole() -> None:
    """B1: text, openings and rubrics, each as it came."""
    copy = parse_answer(plan_answer())
    assert copy.plan.text == DRAFT.text
    assert copy.plan.sha256 == DRAFT.sha256
    assert list(copy.openings) == DRAFT.openings
    assert [rubric.text for rubric in copy.rubrics] == [RUBRIC]
    assert copy.missing == 0
    assert "名T1" not in repr(copy)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no object"),
        (wrong(v=2), "another version"),
        (wrong(version=8), "another version than its text"),
        (wrong(sha256="00" * 32), "another hash"),
        (wrong(plan=7), "no plan"),
        (wrong(plan=DRAFT.text.decode() + " "), "another hash"),
        (wrong(plan="{}", sha256=hashlib.sha256(b"{}").hexdigest()), "expected"),
        (wrong(rubrics=None), "no rubrics"),
        (wrong(rubrics=[]), "named and not there"),
        (wrong(rubrics=[RUBRIC + "#"]), "named and not there"),
        (wrong(openings=None), "expected a list"),
        (wrong(openings=openings(value="T9")), "1 wrong"),
        (wrong(openings=openings(blind="00" * 32)), "1 wrong"),
        (wrong(openings=openings(attempt="00" * 16)), "1 unknown"),
        (wrong(openings=openings() + openings()[:1]), "1 twice"),
    ],
)
def test_a_plan_that_does_not_hold_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    """B1: hash, form, every commitment against its opening; the reason holds no value (P7)."""
    with pytest.raises(PlanRefused, match=reason) as refused:
        parse_answer(body)
    assert "T9" not in str(refused.value)


def test_a_rubric_that_fits_no_entry_is_refused() -> None:
    """B1: what cannot be adopted is not used; the escapes of JSON count."""
    rubric = RUBRIC + "#" + '"' * (59_000 - len(RUBRIC.encode()))
    draft = PlanDraft((Sitting((Seat("T1"),), rubric=hashlib.sha256(rubric.encode()).hexdigest()),))
    with pytest.raises(PlanRefused, match="does not fit into an entry"):
        parse_answer(draft.answer(rubrics=[rubric]))


def test_an_erased_opening_is_counted_and_refuses_nothing() -> None:
    """P7: one candidate's erasure must not keep a point from its next plan."""
    copy = parse_answer(plan_answer(openings=openings()[1:]))
    assert copy.missing == 1


@pytest.mark.parametrize(
    ("draft", "used", "reason"),
    [
        (PlanDraft(), "gw-09", "none of the point"),
        (PlanDraft(point="hn-cs-02", version=8), "gw-01", "folder `plan` removed"),
        (PlanDraft(version=6), "gw-01", "not newer"),
        (PlanDraft(published="2026-11-22T10:00:00Z"), "gw-01", "not newer"),
    ],
)
def test_a_plan_of_elsewhere_or_of_the_past_is_refused(draft: PlanDraft, used: str, reason: str) -> None:
    """B1: not for this box, of another point, older, or another text under the same version."""
    with pytest.raises(PlanRefused, match=reason):
        check_place(parse_answer(draft.answer()), used, parse_answer(plan_answer()).plan)
    check_place(parse_answer(PlanDraft(version=8).answer()), "gw-01", parse_answer(plan_answer()).plan)


def test_kept_and_read_again(tmp_path: Path) -> None:
    """B1: what was kept is checked again as if it had just come; names lie in a file of the gateway's user only."""
    shelf = Shelf(tmp_path / "plan")
    assert shelf.load() is None
    copy = parse_answer(plan_answer())
    shelf.keep(copy)
    assert shelf.load() == copy
    private = tmp_path / "plan" / f"openings-{DRAFT.sha256}.json"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "plan").stat().st_mode) == 0o700
    assert "名T1" not in (tmp_path / "plan" / "plan.json").read_text()
    assert "名T1" in private.read_text()


@pytest.mark.parametrize("action", ["error", "error-after"])
@pytest.mark.parametrize("step", ["gateway.plan-openings", "gateway.plan-keep", "gateway.plan-drop"])
def test_a_failed_step_leaves_one_plan_that_is_whole(tmp_path: Path, step: str, action: str) -> None:
    """B1: whatever step fails, the old plan or the new one is there; and keeping it again makes it the new one."""
    shelf, old, new = Shelf(tmp_path), parse_answer(plan_answer()), parse_answer(PlanDraft(version=8).answer())
    shelf.keep(old)
    with failpoints.armed(f"{step}={action}"), pytest.raises(OSError, match="failpoint"):
        shelf.keep(new)
    assert shelf.load() in (old, new)
    shelf.keep(new)
    assert shelf.load() == new
    assert len(list(tmp_path.iterdir())) == 2, "no openings are left of a plan that does not count"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"sha256":1}', b'{"sha256":"../../x"}'])
def test_a_damaged_file_is_refused_and_can_be_replaced(tmp_path: Path, damage: bytes) -> None:
    """B1: a plan that does not hold on the disk is not used; the next fetch takes its place."""
    shelf, copy = Shelf(tmp_path), parse_answer(plan_answer())
    shelf.keep(copy)
    (tmp_path / "plan.json").write_bytes(damage)
    with pytest.raises(PlanRefused):
        shelf.load()
    shelf.keep(copy)
    (tmp_path / f"openings-{DRAFT.sha256}.json").write_text(json.dumps(openings(value="T9")))
    with pytest.raises(PlanRefused, match="1 wrong"):
        shelf.load()
