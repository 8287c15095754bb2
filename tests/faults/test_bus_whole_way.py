"""Rigs on shared lines, as processes: simulated buses, the gateway with its `[[bus]]` settings, the server's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fake_https_server import https_server
from gateway_process import Fleet, GatewayBox, judge

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.long, pytest.mark.timeout(180)]
ORIGIN = "kaofen.example/gw/gw-01/0"


def settings(rigs: list[dict[str, Any]]) -> str:
    """What an installer writes from the places of ready.json."""
    blocks = []
    for rig in {rig["bus"]: rig for rig in rigs}.values():
        place = f'device = "{rig["device"]}"' if "device" in rig else f'host = "{rig["host"]}"\nport = {rig["port"]}'
        blocks.append(f'[[bus]]\nid = "room-{rig["bus"]}"\nkind = "{rig["kind"]}"\nquiet_ms = 200\n{place}\n')
    for rig in rigs:
        head = f'[[rig]]\nserial = "{rig["serial"]}"\nstation = "{rig["station"]}"\nprofile = "kaofen-v1-low-voltage"\n'
        blocks.append(f'{head}source = "simulator"\nbus = "room-{rig["bus"]}"\nunit = {rig["unit"]}\n')
    return "".join(blocks)


@pytest.mark.parametrize("kind", ["pty", "tcp"])
async def test_every_record_of_every_unit_is_stored_once(kind: str, tmp_path: Path) -> None:
    """P1, P2, P5, P8: two lines of three rigs, with a power cut and noise; unaltered, in order, to the last one."""
    box = GatewayBox(tmp_path)
    noise = [word for fault in ("bad-crc:0.005", "foreign-frame:0.005") for word in ("--fault", fault)]
    options = ("--rigs", "6", "--per-bus", "3", "--bus", kind, "--exams", "6", "--speed", "600", "--timeout", "150")
    fleet = Fleet(tmp_path, *options, *noise)
    try:
        rigs = await fleet.start()
        assert [rig["unit"] for rig in rigs] == [1, 2, 3] * 2
        async with https_server(box.server, box.tls) as url:
            box.configure([], url)
            with box.config.open("a") as file:
                file.write(settings(rigs))
            assert (await box.command("init"))[0] == 0
            await box.start()
            await fleet.done(150)
            await box.drained()
            assert await box.end() == 0
            stored = box.server.entries(ORIGIN)
        assert judge(fleet.truth, stored)["truth"] > 50
        assert "adapter broken" not in box.output
    finally:
        await box.kill_for_sure()
        await fleet.kill_for_sure()
