"""P1 to P4 over the whole way with the server over PostgreSQL: real rigs, gateway, server and database, each killed.

The rigs' own truth is the measure: each record once in the log and at the server, unaltered, receipted, scored again.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest
from long_times import times
from server_pair import eventually
from whole_way import RESTART_S_MAX, RIGS, begin, judge, load, restart

from server.database.location import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real_postgres import RealPostgres
    from world import World

pytestmark = [pytest.mark.crash, pytest.mark.long, pytest.mark.timeout(1500)]


@pytest.fixture
def world(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A running exam point with four rigs; every server and command of it finds the database by the environment."""
    monkeypatch.setenv(VARIABLE, postgres_url)
    one = begin(tmp_path)
    try:
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("kills", [times(21)])
def test_server_gateway_and_database_killed_at_random_moments(world: World, postgres: RealPostgres, kills: int) -> None:
    """P1, P2, P4: SIGKILL of any of the three under load; each comes back, nothing is lost, doubled or altered."""
    chance = random.Random(20261123)
    for number in range(kills):
        load(world, RIGS)
        time.sleep(chance.uniform(0.05, 1.5))
        if number % 3 == 2:
            postgres.crash()
            postgres.start()
            eventually("the server goes on by itself", world.serving, RESTART_S_MAX)
            continue
        service = (world.gateway, world.server)[number % 3]
        service.kill()
        assert restart(world, service) < RESTART_S_MAX
    judge(world)
