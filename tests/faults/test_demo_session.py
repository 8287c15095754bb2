"""The main job as somebody sees it first: script/demo plays an exam session by a plan, and its own oracle judges it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from world import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]
LONG = [pytest.mark.long, pytest.mark.timeout(900)]
SMALL = ("--modbus", "4", "--mqtt", "4", "--candidates", "4", "--wires", "two")
ITEM_RUNS = re.compile(r"^ *(\d+)  item runs over (\w+)$", re.MULTILINE)


def play(folder: Path, *words: str) -> dict[str, int]:
    """One session to its verdict; the item runs of each wire."""
    line = [sys.executable, str(ROOT / "script" / "demo.py"), "--once", "--keep", str(folder / "demo"), *words]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "OK: one exam session" in done.stdout
    return {wire: int(count) for count, wire in ITEM_RUNS.findall(done.stdout)}


def test_a_small_rough_session_proves_every_attempt(tmp_path: Path) -> None:
    """P1 to P4 over both wires and two gateways, every process killed twice: what candidates did is what is proven."""
    runs = play(tmp_path, "--rough", *SMALL)
    assert min(runs["modbus"], runs["mqtt"]) > 0


@pytest.mark.parametrize(
    "words",
    [
        pytest.param((), id="calm", marks=LONG),
        pytest.param(("--embedded",), id="calm-embedded-broker", marks=LONG),
        pytest.param(("--rough",), id="rough", marks=LONG),
        pytest.param(("--rough", "--seed", "11"), id="rough-otherwise", marks=LONG),
        pytest.param(("--rough", "--embedded"), id="rough-embedded-broker", marks=LONG),
    ],
)
def test_a_whole_session_proves_every_attempt(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Thirty candidates through K1 to K4 at several rigs, at least a hundred item runs, half of them on each wire."""
    runs = play(tmp_path, *words)
    assert sum(runs.values()) >= 100
    assert min(runs["modbus"], runs["mqtt"]) >= 30
    assert min(runs.values()) > 0, "a wire that nobody used"
