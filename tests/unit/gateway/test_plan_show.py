"""`kaofen-gateway plan`: what a person on the box sees of the plan, and never a candidate (P7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fake_server_client import FakeServer
from gateway_command import command
from gateway_plans import RUBRIC, SESSION, PlanDraft, Seat, Sitting
from gateway_world import config_text

from gateway.commands import status_text
from gateway.plan.answer import parse_answer
from gateway.plan.shelf import Shelf
from gateway.plan.show import as_status

if TYPE_CHECKING:
    from pathlib import Path

DRAFT = PlanDraft((Sitting((Seat("ZQTICKET", places=("A-01", "A-02")), Seat("ZQOTHER"))),))


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A configured box that holds the plan: its settings file."""
    path = tmp_path / "gateway.toml"
    path.write_text(config_text(["LV-0001"], FakeServer()))
    (tmp_path / "data").mkdir()
    Shelf(tmp_path / "data" / "plan").keep(parse_answer(DRAFT.answer()))
    return path


def test_sessions_stations_and_rigs_are_shown(box: Path) -> None:
    """The version, its hash, each session with its window, each rig with its place and owner."""
    code, said = command("plan", box)
    assert code == 0
    for words in ("version 7,", DRAFT.sha256, SESSION, "2 candidates, 1 with places", "LV-0003", "of gw-02", "K11 K12"):
        assert words in said
    code, said = command("plan", box, "--json")
    document = json.loads(said)
    assert (code, document["plan"]["version"], document["sessions"][0]["candidates"]) == (0, 7, 2)
    assert [rig["ours"] for rig in document["rigs"]] == [True, True, False]


def test_no_candidate_is_shown_and_the_openings_are_not_even_read(box: Path) -> None:
    """P7: the command works, and says the same, where the private file cannot be read."""
    shown = [command("plan", box), command("plan", box, "--json")]
    (private,) = (box.parent / "data" / "plan").glob("openings-*")
    private.unlink()
    assert [command("plan", box), command("plan", box, "--json")] == shown
    for _, said in shown:
        assert "ZQ" not in said
        assert RUBRIC[:40] not in said


def test_without_a_plan_and_with_a_damaged_one_it_says_so(box: Path) -> None:
    """Exit 1 and one line that says what to expect."""
    kept = box.parent / "data" / "plan" / "plan.json"
    kept.write_bytes(b"{")
    code, said = command("plan", box)
    assert (code, said.count("\n")) == (1, 1)
    assert "cannot be read" in said
    kept.unlink()
    code, said = command("plan", box)
    assert code == 1
    assert "no plan yet" in said


def test_the_status_line_says_plan_sessions_and_refusal() -> None:
    """A terminal sees which plan is in use, what is open, and why a newer one is not taken."""
    status = {"origin": "x/gw/gw-01/0", "running": True, "size": 1, "receipted": 1, "unsent": 0, "rigs": []}
    plan = parse_answer(DRAFT.answer()).plan
    said = status_text({**status, **as_status(plan, "another hash", [SESSION])})
    assert f"plan hn-cs-01 version 7, sessions open: {SESSION}" in said
    assert "plan not taken: another hash" in said
    assert "plan" not in status_text({**status, **as_status(None, None, [])})
