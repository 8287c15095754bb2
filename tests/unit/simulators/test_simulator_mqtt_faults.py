"""Faults of messages, link and rig at a real broker: each does what it says, and nothing is lost by it (H3, H4, M6)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from sim_gateway import distinct, sim_gateway
from sim_mqtt import SERIAL, last_status, rig_at, until, whole_exam

from simulators.faults import FaultSpec
from simulators.faults.messages import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.needs("mosquitto")
async def test_faults_of_messages_lose_nothing(mosquitto: Any) -> None:
    """H3, H4: each fault at one message in five, all together: what was latched arrives whole in the end."""
    with sim_gateway(mosquitto.port) as gateway:
        async with rig_at(mosquitto.port, seed=3) as host:
            await until(lambda: host.rig.gateway_fresh)
            for kind in FAULTS:
                if kind.name != "other-bytes":
                    host.set_fault(FaultSpec(kind.name, 0.2))
            host.set_fault(FaultSpec("reset", 0.1))
            for n in range(6):
                await until(lambda: host.rig.no_start() is None)
                whole_exam(host.rig, f"S{n}")
            await until(lambda: len(host.plan.fired()) == 11 and all(host.plan.fired().values()), "all have happened")
            host.clear_faults()
            await until(lambda: not host.rig.memory.oldest_seq)
            held = {(SERIAL, seq): host.rig.memory.event(seq) for seq in range(1, 31)}
    got = distinct(gateway.records)
    assert all(payload in got[key] for key, payload in held.items())


@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("bad-utf8", lambda p: b"\xff" in p),
        ("bad-json", lambda p: not p.endswith(b"}")),
        ("duplicate-key", lambda p: p.count(b'"exam_no"') == 2),
        ("fraction", lambda p: b"1.0" in p),
        ("oversize", lambda p: len(p) == 16_385),
        ("foreign-serial", lambda p: json.loads(p)["serial"] == "ZZCP-0001"),
        ("other-bytes", lambda p: json.loads(p)["exam_no"] > 1),
    ],
)
async def test_a_fault_puts_its_bytes_on_the_wire(mosquitto: Any, name: str, mark: Callable[[bytes], bool]) -> None:
    """H4: the malformed record really leaves the rig, once, and the right one follows it (M6)."""
    with sim_gateway(mosquitto.port, answers=False) as gateway:
        async with rig_at(mosquitto.port) as host:
            await until(lambda: host.rig.gateway_fresh)
            host.set_fault(FaultSpec(name, 1.0, times=1))
            host.rig.open_exam("S20261123-0001")
            await until(lambda: len(gateway.records) >= 2)
    first, second = (payload for _, payload, _ in gateway.records[:2])
    assert mark(first)
    assert second == host.rig.memory.event(1)


@pytest.mark.needs("mosquitto")
async def test_messages_are_lost_doubled_late_and_retained(mosquitto: Any) -> None:
    """H3: each fault does what it says, at the one message it is told to; M6 repairs what is lost."""
    with sim_gateway(mosquitto.port, answers=False) as gateway:
        async with rig_at(mosquitto.port) as host:
            await until(lambda: host.rig.gateway_fresh)

            async def said(name: str, count: int, **more: Any) -> list[int]:
                """Numbers of the records that come of two presses under the fault."""
                gateway.records.clear()
                host.set_fault(FaultSpec(name, 1.0, times=1, **more))
                latched = [host.rig.open_exam("S1").event.seq, host.rig.close_exam().event.seq]
                await until(lambda: len(gateway.records) >= count, name)
                host.clear_faults()
                host.rig.write_ack(latched[-1])
                await asyncio.sleep(0.1)
                return [record["seq"] - latched[0] for record in gateway.of(SERIAL)][:count]

            assert await said("duplicate-message", 4, at=3) == [0, 0, 0, 1]
            assert await said("out-of-order", 2, at=150) == [1, 0]
            assert await said("lost-message", 3) == [1, 0, 1]
            assert await said("retained-record", 2) == [0, 1]
            connections = host.connections
            assert await said("lost-puback", 3) == [0, 0, 1]
            await until(lambda: host.connections == connections + 1)
            assert await said("reset", 2, area="record") == [0, 1]
            assert await said("silent", 3, area="record") == [1, 0, 1]
    with sim_gateway(mosquitto.port, answers=False) as late:
        await until(lambda: any(retained for *_, retained in late.records))


@pytest.mark.needs("mosquitto")
async def test_a_connection_may_break_in_the_middle_of_an_answer(mosquitto: Any) -> None:
    """P8: what a gateway says makes a rig publish, and the connection breaks in that: nothing stands still."""
    with sim_gateway(mosquitto.port, answers=False) as gateway:
        async with rig_at(mosquitto.port) as host:
            await until(lambda: host.rig.gateway_fresh)
            whole_exam(host.rig)
            await until(lambda: len(gateway.records) == 5)
            host.set_fault(FaultSpec("reset", 1.0, times=1, area="record"))
            gateway.say(SERIAL, "resend", {"v": 1, "from": 1})
            await until(lambda: host.connections == 2 and len(gateway.records) >= 10)


@pytest.mark.needs("mosquitto")
async def test_a_rig_that_reboots_loses_memory_or_cannot_be_reached(mosquitto: Any) -> None:
    """K2, K7: `reboot` keeps what was latched, `seq-restart` does not, `refuse` hides the rig while it lasts."""
    with sim_gateway(mosquitto.port, answers=False) as gateway:
        async with rig_at(mosquitto.port) as host:
            await until(lambda: host.rig.gateway_fresh)
            host.rig.open_exam("S1")
            host.set_fault(FaultSpec("reboot"))
            await until(lambda: host.rig.memory.boot == 2 and len(gateway.records) >= 3)
            assert [record["seq"] for record in gateway.of(SERIAL)][-2:] == [1, 2]
            host.set_fault(FaultSpec("seq-restart"))
            await until(lambda: host.rig.memory.boot == 3 and last_status(gateway).get("boot") == 3)
            assert (host.rig.memory.last_seq, last_status(gateway)["last_seq"]) == (0, 0)
            host.set_fault(FaultSpec("refuse"))
            await until(lambda: last_status(gateway)["online"] is False)
            host.rig.open_exam("S2")
            assert not host.connected
            host.clear_faults("refuse")
            await until(lambda: gateway.of(SERIAL)[-1]["ticket"] == "S2")
