"""The adapter's contract over its two forms: the real Modbus adapter at a raw rig, and the strict fake."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from adapter_contract import AdapterContract, Bench
from fake_adapter import FakeAdapter
from rig_profiles import adapter_for, fast_v1
from scripted_rig import EVENTS, Item, ScriptedRig

from device_adapters.contract import Adapter, Evidence, Observation, Position, RawArea, RigStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SERIAL = "LV-0001"
PROFILE = fast_v1(100)


class RawBench:
    """The real adapter, over TCP, at a scripted rig."""

    def __init__(self, rig: ScriptedRig) -> None:
        self.rig = rig

    def adapter(self, position: Position | None) -> Adapter:
        return adapter_for(self.rig, position, PROFILE)

    def latch(self, score: int) -> None:
        self.rig.latch_item(Item(score=score, deductions=[]), slot=self.rig.last_seq % 32)

    def reboot(self) -> None:
        self.rig.reboot()

    def show(self, running_score: int) -> None:
        self.rig.state, self.rig.running_score = 2, running_score
        self.rig.refresh()

    def cut(self) -> None:
        self.rig.cut()

    @contextlib.contextmanager
    def spoiled(self) -> Iterator[None]:
        at = EVENTS + 48 * (self.rig.last_seq % 512) + 40
        self.rig.registers[at] ^= 1
        yield
        self.rig.registers[at] ^= 1

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


class FakeBench:
    """The fake, given what a rig would latch."""

    def __init__(self) -> None:
        self.epoch, self.seq = 3, 0
        self.happened: list[Observation] = []
        self.made: list[FakeAdapter] = []

    def adapter(self, position: Position | None) -> Adapter:
        freed = max((at.seq for fake in self.made for at in fake.acked), default=0)
        made = FakeAdapter(SERIAL, Position(3, freed) if position and self.made else position)
        for observation in self.happened:
            made.happen(observation)
        self.made.append(made)
        return made

    def latch(self, score: int) -> None:
        self.seq += 1
        data = bytes(28) + b"20261123-0007".ljust(32, b"\0") + bytes(34) + b"\x4b\x37"
        raw = tuple(RawArea(area, at, data, ((28, 32), (94, 2))) for area, at in (("event", 4096), ("result", 28672)))
        self._happen(
            "item.finished", self.seq, {"score": score}, raw=raw, personal={"ticket": b"20261123-0007"}, mode="exam"
        )

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

    @contextlib.contextmanager
    def spoiled(self) -> Iterator[None]:
        seq = self.seq
        for fake in self.made:
            fake.spoil(Evidence(SERIAL, "crc", "the checksum of event does not fit its words", seq, self.epoch))
        yield
        for fake in self.made:
            fake.mend(seq)

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


class TestFakeAdapter(AdapterContract):
    """The strict fake, so that it cannot drift from what it stands for."""

    @pytest.fixture
    async def bench(self) -> Bench:
        return FakeBench()
