"""P1 and P2 over the whole way: real rigs, gateway and server processes, killed and failing at every named step.

One world runs through all failpoints of a side: the process is started with one failpoint armed, works under load
until it dies of it, and is started again with the next. Then one oracle compares simulator, log and server.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest
from long_times import times
from whole_way import RESTART_S_MAX, RIGS, begin, failpoints, judge, load, restart, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from world import World

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A running exam point with four rigs; exams are added by the tests."""
    one = begin(tmp_path)
    try:
        yield one
    finally:
        one.close()


KILLS = pytest.param(("kill-after",), id="killed-after")
OTHERS = pytest.param(("kill", "error", "error-after"), id="other-forms")


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("forms", [KILLS, OTHERS])
def test_gateway_dies_at_every_step(world: World, forms: tuple[str, ...]) -> None:
    """P1: whichever step of the gateway fails, done or not, nothing acknowledged is lost, doubled or altered."""
    unmet = sweep(world, world.gateway, failpoints("gateway"), forms)
    judge(world)
    assert [one for one in unmet if "=kill" in one] == []


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_gateway_dies_at_every_step_of_its_log(world: World) -> None:
    """P1: the same at every step of the journal and of its second file, at start and while it works."""
    unmet = sweep(world, world.gateway, failpoints("log"), ("kill", "kill-after"))
    judge(world)
    assert unmet == []


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("forms", [KILLS, OTHERS])
def test_server_dies_at_every_step(world: World, forms: tuple[str, ...]) -> None:
    """P2: whichever step of the server fails, done or not, every result is stored once and receipted."""
    unmet = sweep(world, world.server, failpoints("server"), forms)
    judge(world)
    assert unmet == []


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("kills", [times(40)])
def test_random_moments(world: World, kills: int) -> None:
    """P1, P2: SIGKILL of gateway or server at random moments under load; each comes back, nothing is lost."""
    chance = random.Random(20261123)
    for _ in range(kills):
        load(world, RIGS)
        time.sleep(chance.uniform(0.05, 1.5))
        service = chance.choice([world.gateway, world.server])
        service.kill()
        assert restart(world, service) < RESTART_S_MAX
    judge(world)
