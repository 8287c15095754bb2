"""script/demo, as somebody who mistypes sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from oracle_plan import Expected, Rules
from point import ExamPoint
from world import Service, World, WorldError

DEMO = Path(__file__).parents[3] / "script" / "demo.py"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--modbus", "3"), "--modbus 3: from 4"),
        (("--mqtt", "-1"), "--mqtt -1: from 0"),
        (("--candidates", "0"), "--candidates 0: from 1"),
        (("--port", "70000"), "--port 70000: from 1"),
        (("--speed", "0"), "--speed 0: above 0"),
        (("--scenario", "easy-day"), "--scenario easy-day: there is none; kaofen-simulate --list"),
        (("--scenario", "honest-day", "--rough"), "--rough: not with --scenario"),
        (("--strength", "gross"), "--strength: only with --scenario"),
        (("--wires", "mqtt"), "--wires modbus, mqtt: only with --scenario"),
        (("--keep", "full"), "already there; name a new folder"),
        (("--keep", "full/file"), "already there; name a new folder"),
        (("--keep", "full/file/below"), "Not a directory"),
    ],
)
def test_the_demo_refuses_wrong_words_before_it_starts_anything(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    """At once, exit 2, with the option's name; nothing is made."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    line = [sys.executable, str(DEMO), "--once", *words]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_candidates_of_the_demo_go_through_all_subjects_over_both_wires_and_gateways() -> None:
    """K1 to K4 each, at four rigs, of two wires and two gateways; the same seed gives the same day."""
    point = ExamPoint(("gw-01", "gw-02"), modbus=10, mqtt=10, candidates=30, seed=7)
    again = ExamPoint(("gw-01", "gw-02"), modbus=10, mqtt=10, candidates=30, seed=7)
    assert point.people == again.people
    at = {rig.station: rig for rig in point.rigs}
    for one in point.people:
        rigs = [at[place] for place in one.places]
        assert [rig.subject for rig in rigs] == ["K1", "K2", "K3", "K4"]
        assert all(item in rig.items for item, rig in zip(one.items, rigs, strict=True))
        assert {rig.wire for rig in rigs} == {"modbus", "mqtt"}
        assert {rig.gateway for rig in rigs} == {"gw-01", "gw-02"}
    assert len({one.id_number for one in point.people}) == 30


def test_the_oracle_of_attempts_computes_by_the_rubric_alone() -> None:
    """rubric.md 8 to 11: weights, an aborted run and its repetition, a veto that fails, what is not whole."""
    rules = Rules()
    items = ("K11", "K21", "K31", "K41")
    full = [{"item": code, "outcome": "finished", "score": 10_000} for code in items]
    assert rules.expect(items, full) == Expected(
        100_000_000, True, False, dict.fromkeys(items, 10_000), dict.fromkeys(items, "finished")
    )
    cut = {"item": "K21", "outcome": "aborted", "score": 0}
    assert rules.expect(items, [cut, *full]) == rules.expect(items, full)
    part = rules.expect(items, [full[0], cut])
    assert (part.total_e6, part.complete, part.passed(rules.pass_mark)) == (20_000_000, False, None)
    fatal = next(code for code in rules.fails if code[:2] == "K4")
    failed = rules.expect(items, [*full[:3], {"item": fatal, "outcome": "veto", "score": 0}])
    assert failed.passed(rules.pass_mark) is False


def test_waiting_ends_with_the_service_that_is_waited_for(tmp_path: Path) -> None:
    """A service that ended is told at once with its last words, long before the deadline."""
    world = World(tmp_path)
    service = Service("server", ("python", "-c", "print('port in use')"), tmp_path / "server.log")
    service.start()
    try:
        with pytest.raises(WorldError, match=r"(?s)the server ended before: it answers.*port in use"):
            world.wait("it answers", lambda: False, 600, needs=service)
    finally:
        service.stop()
