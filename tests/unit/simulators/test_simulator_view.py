"""The fleet on one screen, which shows no person, and the buttons of the control socket, which are checked."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from sim_parts import rubric

from simulators.control import Control
from simulators.device.truth import TruthFile
from simulators.faults import FaultSpec
from simulators.fleet import Fleet, FleetSettings
from simulators.view import screen, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TICKET = "S20261123-7777"


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    """Six rigs without candidates."""
    settings = FleetSettings(rigs=6, exams=0, practice=0, reboots=0)
    async with Fleet(settings, rubric(), TruthFile(None)) as fleet:
        yield fleet


async def pressed(fleet: Fleet, **command: Any) -> dict[str, Any]:
    return await Control(fleet).obey(json.dumps(command))


async def test_the_screen_tells_what_every_rig_does_and_nobodys_ticket(fleet: Fleet) -> None:
    """P7: state, item, time, score, records, what is untold and why it waits; never who sits there."""
    fleet.by_serial["LV-0002"].rig.write_ready(1)
    for command in (
        {"cmd": "open", "ticket": TICKET},
        {"cmd": "start", "item": "K13"},
        {"cmd": "deduct", "line": 1, "points": 400},
    ):
        assert (await pressed(fleet, rig="LV-0002", **command))["ok"]
    await pressed(fleet, cmd="power_cut", rig="LV-0004")
    fleet.by_serial["LV-0003"].set_fault(FaultSpec("silent"))
    shown = screen(fleet, 40, 160)
    assert TICKET not in shown
    rows = {line.split()[0]: line for line in shown.splitlines() if line.startswith("LV-")}
    assert len(rows) == 6
    assert rows["LV-0002"].split()[1:6] == ["A-02", "modbus", "running", "exam", "K13"]
    assert "96.00" in rows["LV-0002"]
    assert "no power" in rows["LV-0004"]
    assert shown.splitlines()[0].startswith("6 rigs, 1 items running, 1 without power")
    assert shown.splitlines()[-1] == "faults: silent 0×"


async def test_rigs_in_trouble_come_first_when_not_all_have_room(fleet: Fleet) -> None:
    """A screen of a few lines shows the ones that somebody must look at."""
    await pressed(fleet, cmd="power_cut", rig="LV-0005")
    shown = screen(fleet, 8, 60)
    assert next(line.split()[0] for line in shown.splitlines() if line.startswith("LV-")) == "LV-0005"
    assert "and 3 rigs more" in shown
    assert max(map(len, shown.splitlines())) <= 60


async def test_into_a_file_the_view_goes_line_below_line(fleet: Fleet) -> None:
    """No control characters where there is no terminal."""
    out = io.StringIO()
    drawing = asyncio.create_task(watch(fleet, out))
    async with asyncio.timeout(5):
        while not out.getvalue():
            await asyncio.sleep(0)
    drawing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await drawing
    assert "LV-0006" in out.getvalue()
    assert "\x1b" not in out.getvalue()


async def test_the_veto_button_fails_the_item(fleet: Fleet) -> None:
    """One press: the first veto line of what is running."""
    fleet.by_serial["LV-0001"].rig.write_ready(1)
    assert "no item" in (await pressed(fleet, cmd="veto", rig="LV-0001"))["error"]
    await pressed(fleet, cmd="open", rig="LV-0001", ticket=TICKET)
    await pressed(fleet, cmd="start", rig="LV-0001", item="K11")
    answer = await pressed(fleet, cmd="veto", rig="LV-0001")
    assert answer["ok"], answer
    assert answer["score"] == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "one line of JSON"),
        (b"[" * 100_000, "one line of JSON"),
        (b"[]", "JSON object"),
        (b'{"cmd":"open","rig":"LV-0001","ticket":"S","try":1e999}', "try: a whole number"),
        (b'{"cmd":"open","rig":"LV-0001","ticket":"S","try":70000}', "try: a whole number"),
        (b'{"cmd":"deduct","rig":"LV-0001","line":true,"points":1}', "line: a whole number"),
        (b'{"cmd":"fault","name":"drip","times":"often"}', "times: a whole number"),
        (b'{"cmd":"fault","name":"drip","probability":NaN}', "probability: a number"),
        (b'{"cmd":"fault","name":["drip"]}', "name: a text"),
        (b'{"cmd":"power_cycle","rig":"LV-0001","off_s":Infinity}', "off_s: a number"),
        (b'{"cmd":"wait","rig":"LV-0001","gateway":"yes"}', "gateway: true or false"),
        (b'{"cmd":"state","rig":"LV-0001","colour":1}', "no command has 'colour'"),
        (b'{"cmd":"state","rig":"' + b"x" * 70 + b'"}', "at most 64 characters"),
    ],
)
async def test_a_wrong_command_is_answered_and_changes_nothing(fleet: Fleet, line: bytes, said: str) -> None:
    """B9: a bench that sends nonsense is told what is wrong; the socket and the rigs stay as they are."""
    answer = await Control(fleet).obey(line)
    assert not answer["ok"]
    assert said in answer["error"]
    assert fleet.truth.records == 0
    assert not any(host.plan.active for host in fleet.hosts)
