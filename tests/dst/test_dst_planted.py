"""The simulation's teeth: each bug of dst_bugs.py, planted at a seam, is found within a few seeds."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING

import pytest
from dst_bugs_projection import BUGS
from dst_faults import swarm_of
from dst_world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS_MOST = 12


def seeds_with(fault: str) -> Iterator[int]:
    """Those in whose worlds this kind of fault falls."""
    return (seed for seed in count(1) if not fault or fault in {kind.__name__ for kind in swarm_of(seed)})


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] * bug.long) for n, bug in BUGS.items()])
def test_a_planted_bug_is_found(name: str) -> None:
    """B25: a suite is trusted when it has caught bugs that were put there for it; the invariant is the one meant."""
    bug = BUGS[name]
    for seed in islice(seeds_with(bug.needs), SEEDS_MOST):
        if wrong := World(seed, bug).run().wrong:
            assert any(one.startswith(f"{bug.broken} ") for one in wrong), wrong
            return
    pytest.fail(f"{name}: nothing found it in {SEEDS_MOST} seeds")
