"""`kaofen-gateway reload` on processes: under load, of a broken file, and killed at each of its steps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from fake_https_server import https_server
from gateway_process import Fleet, GatewayBox, judge

from scorelog.format.entry import parse_entry

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.long, pytest.mark.timeout(240)]
ORIGIN = "kaofen.example/gw/gw-01/0"
KILLS = [
    f"{point}={action}"
    for point in ("gateway.reload-record", "gateway.reload-apply")
    for action in ("kill", "kill-after")
]


async def running(box: GatewayBox) -> None:
    """Wait until it answers for itself."""
    async with asyncio.timeout(30):
        while '"running": true' not in (await box.command("status", "--json"))[1]:
            await asyncio.sleep(0.05)


async def test_killed_at_every_step_of_a_reload_nothing_is_lost(tmp_path: Path) -> None:
    """P1, P2, P8: in the middle of exams, rigs removed and added again, a broken file, and SIGKILL at each step.

    Every record that a rig latched is stored once, unaltered, in order, also of the rigs that were away.
    """
    box = GatewayBox(tmp_path)
    fleet = Fleet(tmp_path, "--rigs", "5", "--exams", "10", "--speed", "600", "--practice", "0", "--timeout", "200")
    try:
        rigs = [f"{rig['serial']} {rig['host']} {rig['port']}" for rig in await fleet.start()]
        async with https_server(box.server, box.tls) as url:
            box.configure(rigs, url)
            assert (await box.command("init"))[0] == 0
            for number, point in enumerate(KILLS):
                await box.start({"KAOFEN_FAILPOINTS": point})
                await running(box)
                box.configure(rigs[:3] if number % 2 == 0 else rigs, url)
                code, _ = await box.command("reload")
                assert code != 0
                assert box.process is not None
                assert await asyncio.wait_for(box.process.wait(), 20) == -9, point
            await box.start()
            await running(box)
            good = box.config.read_text()
            box.config.write_text(good + "[[rig]]\nserial = 7\n")
            code, told = await box.command("reload")
            assert (code, "line " in told, "serial must be str" in told) == (2, True, True)
            for count in (2, 5, 4, 5):
                box.configure(rigs[:count], url)
                code, told = await box.command("reload")
                assert (code, f"in use: {count} rigs" in told) == (0, True), told
            await fleet.done(200)
            await box.drained()
            assert await box.end() == 0
            stored = box.server.entries(ORIGIN)
        assert judge(fleet.truth, stored)["truth"] > 50
        changed = [entry.document for entry in map(parse_entry, stored) if entry.type == "config.changed"]
        assert [one["before"] for one in changed[1:]] == [one["config"] for one in changed[:-1]], "each names the last"
        assert "adapter broken" not in box.output
    finally:
        await box.kill_for_sure()
        await fleet.kill_for_sure()
