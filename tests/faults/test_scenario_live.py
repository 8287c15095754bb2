"""Days of the scenario library, honest and sham, played live to their end: through rigs, a gateway and a server.

What the scenario tells is asked twice: of the truth file, by the demo's own oracle, and of a rehearsal of the same day.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import oracle
import pytest
from world import ROOT, command

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.long, pytest.mark.timeout(1500)]
TOLD = ("ticket", "serial", "mode", "exam_no", "ordinal", "item", "outcome", "score")


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        pytest.param("honest-day", (), id="honest-modbus"),
        pytest.param("honest-day", ("--wires", "mqtt"), id="honest-mqtt"),
        pytest.param("copied-sheet", ("--strength", "gross"), id="copied-modbus"),
        pytest.param("copied-sheet", ("--strength", "gross", "--wires", "mqtt"), id="copied-mqtt"),
    ],
)
def test_a_day_of_the_library_arrives_as_its_scenario_tells(
    tmp_path: Path, scenario: str, words: tuple[str, ...]
) -> None:
    """P1 to P4, issue 5.4: log and server hold the truth file's records and no other, scored again and receipted."""
    kept = tmp_path / "demo"
    line = [sys.executable, str(ROOT / "script" / "demo.py"), "--once", "--scenario", scenario, *words]
    line += ["--speed", "600", "--keep", str(kept)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=1400)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"OK: scenario {scenario}" in done.stdout
    rehearsed = tmp_path / "rehearsed.jsonl"
    command("kaofen-simulate", "rehearse", scenario, "--truth", rehearsed, *words[: 2 * ("--strength" in words)])
    assert results(kept / "truth.jsonl") == results(rehearsed) != Counter()


def results(path: Path) -> Counter[tuple[Any, ...]]:
    """Every result in the words that do not depend on clocks."""
    ended = (one for one in oracle.read_truth(path) if one["type"] == oracle.RESULT)
    return Counter(tuple(one[name] for name in TOLD) for one in ended)
