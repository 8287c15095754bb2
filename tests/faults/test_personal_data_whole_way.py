"""P7 over the whole way: marked names through real processes, and a search of everything that came out.

After exams, refused readings, mistakes of people, forged requests, kills, checks, exports and a backup the marks stand
in the tables of openings and in what is made of them for people to see, and nowhere else. Then the openings go: the
scores stay, computed again from what is left, and proven.

Another way in (MQTT, a plan) is another world with the same methods: add it to WAYS.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from marked_names import Marks, Outputs
from marked_way_plan import FILES, planned_world
from marked_world import commands, forge, look_at_the_box, marked_world, send_everything, visit

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from marked_world import Way

pytestmark = [pytest.mark.crash, pytest.mark.long, pytest.mark.timeout(600)]

MARKS = Marks()
WAYS = [pytest.param(marked_world, id="modbus"), pytest.param(planned_world, id="plan")]
# Where a person's words may stand: the openings, and what the server shows to those who may see it. An upload that
# contradicts a log is evidence as it came, openings included (design.md section 7).
ALLOWED = (
    *("opening.value", "openings.value", "refusals.body", "tickets.value", "attempts.ticket", "rigs.body"),
    "plan_openings.value",
)
# What is no output of the product: what the simulators really did, and files that are made to carry personal data.
OURS = {"truth.jsonl", "ready.json", "fleet.log", "exported", "evidence", FILES}
NOTE = "checksum_not_checkable"


@pytest.mark.parametrize("world", WAYS)
async def test_marked_names_stay_in_the_openings_and_go_with_them(
    tmp_path: Path, world: Callable[[Path], AbstractAsyncContextManager[Way]]
) -> None:
    """P7: see the module. Every finding names the output, the field and the form."""
    async with world(tmp_path / "world") as way:
        await way.wait("the gateway answers", lambda: way.box.status() is not None)
        await send_everything(way)
        await look_at_the_box(way)
        await visit(way)
        await commands(way)
        await forge(way)
        await asyncio.to_thread(way.box.restart, online=True)
        await way.wait("all is receipted", lambda: (way.box.status() or {}).get("unsent") == 0)
        before = way.scores()
        await _stop(way)
        way.out.folder(way.folder, skip=lambda path: _ours(path.relative_to(way.folder)), allowed=ALLOWED)
        found = MARKS.leaks(way.out)
        assert found == [], "\n".join(found)
        _there(way)
        await _erased(way, before)


def _ours(path: Path) -> bool:
    """A file that may hold a person: ours, or the box's private file of a plan's openings."""
    return bool(OURS & set(path.parts)) or (path.parent.name == "plan" and path.name.startswith("openings-"))


def _there(way: Way) -> None:
    """The search would find them: what is allowed holds every mark."""
    out = Outputs()
    for data in (way.box.data, way.folder / "server" / "data"):
        out.folder(data)
    found = "\n".join(MARKS.leaks(out))
    for place in ("log.db opening.value", "evidence.db openings.value", "projections.db tickets.value"):
        assert place in found
    assert {mark.field for mark in MARKS.all if f": {mark.field} as" in found} == {mark.field for mark in MARKS.all}


async def _erased(way: Way, before: dict[str, dict[str, Any]]) -> None:
    """Both sides' openings erased: not a byte is left in a store, and every score is what it was, with a note."""
    server = way.folder / "server" / "data"
    for path in (way.box.data / "plan").glob("openings-*"):
        path.unlink()
    stored = ((server / "evidence.db", "openings"), (server / "registry.db", "plan_openings"))
    for database, table in ((way.box.database, "opening"), *stored):
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  # one of three words of ours
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in server.glob("projections.db*"):
        path.unlink()
    way.world.server.start()
    way.world.gateway.start()
    await way.wait("the server answers", way.world.serving)
    await way.wait("the scores are there again", lambda: len(way.scores()) == len(before))
    after = way.scores()
    assert {run: score.pop("notes") for run, score in after.items()} == {run: [NOTE] for run in before}
    for score in before.values():
        score.pop("notes")
    assert after == before
    await _proven(way)
    assert "good" in await way.does("kaofen-gateway", "fsck", way.world.gateway_config)
    assert "0 findings" in await way.does("kaofen-server", "fsck", way.world.server_config)
    await _stop(way)
    out = Outputs()
    for path in (way.box.database, server / "projections.db", server / "people.db"):
        out.add(path.name, path.read_bytes())
    out.folder(way.box.data, skip=lambda path: "evidence" in path.parts)
    out.folder(server, allowed=("refusals.body",))
    assert MARKS.leaks(out) == []


async def _proven(way: Way) -> None:
    """Every attempt's evidence verifies offline, the openings gone."""
    policy = way.folder / "policy.txt"
    policy.write_bytes(way.world.fetch("/api/v1/policy"))
    attempts = way.world.api("/api/v1/attempts?limit=500")["attempts"]
    bundles = []
    for attempt in (one for one in attempts if one["state"] != "open"):
        bundle = way.folder / f"{attempt['attempt']}.zip"
        bundle.write_bytes(way.world.fetch(f"/api/v1/attempts/{attempt['attempt']}/evidence?openings=true"))
        bundles.append(bundle)
    printed = await way.does("kaofen-verify", "attempt", *bundles, "--policy", policy)
    assert printed.count(" as a whole, ") == len(bundles) > 2, printed
    assert "not proven" not in printed


async def _stop(way: Way) -> None:
    await asyncio.to_thread(way.box.stop)
    await asyncio.to_thread(way.world.server.stop)
