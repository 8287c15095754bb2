"""Rigs that publish single values, over a real broker: simulators on one side, the adapter on the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from broker_side import SERIAL, WAIT_S, Side, following
from plain_bench import GOOD
from plain_bench import TEXT as PLAIN
from plain_mosquitto import plain_mosquitto
from spark_bench import AT_MS, KINDS, RESULT
from spark_bench import TEXT as SPARK

from device_adapters.contract import Position
from simulators.mqtt.broker import Broker as Place
from simulators.mqtt.talkers import Kind, PlainTalker, SparkTalker

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [pytest.mark.crash, pytest.mark.needs("mosquitto")]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_plain_values_over_a_real_broker(protocol: str, tmp_path: Path) -> None:
    """P1, P5, V10-V14: whole records come, half ones are refused, PUBACK waits; the will takes the rig away."""
    with plain_mosquitto(tmp_path) as broker:
        talker = PlainTalker(Place("127.0.0.1", broker.port, protocol), SERIAL)
        await talker.open()
        talker.say("key", "1", retain=True)
        async with following(PLAIN, broker.port, protocol, Position(0, 17)) as side:
            values = {name: text for name, text in GOOD.items() if name != "key"}
            talker.say_all({**values, "count": "18"})
            talker.say_all({"count": "19"})
            talker.say_all({**values, "score": "60", "count": "20"})
            await side.until([18, 20])
            assert [one.reason for one in side.refused] == ["missing_field"]
            assert [one.fields["score"] for one in side.stored if one.type == "item.finished"] == [8750, 6000]
            assert [one.seq for one in side.stored if one.type == "sequence.gap"] == [19]
            assert side.stored[0].mode == "exam", "retained, as the profile allows"
            while side.broker.unacknowledged:
                await asyncio.sleep(0.01)
            talker.cut()
            while not side.away:
                await asyncio.sleep(0.01)
        talker = PlainTalker(Place("127.0.0.1", broker.port, protocol), SERIAL)
        await talker.open()
        talker.say_all({**values, "count": "21"})  # the session of the gateway stands at the broker
        async with following(PLAIN, broker.port, protocol, Position(0, 20)) as side:
            await side.until([21])
        talker.cut()


@pytest.mark.parametrize("protocol", ["5", pytest.param("3.1.1", marks=pytest.mark.long)])
async def test_sparkplug_over_a_real_broker(protocol: str, tmp_path: Path) -> None:
    """S5-S9: a rebirth asked for and given, a gap told, the will believed, the next life read."""
    state: dict[str, dict[str, Any]] = {SERIAL: {name: first for name, (_, _, first) in KINDS.items()}}
    kinds = {name: Kind(alias, datatype) for name, (alias, datatype, _) in KINDS.items()}
    with plain_mosquitto(tmp_path) as broker:
        place = Place("127.0.0.1", broker.port, protocol)
        node = SparkTalker(place, ("hall-3", "edge-1"), kinds, state, lambda: AT_MS)
        await node.open()
        async with following(SPARK, broker.port, protocol, Position(3, 17)) as side:
            await _born(side)
            assert node.rebirths >= 1, "its birth was before the gateway came"
            node.say(SERIAL, {**RESULT, "Result/Number": 18})
            await side.until([18])
            node.lose()
            node.say(SERIAL, {**RESULT, "Result/Number": 19})
            while not side.refused:
                await asyncio.sleep(0.01)
            rebirths = node.rebirths
            await _born(side)
            assert node.rebirths >= rebirths >= 1
            node.say(SERIAL, {**RESULT, "Result/Score": 60.0, "Result/Number": 20})
            await side.until([18, 20])
            assert [one.reason for one in side.refused] == ["sequence"]
            assert [one.seq for one in side.stored if one.type == "sequence.gap"] == [19]
            node.cut()
            async with asyncio.timeout(WAIT_S):
                while side.box.inbox.here:  # type: ignore[union-attr]
                    await asyncio.sleep(0.01)
            await node.open()
            await _born(side)
            node.say(SERIAL, {**RESULT, "Result/Number": 21})
            await side.until([18, 20, 21])
        node.cut()


async def _born(side: Side) -> None:
    """Until the rig's birth certificate is here."""
    async with asyncio.timeout(WAIT_S):
        while not side.box.inbox.here:  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
