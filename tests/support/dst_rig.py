"""Rigs of the simulation, behind the adapters' own seam: production code decides what is due, this is what it reads.

    Rig (the device: latches, keeps what is not acknowledged, reboots) <── RigMemory ── LatchedAdapter ── gateway

A rig remembers for ever what it latched and what it was told (`history`, `told`): that is the oracle's truth.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dst_life import LIFE

from device_adapters.decoding.decode import Decoded, Standing
from device_adapters.decoding.observed import Observer
from device_adapters.errors import BackOff, DecodeError, NotConnected
from device_adapters.language.profile import Poll
from device_adapters.latching.latched import LatchedAdapter
from device_adapters.observation import RawArea, RigStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from random import Random

    from dst_bugs import Bug
    from dst_life import Life

    from device_adapters.contract import Position

KEPT = 32
PRACTICE = 0.15
CUT = (28, 32)


@dataclass(frozen=True, slots=True)
class Latched:
    """One record as the rig has it."""

    epoch: int
    seq: int
    kind: str
    fields: dict[str, Any]
    ticket: bytes
    data: bytes
    mode: str = "exam"
    cut: tuple[int, int] = CUT

    @property
    def key(self) -> tuple[int, int, str]:
        return self.epoch, self.seq, self.kind

    def shown(self) -> bytes:
        """Its words without the personal ones."""
        start, length = self.cut
        return self.data[:start] + bytes(length) + self.data[start + length :]


class Rig:
    """One device. `faults` is the chance that one request to it goes wrong."""

    def __init__(self, serial: str, rng: Random, noted: Callable[..., None]) -> None:
        self.serial = serial
        self.rng = rng
        self.noted = noted
        self.boot = 1
        self.last_seq = 0
        self.acked_seq = 0
        self.kept: dict[int, Latched] = {}
        self.history: list[Latched] = []
        self.told: list[Latched] = []  # acknowledged, in the order in which it was told so
        self.lost: list[Latched] = []  # the rig itself lost them before they were acknowledged
        self.on_ack: Callable[[Rig, Latched], None] = lambda _rig, _record: None
        self.state = "idle"
        self.mode = "exam"
        self.exam_no = 0
        self.poll = Poll(1000, {"idle": 1000, "running": 400})
        self.faults = 0.0
        self.cable = True
        self.unreadable: set[int] = set()
        self.was_unreadable = False
        self.forgot = False
        self.ready_at = -1e9

    def latch(self, kind: str, ticket: bytes, **fields: Any) -> None:
        self.last_seq += 1
        said = {**fields, "exam_no": self.exam_no}
        head = self.last_seq.to_bytes(4, "big") + kind.encode().ljust(24, b"\0")
        body = f"{self.serial}/{self.boot}/{sorted(said.items())}".encode() + self.rng.randbytes(8)
        data = head + ticket.ljust(CUT[1], b"\0") + body
        self.keep(Latched(self.boot, self.last_seq, kind, said, ticket, data, self.mode))

    def keep(self, record: Latched) -> None:
        """Until the gateway says that it has it."""
        self.kept[record.seq] = record
        self.history.append(record)
        self.noted("latched", rig=self.serial, epoch=record.epoch, seq=record.seq, kind=record.kind, mode=record.mode)

    def tell(self, seq: int) -> None:
        """The gateway says that everything up to `seq` is stored. More than it latched is ignored, or a finding."""
        if seq > self.last_seq and self.forgot:
            return  # rig interface K4: ignored; it was on its way when the rig forgot everything
        assert seq <= self.last_seq, f"{self.serial} was told {seq}, it has latched only {self.last_seq}"
        for each in sorted(each for each in self.kept if each <= seq):
            record = self.kept.pop(each)
            self.told.append(record)
            self.on_ack(self, record)
        if seq > self.acked_seq:
            self.acked_seq = seq
            self.noted("acked", rig=self.serial, seq=seq)

    def reboot(self, *, forgets: bool = False) -> None:
        """Another boot. One that forgets counts from 1 again, and what it held is gone."""
        self.boot += 1
        self.state = "idle"
        if forgets:
            self.forgot = True
            self.lost += self.kept.values()
            self.kept.clear()
            self.last_seq = self.acked_seq = 0
        self.noted("rig reboots", rig=self.serial, epoch=self.boot, forgets=forgets)

    def overflow(self) -> None:
        """Its ring loses the oldest records that nobody has read."""
        for seq in sorted(self.kept)[: self.rng.randint(1, 3)]:
            self.lost.append(self.kept.pop(seq))
        self.noted("rig overflows", rig=self.serial, lost=len(self.lost))

    async def examine(self, pause_s: float) -> None:
        """One exam after the other, as long as the rig can keep what it latches."""
        while True:
            await asyncio.sleep(self.rng.uniform(0.2, 2.0) * pause_s)
            if len(self.kept) <= KEPT - 12:
                await self._exam(pause_s)

    async def _exam(self, pause_s: float) -> None:
        self.exam_no += 1
        self.state, boot = "running", self.boot
        self.mode = "practice" if self.rng.random() < PRACTICE else "exam"
        ticket = f"44{self.rng.randrange(10**12):012d}".encode()
        for kind, fields in self._script():
            self.latch(kind, ticket, **fields)
            await asyncio.sleep(self.rng.choice((0.0, 0.05, 0.5, 1.0)) * pause_s)
            if self.boot != boot:
                return
        self.state = "idle"

    def _script(self) -> list[tuple[str, dict[str, Any]]]:
        items = self.rng.randint(1, 2)
        said: list[tuple[str, dict[str, Any]]] = [("identity.checked", {"verdict": "match", "try": 1})]
        for ordinal in range(1, items + 1):
            item = {"item": f"K{ordinal}1", "ordinal": ordinal}
            said.append(("item.started", {**item, "limit_s": 600}))
            if self.rng.random() < 0.5:
                points = 500 if self.rng.random() < 0.9 else -(1 << 40)  # poison: nobody can lose so much
                said.append(("deduction", {**item, "line": 1, "points": points, "at_s": 3, "veto": False}))
            score = 9500 if self.rng.random() < 0.9 else 1 << 50
            said.append(("item.finished", {**item, "outcome": "finished", "score": score, "elapsed_s": 30}))
        end = {"claimed_total": 9500, "items": items, "exam_failed": False}
        return [*said, ("attempt.finished" if self.rng.random() < 0.9 else "attempt.aborted", end)]


class SimMemory:
    """A connection to one rig; see `device_adapters.latching.memory.RigMemory`."""

    tells_at_once = False

    def __init__(self, rig: Rig) -> None:
        self.poll = rig.poll
        self.rig = rig
        self._life: Life | None = LIFE.get()
        self._open = False
        self.connection = 0

    @property
    def connected(self) -> bool:
        return self._open and self._reaches

    @property
    def _reaches(self) -> bool:
        return self.rig.cable and not (self._life is not None and self._life.dead)

    async def connect(self) -> None:
        self.drop()
        await asyncio.sleep(0.002)
        if not self._reaches:
            raise NotConnected("refused")
        self._open = True
        self.connection += 1

    def drop(self) -> None:
        self._open = False

    async def wait(self, until: float) -> None:
        left = until - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    async def look(self, *, again: bool) -> tuple[RigStatus, Standing]:
        await self._trip()
        rig = self.rig
        oldest = min(rig.kept, default=0)
        status = RigStatus(
            rig.serial, rig.state, rig.mode, "", 0, 0, 0, 0, 0, rig.last_seq, rig.acked_seq, rig.exam_no, 0, 0
        )
        return status, Standing(rig.boot, rig.last_seq, oldest, rig.acked_seq)

    async def fetch(self, seq: int, boot: int, floor: int) -> Decoded | None:
        await self._trip()
        record = self.rig.kept.get(seq)
        if seq in self.rig.unreadable:
            raise DecodeError("crc", "torn", (RawArea("event", 4096, b"\xff" * 64, ((0, 64),)),))
        if record is None or not floor <= record.epoch <= boot:
            return None
        return Decoded(
            type=record.kind,
            rig=self.rig.serial,
            epoch=record.epoch,
            seq=seq,
            mode=record.mode,
            rig_time="2026-11-23T06:42:05.031Z",
            fields=record.fields,
            personal={"ticket": record.ticket},
            areas=(RawArea("event", 4096, record.data, (CUT,)),),
            proven=True,
        )

    async def tell(self, seq: int, connection: int) -> None:
        await self._trip(connection)
        self.rig.tell(seq)
        await self._trip(connection)  # it heard, and the answer is lost

    async def write_ready(self, counter: int, connection: int) -> None:
        await self._trip(connection)
        if counter:
            self.rig.ready_at = asyncio.get_running_loop().time()

    def confirms(self, standing: Standing, again: Standing) -> bool:
        return (standing.boot, standing.last_seq, standing.oldest_seq) == (
            again.boot,
            again.last_seq,
            again.oldest_seq,
        )

    def stored(self, observation: object, entry: bytes | None) -> None:
        return

    def stray(self, following: int, holes: Collection[int], boot: int) -> None:
        return

    def repeated(self) -> int:
        return 0

    async def _trip(self, connection: int | None = None) -> None:
        """There or back over the cable."""
        await asyncio.sleep(0.001)
        if not self.connected or connection not in (None, self.connection):
            self._open = False
            raise NotConnected("the connection is gone")
        rig = self.rig
        if rig.faults and rig.rng.random() < rig.faults:
            if rig.rng.random() < 0.3:
                raise BackOff(rig.rng.uniform(0.05, 1.0))
            self._open = False
            raise NotConnected("reset")


def adapter_of(rig: Rig, position: Position | None, rng: Random, bug: Bug) -> LatchedAdapter:
    """The production adapter over the simulated device."""
    memory = bug.memory(SimMemory(rig))
    return LatchedAdapter(memory, Observer(rig.serial, "latched", "simulator"), position=position, rng=rng)


def named(text: str) -> int:
    """A number of its own for each name: the seeds of a world's parts do not depend on the order of their making."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
