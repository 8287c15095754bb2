"""The rig under test, read and acknowledged as the gateway would: by the same memory of the same package.

Owns: patience. A rig that goes away is asked again until a deadline; what was refused on the way is counted. Holds
what was read of each record, so that a later reading can be compared word by word.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.records import open_record
from device_adapters.errors import BackOff, DecodeError, NotConnected
from device_adapters.limits import ATTEMPTS
from device_adapters.modbus.registers import RegisterMemory
from device_adapters.modbus.wire import ExceptionReply, OddReply
from gateway.errors import StepFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_adapters.decoding.decode import Decoded, Standing
    from device_adapters.decoding.records import Value
    from device_adapters.language.profile import Profile
    from device_adapters.modbus.wire import Wire
    from device_adapters.observation import RigStatus
    from scorelog.journal.clock import Clock

RESULT: Final = "item.finished"
_AGAIN_S: Final = 0.1  # between two tries at a rig that does not answer
_READY_EVERY_S: Final = 2.5


@dataclass(slots=True)
class Counts:
    """Of readings."""

    statuses: int = 0
    refused: int = 0
    records: int = 0
    again: int = 0  # readings of a record that had to be repeated
    lost: int = 0  # connections


class UnderTest:
    """One rig. Every wait ends at a deadline with StepFailed."""

    def __init__(self, profile: Profile, wire: Wire, clock: Clock, patience_s: float) -> None:
        self.profile = profile
        self.wire = wire
        self.counts = Counts()
        self.records: dict[int, Decoded] = {}
        self.seen_at_us: dict[int, int] = {}
        self.serial = ""
        self.shown: Mapping[str, Value] = {}
        self.live: set[tuple[str, str]] = set()  # states and modes that it was in
        self.gone_us: int | None = None  # when it was first silent, since `watch_silence`
        self._clock = clock
        self._patience_s = patience_s
        self._memory: RegisterMemory | None = None
        self._counter = 1
        self._vouching: asyncio.Task[None] | None = None

    @property
    def memory(self) -> RegisterMemory:
        """Once it is known whose."""
        if self._memory is None:
            raise StepFailed("尚未识别设备", "the rig was not recognised")
        return self._memory

    async def recognise(self) -> None:
        """Its status block, whole, and the serial number in it."""
        status = self.profile.status
        deadline_us = self._deadline_us()
        while True:
            try:
                if not self.wire.connected:
                    await self.wire.connect()
                data = await self.wire.read(status.at, status.words)
                self.shown = open_record(status, data, rig=None, seq=None).values
                break
            except (NotConnected, BackOff, OddReply, ExceptionReply, DecodeError) as error:
                await self._pause(deadline_us, error)
        self.serial = str(self.shown.get("serial", ""))
        self._memory = RegisterMemory(self.profile, self.wire, self.serial)

    async def status(self) -> tuple[RigStatus, Standing]:
        """The next whole one."""
        deadline_us = self._deadline_us()
        while True:
            try:
                if not self.memory.connected:
                    await self.memory.connect()
                found = await self.memory.look(again=False)
            except DecodeError as error:
                self.counts.refused += 1
                self.counts.statuses += 1
                await self._pause(deadline_us, error)
            except (NotConnected, BackOff) as error:
                self.counts.lost += 1
                self.gone_us = self._clock.mono_us() if self.gone_us is None else self.gone_us
                await self._pause(deadline_us, error)
            else:
                self.counts.statuses += 1
                self.live |= {("state", found[0].state), ("mode", found[0].mode)}
                return found

    async def record(self, seq: int, standing: Standing) -> Decoded:
        """Record `seq`, proven by two equal readings within as many tries as the gateway makes."""
        last: Exception = StepFailed("", "")
        for _ in range(ATTEMPTS):
            try:
                found = await self.memory.fetch(seq, standing.boot, 0)
            except DecodeError as error:
                self.counts.again += 1
                last = error
                if not self.memory.connected:
                    await self.status()
            except BackOff as error:
                last = error
                await asyncio.sleep(error.wait_s)
            else:
                if found is not None:
                    self.counts.records += 1
                    return found
        why = str(last)
        raise StepFailed(
            f"第 {seq} 条记录连续 {ATTEMPTS} 次不可信：{why}", f"record {seq} was refused {ATTEMPTS} times: {why}"
        )

    async def follow(self, standing: Standing) -> None:
        """Read what is new since the last call."""
        first = max(standing.oldest_seq, max(self.records, default=standing.oldest_seq - 1) + 1, 1)
        for seq in range(first, standing.last_seq + 1 if standing.oldest_seq else 0):
            self.records[seq] = await self.record(seq, standing)
            self.seen_at_us[seq] = self._clock.now_us()

    async def tell(self, seq: int) -> None:
        """Acknowledge on the connection at hand."""
        deadline_us = self._deadline_us()
        while True:
            await self.status()  # nothing is written to a rig that was not recognised on this connection
            try:
                await self.memory.tell(seq, self.memory.connection)
            except (NotConnected, BackOff) as error:
                await self._pause(deadline_us, error)
            else:
                return

    def results(self, above: int = 0) -> list[int]:
        """Sequence numbers of results above this one."""
        return [seq for seq, record in self.records.items() if seq > above and record.type == RESULT]

    def watch_silence(self) -> None:
        """From now on `gone_us` is the next time that it does not answer."""
        self.gone_us = None

    def vouch(self) -> None:
        """Say again and again that a gateway is ready, as a running one does."""
        if self.profile.ready is not None and self._vouching is None:
            self._vouching = asyncio.create_task(self._vouch(), name="gateway ready")

    async def vouch_no_more(self, *, told: bool = False) -> None:
        """Stop; with `told` the rig is told so."""
        task, self._vouching = self._vouching, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if told:
            await self.status()  # cancelling may have cost the connection
            await self.memory.write_ready(0, self.memory.connection)

    async def _vouch(self) -> None:
        while True:
            self._counter = self._counter % 0xFFFF + 1
            try:
                if self.memory.connected:
                    await self.memory.write_ready(self._counter, self.memory.connection)
            except (NotConnected, BackOff):
                pass  # whoever reads finds out and connects again
            await asyncio.sleep(_READY_EVERY_S if self.memory.connected else _AGAIN_S)

    def _deadline_us(self) -> int:
        return self._clock.mono_us() + int(self._patience_s * 1_000_000)

    async def _pause(self, deadline_us: int, error: Exception) -> None:
        if self._clock.mono_us() > deadline_us:
            raise StepFailed(
                f"{self._patience_s:g} 秒内无完整应答：{error}",
                f"no whole answer within {self._patience_s:g} s: {error}",
            ) from None
        if isinstance(error, DecodeError):
            await asyncio.sleep(0)  # the rig answers: torn is torn, and the next reading may be whole
        else:
            await asyncio.sleep(error.wait_s if isinstance(error, BackOff) else _AGAIN_S)
