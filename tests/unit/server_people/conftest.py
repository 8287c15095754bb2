"""A site on a moved clock, and one gateway's log."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from fake_clock import FakeClock
from people_site import Site, open_site
from people_world import Log, Rig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as made:
        yield made


@pytest.fixture
def log() -> Log:
    return Log("gw-01", Random(1)).adopt()


@pytest.fixture
def rig(log: Log) -> Rig:
    return Rig("LV-0001", "A-01", log)


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()
