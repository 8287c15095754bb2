"""The doctor at rigs on a bus: each obstacle has words of its own, and a line that is taken is not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fake_server_client import FakeServer
from gateway_world import config_text
from rig_profiles import fast_v1
from scripted_bus import ScriptedBus
from scripted_rig import ScriptedRig

from gateway.doctor.buses import check_buses
from gateway.recording.texts import load_texts
from gateway.settings.config import parse_config

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.doctor.report import Finding

SERIALS = ("LV-0001", "LV-0002", "LV-0003")


@pytest.fixture
def fast_profile(tmp_path: Path) -> None:
    """The interface, hurried up."""
    (tmp_path / "fast.toml").write_bytes(fast_v1(60).text)


async def ask(folder: Path, device: Path, live: dict[str, Any] | None = None) -> list[Finding]:
    """The findings of a gateway with three rigs on one serial line; times short."""
    lines = ["[[bus]]", 'id = "room-1"', 'kind = "rtu"', f'device = "{device}"', "quiet_ms = 20"]
    for unit, serial in enumerate(SERIALS, 1):
        lines += ["[[rig]]", f'serial = "{serial}"', f'station = "A-0{unit}"', 'profile = "fast.toml"']
        lines += ['bus = "room-1"', f"unit = {unit}"]
    config = parse_config((config_text((), FakeServer()) + "\n".join(lines)).encode(), folder)
    return await check_buses(config, load_texts(config), live)


async def test_each_rig_on_a_line_is_told_from_its_neighbours(tmp_path: Path, fast_profile: None) -> None:
    """R6: the good one answers, the wrong one is named, the silent one leads to unit, speed and wires."""
    copper = ScriptedBus(ScriptedRig(unit=1), ScriptedRig("LV-0009", unit=2))
    async with copper.serve_pty(tmp_path / "tty") as device:
        good, other, silent = await ask(tmp_path, device)
    assert (good.level, "answers, idle" in good.en) == ("ok", True)
    assert (other.level, "another rig answers" in other.en) == ("FAIL", True)
    assert (silent.level, "Compare unit, speed" in silent.en, "波特率" in silent.zh) == ("FAIL", True, True)
    assert all(request[1] == 3 for request in copper.requests), "nothing is written"


async def test_a_missing_port_is_named(tmp_path: Path, fast_profile: None) -> None:
    """The converter is not plugged in."""
    found = await ask(tmp_path, tmp_path / "none")
    assert all(one.level == "FAIL" and "no serial port" in one.en for one in found)


async def test_beside_a_running_gateway_its_word_counts(tmp_path: Path, fast_profile: None) -> None:
    """Nobody is thrown off the line."""
    live = {"rigs": [{"rig": "LV-0001", "state": "running"}, {"rig": "LV-0002", "state": "offline"}]}
    found = await ask(tmp_path, tmp_path / "none", live)
    assert [one.level for one in found] == ["ok", "FAIL", "FAIL"]
