"""The marked world with a plan in it: the marked candidate stands in a list, is published, fetched, adopted and bound.

A list with persons in every wrong place is refused first. Everything after that is as in marked_world.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import marked_way_modbus as modbus
from marked_names import Marks
from marked_world import marked_world
from plan_files import IDS, PlanFolder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from marked_world import Way

POINT: Final = "mk-01"
SESSION: Final = "MK-1"
FILES: Final = "plan-files"
"""The folder of what a person wrote: it is made to carry personal data."""

_ITEMS: Final = "K11 K12 K13 K21 K22 K23 K24 K25 K31 K32 K41 K42 K43"
_ROWS: Final = (
    f"{Marks.TICKET}-9001,{Marks.NAME},{IDS[0]},1,,",
    f"{Marks.TICKET}-0001,{Marks.NAME},{IDS[1]},1,,",
)


@asynccontextmanager
async def planned_world(folder: Path) -> AsyncIterator[Way]:
    """The world, once its gateway has adopted the plan."""
    async with marked_world(folder) as way:
        way.named = True
        await _publish(way)
        yield way


async def _publish(way: Way) -> None:
    now = datetime.now(UTC)
    window = {"opens": (now - timedelta(hours=1)).isoformat(), "closes": (now + timedelta(hours=9)).isoformat()}
    rigs = ((modbus.STATION, modbus.SERIAL, "gw-01", "exam_only", _ITEMS),)
    written, server = PlanFolder(way.folder / FILES, POINT), way.world.server_config
    wrong = written.write(f"{Marks.NAME},{Marks.TICKET},{IDS[2]}0,,{Marks.NAME},", rigs=rigs, session=SESSION, **window)
    await way.does("kaofen-server", "plan", "publish", server, wrong)
    await way.does("kaofen-server", "plan", "check", server, wrong.with_name("candidates.csv"))
    right = written.write(*_ROWS, rigs=rigs, session=SESSION, **window)
    assert "published" in await way.does("kaofen-server", "plan", "publish", server, right)
    await way.wait("the plan is adopted", lambda: _adopted(way))
    await way.does("kaofen-server", "plan", "show", server, POINT)
    await way.does("kaofen-gateway", "plan", way.world.gateway_config)


def _adopted(way: Way) -> bool:
    return ((way.box.status() or {}).get("plan") or {}).get("point") == POINT
