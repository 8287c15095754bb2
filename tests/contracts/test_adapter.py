"""The adapter's contract over its forms: Modbus alone and on a bus, MQTT, HTTP push, and the strict fake."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from adapter_contract import AdapterContract, Bench
from bus_point import KINDS, BusPoint, bus_point
from fake_adapter import FakeAdapter
from mqtt_point import GATEWAY, Point, message_point, switched_on
from push_point import PushPoint, PushRig, push_point
from real_mosquitto import running_mosquitto
from rig_profiles import adapter_for, fast_v1
from scripted_bus import ScriptedBus
from scripted_rig import EVENTS, Item, ScriptedRig

from device_adapters.contract import Adapter, Evidence, Observation, Position, RawArea, RigStatus
from device_adapters.factory import open_bus_adapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mqtt_rig import MqttRig

SERIAL = "LV-0001"
PROFILE = fast_v1(100)


class RawBench:
    """The real adapter, over TCP, at a scripted rig."""

    areas = (["event", "result"], True)

    def __init__(self, rig: ScriptedRig) -> None:
        self.rig = rig
        self.spoiled: int | None = None

    def adapter(self, position: Position | None) -> Adapter:
        return adapter_for(self.rig, position, PROFILE)

    def latch(self, score: int, *, spoiled: bool = False) -> None:
        self.rig.latch_item(Item(score=score, deductions=[]), slot=self.rig.last_seq % 32)
        if spoiled:
            self.spoiled = EVENTS + 48 * (self.rig.last_seq % 512) + 40
            self.rig.registers[self.spoiled] ^= 1

    def reboot(self) -> None:
        self.rig.reboot()

    def show(self, running_score: int) -> None:
        self.rig.state, self.rig.running_score = 2, running_score
        self.rig.refresh()

    def cut(self) -> None:
        self.rig.cut()

    def mend(self) -> None:
        assert self.spoiled is not None
        self.rig.registers[self.spoiled] ^= 1

    async def acked(self, seq: int) -> None:
        async with asyncio.timeout(5):
            while self.rig.acked_seq < seq:
                self.rig.changed.clear()
                await self.rig.changed.wait()

    @property
    def told(self) -> list[int]:
        return self.rig.acks

    @property
    def ready(self) -> list[bool]:
        counters = [value for value in self.rig.ready if value]
        assert len(set(counters)) == len(counters), "the counter did not change"
        return [bool(value) for value in self.rig.ready]


class BusBench(RawBench):
    """The same over a line that another rig shares."""

    def __init__(self, rig: ScriptedRig, point: BusPoint) -> None:
        super().__init__(rig)
        self.point = point

    def adapter(self, position: Position | None) -> Adapter:
        return open_bus_adapter(PROFILE, self.point.bus, serial=SERIAL, unit=7, position=position)

    def reboot(self) -> None:
        self.rig.reboot()
        self.cut()

    def cut(self) -> None:
        self.point.cut()


class MessageBench:
    """The real adapter, over a real broker, at a rig of its own."""

    areas = (["message"], False)

    def __init__(self, rig: MqttRig, point: Point) -> None:
        self.rig = rig
        self.point = point

    def adapter(self, position: Position | None) -> Adapter:
        return self.point.adapter(SERIAL, position)

    def latch(self, score: int, *, spoiled: bool = False) -> None:
        if spoiled:
            self.rig.spoiled.add(self.rig.last_seq + 1)
        self.rig.latch(score=score)

    def reboot(self) -> None:
        self.rig.reboot()

    def show(self, running_score: int) -> None:
        self.rig.show(running_score=running_score)

    def cut(self) -> None:
        self.rig.cut()

    def mend(self) -> None:
        self.rig.spoiled.clear()

    async def acked(self, seq: int) -> None:
        await asyncio.to_thread(self.rig.wait, lambda: self.rig.acked_seq >= seq, 5)

    @property
    def told(self) -> list[int]:
        return self.rig.told

    @property
    def ready(self) -> list[bool]:
        return [bool(value) for value in self.rig.ready]


class PushBench(MessageBench):
    """The real adapter, over real HTTP, at a rig that pushes."""

    def __init__(self, rig: PushRig, point: PushPoint) -> None:
        self.rig, self.here = rig, point

    def adapter(self, position: Position | None) -> Adapter:
        return self.here.adapter(SERIAL, position)

    def mend(self) -> None:
        self.rig.spoiled.clear()
        self.rig.say_again()

    async def acked(self, seq: int) -> None:
        await self.rig.acked(seq)

    @property
    def ready(self) -> list[bool]:
        return self.here.ready_of(SERIAL)


class FakeBench:
    """The fake, given what a rig would latch."""

    areas = (["event", "result"], True)

    def __init__(self) -> None:
        self.epoch, self.seq, self.spoiled = 3, 0, 0
        self.happened: list[Observation] = []
        self.made: list[FakeAdapter] = []

    def adapter(self, position: Position | None) -> Adapter:
        freed = max((at.seq for fake in self.made for at in fake.acked), default=0)
        made = FakeAdapter(SERIAL, Position(3, freed) if position and self.made else position)
        for observation in self.happened:
            made.happen(observation)
        if self.spoiled:
            made.spoil(self.evidence(self.spoiled))
        self.made.append(made)
        return made

    def evidence(self, seq: int) -> Evidence:
        return Evidence(SERIAL, "crc", "the checksum of event does not fit its words", seq, self.epoch)

    def latch(self, score: int, *, spoiled: bool = False) -> None:
        self.seq += 1
        data = bytes(28) + b"20261123-0007".ljust(32, b"\0") + bytes(34) + b"\x4b\x37"
        raw = tuple(RawArea(area, at, data, ((28, 32), (94, 2))) for area, at in (("event", 4096), ("result", 28672)))
        self._happen(
            "item.finished", self.seq, {"score": score}, raw=raw, personal={"ticket": b"20261123-0007"}, mode="exam"
        )
        if spoiled:
            self.spoiled = self.seq
            for fake in self.made:
                fake.spoil(self.evidence(self.seq))

    def reboot(self) -> None:
        self.epoch += 1
        self.cut()
        self._happen("rig.rebooted", self.seq, {"epoch": self.epoch, "previous_epoch": self.epoch - 1})

    def _happen(
        self,
        kind: str,
        seq: int,
        fields: dict[str, object],
        *,
        raw: tuple[RawArea, ...] = (),
        personal: dict[str, bytes] | None = None,
        mode: str | None = None,
    ) -> None:
        observation = Observation(
            kind,
            SERIAL,
            self.epoch,
            seq,
            0,
            fields,  # type: ignore[arg-type]
            "latched",
            "sensor",
            personal or {},
            raw,
            mode=mode,
        )
        self.happened.append(observation)
        for fake in self.made:
            fake.happen(observation)

    def show(self, running_score: int) -> None:
        for fake in self.made:
            fake.show(RigStatus(SERIAL, "running", "exam", "K21", 1, 5, 600, running_score, 0, self.seq, 0, 1, 0, 7))

    def cut(self) -> None:
        for fake in self.made:
            fake.drop("cut")

    def mend(self) -> None:
        for fake in self.made:
            fake.mend(self.spoiled)
        self.spoiled = 0

    async def acked(self, seq: int) -> None:
        await self.made[-1].until_acked(seq)

    @property
    def told(self) -> list[int]:
        return [at.seq for at in self.made[-1].acked]

    @property
    def ready(self) -> list[bool]:
        return self.made[-1].ready


class TestModbusAdapter(AdapterContract):
    """The real form."""

    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        async with ScriptedRig() as rig:
            yield RawBench(rig)


class TestBusAdapter(AdapterContract):
    """Over every kind of line that carries a bus; the serial one at every commit."""

    @pytest.fixture(params=["rtu", *(pytest.param(kind, marks=pytest.mark.long) for kind in KINDS if kind != "rtu")])
    async def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
        rig = ScriptedRig(unit=7)
        copper = ScriptedBus(rig, ScriptedRig("LV-0002", unit=8))
        async with bus_point(request.param, copper, tmp_path) as point:
            yield BusBench(rig, point)


class TestFakeAdapter(AdapterContract):
    """The strict fake, so that it cannot drift from what it stands for."""

    @pytest.fixture
    async def bench(self) -> Bench:
        return FakeBench()


class TestPushAdapter(AdapterContract):
    """Over HTTP, in one process; by signature."""

    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        async with push_point([SERIAL]) as point:
            rig = point.rig(SERIAL)
            rig.open()
            yield PushBench(rig, point)
            await rig.shut()


@pytest.mark.crash
@pytest.mark.needs("mosquitto")
class TestMessageAdapter(AdapterContract):
    """Over MQTT, in both versions."""

    @pytest.fixture(params=["5", "3.1.1"])
    async def bench(self, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
        with running_mosquitto("password", (GATEWAY, SERIAL)) as real:
            async with message_point(real, request.param, [SERIAL]) as point:
                rig = point.rig(SERIAL)
                async with switched_on(rig):
                    yield MessageBench(rig, point)
