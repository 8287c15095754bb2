"""The gateway as a process between simulated rigs and a strict server: killed, stopped, told, and asked."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
from typing import TYPE_CHECKING

import pytest
from fake_https_server import https_server
from gateway_process import Fleet, GatewayBox, judge
from whole_way import ON_ORDER

from scorelog.format.entry import parse_entry
from scorelog.journal import failpoints

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]
ORIGIN = "kaofen.example/gw/gw-01/0"


def gateway_failpoints() -> list[str]:
    """The gateway's own, all but those of a plan and of a reload, which have tests of their own."""
    import gateway.run  # noqa: F401, PLC0415 - its imports register them

    names = sorted(name for name in failpoints.REGISTERED if name.startswith("gateway."))
    return [name for name in names if not name.startswith(ON_ORDER)]


async def test_every_failpoint_is_known() -> None:
    """Each arrow of reliability.md's gateway table has its point."""
    arrows = ("read", "append", "ack", "send", "answer", "receipt", "spool")
    assert gateway_failpoints() == sorted(f"gateway.{arrow}" for arrow in arrows)


@pytest.mark.long
async def test_killed_at_every_failpoint(tmp_path: Path) -> None:
    """P1, P2, G1: killed before and after every step of a score, again and again in one round of exams.

    Every record that a rig latched is stored at the server exactly once, unaltered, in order.
    """
    box = GatewayBox(tmp_path)
    fleet = Fleet(tmp_path, "--rigs", "6", "--exams", "12", "--speed", "1500", "--practice", "3", "--timeout", "170")
    plan = [f"{name}={action}@{at}" for at, action in ((2, "kill"), (1, "kill-after")) for name in gateway_failpoints()]
    # A spool is written only while a rig practises: those points come first, while all runs are still ahead.
    plan.sort(key=lambda point: "spool" not in point)
    try:
        rigs = await fleet.start()
        async with https_server(box.server, box.tls) as url:
            box.configure([f"{rig['serial']} {rig['host']} {rig['port']}" for rig in rigs], url)
            assert (await box.command("init"))[0] == 0
            killed = []
            for point in plan:
                await box.start({"KAOFEN_FAILPOINTS": point})
                killed.append(await until_dead_or_done(box, fleet))
            await box.start()
            await fleet.done(120)
            assert await box.end() == 0
            stored = box.server.entries(ORIGIN)
            code, said = await box.command("fsck")
            assert code == 0, said
        found = judge(fleet.truth, stored)
        assert found["truth"] > 100
        assert killed.count(-signal.SIGKILL) == len(plan), dict(zip(plan, killed, strict=True))
        assert not box.server.refused
    finally:
        await box.kill_for_sure()
        await fleet.kill_for_sure()


async def until_dead_or_done(box: GatewayBox, fleet: Fleet) -> int | None:
    """The exit code of the gateway; None if the exams were over before the point was reached."""
    assert box.process is not None
    assert fleet.process is not None
    death, over = asyncio.ensure_future(box.process.wait()), asyncio.ensure_future(fleet.process.wait())
    await asyncio.wait({death, over}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    for each in (death, over):
        each.cancel()
    if box.process.returncode is None:
        await box.end()
        return None
    return box.process.returncode


@pytest.mark.long
async def test_killed_at_random_moments_with_a_lossy_line(tmp_path: Path) -> None:
    """P1, P2: random kills while the line loses requests and answers and the server is down for a while."""
    rng = random.Random(20261123)
    box = GatewayBox(tmp_path)
    fleet = Fleet(tmp_path, "--rigs", "4", "--exams", "6", "--speed", "1500", "--timeout", "170")
    try:
        rigs = await fleet.start()
        async with https_server(box.server, box.tls) as url:
            box.configure([f"{rig['serial']} {rig['host']} {rig['port']}" for rig in rigs], url)
            assert (await box.command("init"))[0] == 0
            for number in range(4):
                await box.start()
                for _ in range(3):
                    rng.choice([box.server.lose_answer, box.server.lose_request, lambda: box.server.answer(503)])()
                box.server.down = number == 1
                await until_started(box)
                await asyncio.sleep(rng.random())  # the moment is what is tested
                box.server.down = False
                await box.end(signal.SIGKILL)
            await box.start()
            await fleet.done(120)
            await box.drained()
            assert await box.end() == 0
        judge(fleet.truth, box.server.entries(ORIGIN))
        assert not box.server.refused
    finally:
        await box.kill_for_sure()
        await fleet.kill_for_sure()


async def until_started(box: GatewayBox) -> None:
    """The process has written where its pages are: it is recording."""
    run_file = box.folder / "data" / "run.json"
    async with asyncio.timeout(30):
        while not run_file.exists():
            await asyncio.sleep(0.01)
    run_file.unlink()


async def test_a_day_in_the_life(tmp_path: Path) -> None:
    """Start, notify, status, proof, second process, SIGTERM in order; and no ticket in anything printed (P7)."""
    marked = "MARKED9NAME"
    box = GatewayBox(tmp_path)
    fleet = Fleet(tmp_path, "--rigs", "3", "--exams", "3", "--speed", "1500", "--session", marked, "--timeout", "60")
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(tmp_path / "notify"))
    notified.setblocking(False)
    heard: list[str] = []
    asyncio.get_running_loop().add_reader(notified, lambda: heard.append(notified.recv(4096).decode()))
    printed = ""
    try:
        rigs = await fleet.start()
        async with https_server(box.server, box.tls) as url:
            box.configure([f"{rig['serial']} {rig['host']} {rig['port']}" for rig in rigs], url)
            code, said = await box.command("run")
            assert code == 3, "run never makes a log"
            assert "init" in said
            assert (await box.command("config", "--check"))[0] == 0
            assert (await box.command("init"))[0] == 0
            await box.start({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"})
            await fleet.done(60)
            for words in (
                ("status",),
                ("status", "--json"),
                ("fsck",),
                ("receipt", "5"),
                ("export", str(tmp_path / "x")),
            ):
                code, said = await box.command(*words)
                assert code == 0, said
                printed += said
            code, said = await box.command("run")
            assert code == 1, "a second process on the same log is refused"
            printed += said
            code, said = await box.command("receipt", "5", "--out", str(tmp_path / "proof"))
            assert code == 0, said
            port = json.loads((tmp_path / "data" / "run.json").read_text())["port"]
            printed += await metrics(port)
            assert await box.end() == 0
        assert "READY=1" in heard[0]
        assert sum("WATCHDOG=1" in word for word in heard) > 3
        assert "STOPPING=1" in heard, "and the watchdog is fed until the end"
        stored = box.server.entries(ORIGIN)
        judge(fleet.truth, stored)
        assert parse_entry(stored[-1]).type == "gateway.stopped"
        assert any(marked in json.dumps(record) for record in fleet.truth)
        for where in (printed, box.output, json.dumps(box.server.beats), b"".join(stored).decode()):
            assert marked not in where
        assert (tmp_path / "proof" / "5.tlog-proof").read_text().startswith("c2sp.org/tlog-proof@v1")
    finally:
        asyncio.get_running_loop().remove_reader(notified)
        notified.close()
        await box.kill_for_sure()
        await fleet.kill_for_sure()


async def metrics(port: int) -> str:
    """The page as a scraper reads it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    found = await reader.read()
    writer.close()
    await writer.wait_closed()
    return found.decode()
