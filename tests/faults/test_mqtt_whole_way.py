"""A gateway process over a real Mosquitto: the broker killed, the gateway killed, and every record once in the log."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING

import pytest
from fake_https_server import https_server
from gateway_process import GatewayBox
from long_times import TIMES, times
from mqtt_point import GATEWAY, add_broker, broker_of_defaults, judge_messages
from mqtt_rig import MqttRig
from real_mosquitto import running_mosquitto
from scripted_rig import Item, ScriptedRig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.needs("mosquitto"), pytest.mark.timeout(120)]
ORIGIN = "kaofen.example/gw/gw-01/0"
RIGS = ("CP-0001", "CP-0002")
KILLS = 250


def exam(rig: MqttRig, items: int) -> list[tuple[str, dict[str, object]]]:
    """The records of one exam."""
    run: list[tuple[str, dict[str, object]]] = [("exam_opened", {"item": "", "ordinal": 0})]
    for ordinal in range(1, items + 1):
        own = {"ordinal": ordinal}
        run += [
            ("item_started", own),
            ("deduction", own | {"points": 100 * ordinal}),
            ("item_finished", own | {"score": 10_000 - 100 * ordinal}),
        ]
    return [*run, ("exam_closed", {"item": "", "ordinal": 0, "items": items})]


async def until(condition: Callable[[], bool]) -> None:
    """What a process does by itself."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.05)


async def told(rigs: list[MqttRig]) -> None:
    """Every rig may forget everything."""
    for rig in rigs:
        await asyncio.to_thread(rig.wait, lambda rig=rig: rig.acked_seq == rig.last_seq, 40)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_broker_killed_three_times_in_an_exam_loses_nothing(tmp_path: Path, protocol: str) -> None:
    """P1, P2, M5-M7, H5: SIGKILL of Mosquitto with its default persistence; the rigs' own memory makes up for it."""
    box, real = GatewayBox(tmp_path), broker_of_defaults((GATEWAY, *RIGS))
    rigs = [MqttRig(real, serial, v5=protocol == "5", again_s=1) for serial in RIGS]
    try:
        real.start()
        for rig in rigs:
            await asyncio.to_thread(rig.open)
        async with https_server(box.server, box.tls) as url, ScriptedRig() as bench:
            box.configure([f"LV-0001 127.0.0.1 {bench.port}"], url)
            add_broker(box, real, RIGS, protocol, "kaofen-interface-v1-mqtt")
            code, said = await box.command("init")
            assert code == 0, said
            await box.start()
            await asyncio.to_thread(rigs[0].wait, lambda: bool(rigs[0].ready), 20)
            records, kills = exam(rigs[0], 6), 0
            for number, (kind, values) in enumerate(records):
                for rig in rigs:
                    rig.latch(kind, **values)
                if number in (4, 9, 14):
                    kills += 1
                    await until(lambda kills=kills: box.output.count("broker online") == kills)
                    await asyncio.to_thread(real.kill)  # some of it is on its way
                    rigs[number % 2].latch("deduction", points=number)
                    bench.latch_item(Item(score=9000, deductions=[]), slot=kills)
                    await until(lambda kills=kills: bench.acked_seq == kills)  # P8: the other wire notices nothing
                    await asyncio.to_thread(real.start)
                else:
                    await asyncio.sleep(0.02)  # a rig takes its time
            await told(rigs)
            await box.drained()
            assert await box.end() == 0, box.output
        assert judge_messages(rigs, box.server.entries(ORIGIN)) == 2 * len(records) + 3
        assert box.output.count("broker offline") == box.output.count("broker online") - 1 == 3
        assert "20261123-0007" not in box.output, "P7"
    finally:
        await box.kill_for_sure()
        for rig in rigs:
            await asyncio.to_thread(rig.close)
        real.close()


@pytest.mark.long
@pytest.mark.timeout(3600 * TIMES)
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_broker_killed_again_and_again_loses_nothing(tmp_path: Path, protocol: str) -> None:
    """B12: two hundred and fifty kills of either protocol, each with records on their way in both directions."""
    box, real, source = GatewayBox(tmp_path), broker_of_defaults((GATEWAY, *RIGS)), random.Random(20261124)
    rigs = [MqttRig(real, serial, v5=protocol == "5", again_s=1) for serial in RIGS]
    latched = 0
    try:
        real.start()
        for rig in rigs:
            await asyncio.to_thread(rig.open)
        async with https_server(box.server, box.tls) as url:
            box.configure([], url)
            add_broker(box, real, RIGS, protocol, "kaofen-interface-v1-mqtt")
            code, said = await box.command("init")
            assert code == 0, said
            await box.start()
            for kill in range(1, times(KILLS) + 1):
                await until(lambda kill=kill: box.output.count("broker online") == kill)
                for kind, values in exam(rigs[0], source.randint(0, 2)):
                    latched += len(rigs)
                    for rig in rigs:
                        rig.latch(kind, **values)
                await asyncio.sleep(source.uniform(0.0, 0.3))  # the moment is what is tested
                await asyncio.to_thread(real.kill)
                await asyncio.to_thread(real.start)
                await told(rigs)  # a rig has room for so many records and no more
            await box.drained()
            assert await box.end() == 0, box.output[-3000:]
        assert judge_messages(rigs, box.server.entries(ORIGIN)) == latched
    finally:
        await box.kill_for_sure()
        for rig in rigs:
            await asyncio.to_thread(rig.close)
        real.close()


async def test_a_gateway_killed_around_every_step_tells_every_rig(tmp_path: Path) -> None:
    """P1, H2: killed after the receipt, around the append, before PUBACK and acknowledgement, and after both."""
    box = GatewayBox(tmp_path)
    points = [f"gateway.{point}@2" for point in ("read=kill", "append=kill-after", "ack=kill", "ack=kill-after")]
    with running_mosquitto("password", (GATEWAY, *RIGS)) as real:
        rigs = [MqttRig(real, serial, again_s=1) for serial in RIGS]
        try:
            for rig in rigs:
                await asyncio.to_thread(rig.open)
            async with https_server(box.server, box.tls) as url:
                box.configure([], url)
                add_broker(box, real, RIGS, "5", "cpr-manikin-v1")
                assert (await box.command("init"))[0] == 0
                for point in points:
                    for rig in rigs:
                        rig.latch("deduction")
                        rig.latch("item_finished")
                    await box.start({"KAOFEN_FAILPOINTS": point})
                    assert box.process is not None
                    assert await asyncio.wait_for(box.process.wait(), 30) == -signal.SIGKILL, point
                await box.start()
                await told(rigs)
                await box.drained()
                assert await box.end() == 0
            assert judge_messages(rigs, box.server.entries(ORIGIN)) == 4 * len(points)
            entries = {ack["entry"] for rig in rigs for ack in rig.acks}
            assert all(isinstance(entry, str) and len(entry) == 64 for entry in entries)
        finally:
            await box.kill_for_sure()
            for rig in rigs:
                await asyncio.to_thread(rig.close)
