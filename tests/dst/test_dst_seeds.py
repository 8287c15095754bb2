"""B6: seeded worlds of gateways, rigs and server, with faults and then without; nothing is lost, doubled or forked.

How to replay a seed that failed, what is real and what is simulated: docs/simulation.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest
from dst_world import LONG, MINUTES, Outcome, World
from long_times import TIMES, times
from tree import ROOT

HERE = ROOT / "tests" / "dst"
COMMIT_SEEDS = 60
LONG_SEEDS = times(1)


def kept_seeds() -> list[int]:
    """Those of seeds.txt."""
    lines = (HERE / "seeds.txt").read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


@cache
def commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def judged(outcome: Outcome, how: str) -> Outcome:
    """Fails with everything that is needed to see it again."""
    if outcome.wrong:
        pytest.fail(
            f"seed {outcome.seed} at commit {commit()}: {'; '.join(outcome.wrong)}\n"
            f"faults: {' '.join(outcome.faults)}\n"
            f"replay: python tests/dst/run.py --seed {outcome.seed}{how} --trace\n"
            "when it is understood: add the seed to tests/dst/seeds.txt",
            pytrace=False,
        )
    return outcome


@pytest.mark.parametrize("seed", range(1, COMMIT_SEEDS + 1))
def test_a_world_keeps_every_promise(seed: int) -> None:
    """B6, I1-I8, I13, I14: every latched record is at the server once, in order, unchanged, and nothing else is."""
    outcome = judged(World(seed).run(), "")
    assert outcome.records
    assert outcome.entries > outcome.records


@pytest.mark.parametrize("seed", kept_seeds())
def test_a_seed_that_found_something_finds_nothing_more(seed: int) -> None:
    """B6: a failing seed is kept for ever."""
    judged(World(seed).run(), "")


def test_a_seed_replays_to_the_same_hash_in_any_process() -> None:
    """B6: the same seed does the same things at the same virtual instants, whatever the process hashes like."""
    here = World(3).run().digest
    assert World(3).run().digest == here
    command = [sys.executable, str(HERE / "run.py"), "--seed", "3"]
    there = subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, timeout=50, check=True
    )
    assert f"digest {here}" in there.stdout


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10_001, 10_001 + LONG_SEEDS))
def test_a_long_day_keeps_every_promise(seed: int) -> None:
    """B6: eight hours of three gateways, a day or more."""
    outcome = judged(World(seed, scale=LONG).run(), f" --hours {LONG.safety_s / 3600:g}")
    assert outcome.virtual_s >= LONG.safety_s


@pytest.mark.long
@pytest.mark.timeout(3600 * TIMES)
def test_many_worlds_of_minutes() -> None:
    """B6: fifty seeds more, of three minutes each."""
    for seed in range(1001, 1001 + times(50)):
        judged(World(seed, scale=MINUTES).run(), " --minutes 3")
