"""A raw Modbus TCP rig of interface v1 that does exactly what a test tells it, wrong things too.

Written from docs/rig-interface-v1.md alone: own framing, own encoders, own checksum. Uses neither pymodbus nor
any code of ours, so a misunderstanding in the adapter cannot cancel out here.

    async with ScriptedRig() as rig:
        rig.latch_item(score=8750)
        rig.faults[4] = lambda request, reply: [reply[:-2]]      # request number 4 (from 1) is answered short
        rig.on_request[3] = lambda: rig.overwrite(…)             # before request number 3 is answered
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

EVENTS, RESULTS, CONTROL = 4096, 28672, 100
COIL, TAKEN = 16, 3
Answer: TypeAlias = "list[bytes | float | None]"
Fault: TypeAlias = "Callable[[bytes, bytes], Answer]"


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS bit by bit, as the page defines it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def words(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 2}H", data))


def packed(bits: bytes | bytearray) -> bytes:
    """Eight to a byte, the first one lowest."""
    return bytes(sum(bit << at for at, bit in enumerate(bits[start : start + 8])) for start in range(0, len(bits), 8))


def text(value: str, count: int) -> bytes:
    return value.encode("ascii").ljust(count * 2, b"\0")


@dataclass
class Item:
    """What a result says; also the truth that a test compares with."""

    score: int = 8750
    outcome: int = 1
    ticket: str = "20261123-0007"
    exam_no: int = 12
    item: str = "K21"
    ordinal: int = 2
    mode: int = 1
    boot: int = 3
    started_s: int = 1795416125
    finished_s: int = 1795416537
    elapsed_s: int = 412
    limit_s: int = 600
    veto_lines: int = 0
    deductions: list[tuple[int, int, int, int]] = field(default_factory=lambda: [(1, 500, 30, 0), (4, 750, 201, 0)])


def event_record(seq: int, kind: int, item: Item, serial: str, args: tuple[int, int, int, int] = (0, 0, 0, 0)) -> bytes:
    has_item = kind in {2, 3, 4}
    body = struct.pack(
        ">IHH16sI32sI4sHIHH4HHHI",
        seq,
        kind,
        48,
        text(serial, 8),
        item.boot,
        text(item.ticket, 16) if kind != 7 else bytes(32),
        item.exam_no,
        text(item.item, 2) if has_item else bytes(4),
        item.ordinal if has_item else 0,
        item.finished_s,
        31,
        item.mode,
        *args,
        0,
        0,
        seq,
    )
    return body + struct.pack(">H", crc16(body))


def result_record(seq: int, item: Item, serial: str) -> bytes:
    count = len(item.deductions)
    body = struct.pack(
        ">IHH16sI32sI4sHIIHHHHHHH",
        seq,
        4,
        49 + 4 * count,
        text(serial, 8),
        item.boot,
        text(item.ticket, 16),
        item.exam_no,
        text(item.item, 2),
        item.ordinal,
        item.started_s,
        item.finished_s,
        item.elapsed_s,
        item.limit_s,
        item.outcome,
        item.score,
        item.veto_lines,
        item.mode,
        count,
    )
    body += b"".join(struct.pack(">4H", *deduction) for deduction in item.deductions)
    body += struct.pack(">I", seq)
    return body + struct.pack(">H", crc16(body))


class ScriptedRig:
    """One rig behind one TCP port. Registers are plain words; `refresh` writes the status block from the attributes."""

    def __init__(self, serial: str = "LV-0001", boot: int = 3, unit: int = 1) -> None:
        self.serial, self.boot, self.unit = serial, boot, unit
        self.registers = [0] * 65536
        self.input_registers = [0] * 65536
        self.coils, self.inputs = bytearray(65536), bytearray(65536)
        self.release = ""  # how an acknowledgement by coil COIL ends, answered by input TAKEN
        self.state, self.mode = 0, 1
        self.last_seq = self.oldest_seq = self.acked_seq = 0
        self.heartbeat = 0
        self.live = Item()
        self.running_score = 0
        self.magic, self.version = 0x4B46, 1
        self.requests: list[tuple[int, int, int]] = []
        self.acks: list[int] = []
        self.ready: list[int] = []
        self.faults: dict[int, Fault] = {}
        self.on_request: dict[int, Callable[[], None]] = {}
        self.on_every_request: Callable[[int], None] | None = None
        self.on_accept: Callable[[int], bytes | None] | None = None
        self.connections = 0
        self.max_connections = 100
        self.apply_acks = True
        self.silent = False
        self.changed = asyncio.Event()
        self.idle = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.refresh()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    # ------------------------------------------------------------------ what a rig does

    def latch(self, kind: int, item: Item | None = None, args: tuple[int, int, int, int] = (0, 0, 0, 0)) -> int:
        """Write an event record and raise `last_seq`."""
        made = replace(item or Item(), boot=self.boot)
        self.last_seq += 1
        self.oldest_seq = self.oldest_seq or self.last_seq
        self.put_event(self.last_seq, kind, made, args)
        self.refresh()
        return self.last_seq

    def latch_item(self, item: Item | None = None, slot: int = 0, **changes: object) -> int:
        """Write a result record and its event."""
        made = replace(item or Item(), **{"boot": self.boot, **changes})  # type: ignore[arg-type]
        seq = self.last_seq + 1
        self.put(RESULTS + 160 * slot, result_record(seq, made, self.serial))
        return self.latch(4, made, (slot, made.outcome, made.score, len(made.deductions)))

    def put_event(self, seq: int, kind: int, item: Item, args: tuple[int, int, int, int] = (0, 0, 0, 0)) -> None:
        self.put(EVENTS + 48 * (seq % 512), event_record(seq, kind, item, self.serial, args))

    def put(self, at: int, data: bytes) -> None:
        self.registers[at : at + len(data) // 2] = words(data)

    def status_block(self) -> bytes:
        live = self.live
        body = struct.pack(
            ">4H16sIHHIIIIHI4s11H10sI",
            self.magic,
            self.version,
            48,
            0,
            text(self.serial, 8),
            self.boot,
            self.state,
            self.mode,
            self.last_seq,
            self.oldest_seq,
            self.acked_seq,
            live.finished_s,
            31,
            live.exam_no if self.state else 0,
            text(live.item if self.state == 2 else "", 2),
            live.ordinal,
            live.elapsed_s,
            live.limit_s,
            self.running_score,
            len(live.deductions),
            self.heartbeat,
            1,
            512,
            32,
            0,
            0,
            bytes(10),
            self.last_seq,
        )
        return body + struct.pack(">H", crc16(body))

    def refresh(self) -> None:
        self.heartbeat = (self.heartbeat + 1) % 65536
        self.put(0, self.status_block())

    def reboot(self) -> None:
        """Power cycle: boot counter up, connections gone, records and acks kept."""
        self.boot += 1
        self.refresh()
        self.cut()

    # ------------------------------------------------------------------ the wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self._open.add(writer)
        self.idle.clear()
        self.changed.set()
        try:
            if len(self._open) > self.max_connections:
                return
            if self.on_accept is not None and (greeting := self.on_accept(self.connections)) is not None:
                writer.write(greeting)
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            if not self._open:
                self.idle.set()
            self._tasks.discard(task)
            writer.transport.abort()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readexactly(6)
            request = head + await reader.readexactly(int.from_bytes(head[4:6], "big"))
            for step in self.steps(request):
                if step is None:
                    writer.transport.abort()
                    return
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    writer.write(step)
                    await writer.drain()

    def steps(self, request: bytes) -> Answer:
        """What comes back for this request: bytes, pauses, None for a reset."""
        function, at, count = struct.unpack(">BHH", request[7:12])
        self.requests.append((function, at, count))
        number = len(self.requests)
        if self.on_every_request is not None:
            self.on_every_request(number)
        if number in self.on_request:
            self.on_request[number]()
        reply = self.reply(request)
        if self.silent:
            return []
        fault = self.faults.get(number)
        return fault(request, reply) if fault else [reply]

    def reply(self, request: bytes) -> bytes:  # noqa: PLR0911  (a function each)
        """The right answer."""
        function, at, count = struct.unpack(">BHH", request[7:12])
        if request[6] != self.unit:
            return self.frame(request, bytes((function | 0x80, 11)))
        if function == 3:
            data = struct.pack(f">{count}H", *self.registers[at : at + count])
            return self.frame(request, bytes((3, len(data))) + data)
        if function == 4:
            data = struct.pack(f">{count}H", *self.input_registers[at : at + count])
            return self.frame(request, bytes((4, len(data))) + data)
        if function in {1, 2}:
            data = packed((self.coils if function == 1 else self.inputs)[at : at + count])
            return self.frame(request, bytes((function, len(data))) + data)
        if function in {5, 15}:
            values = [count == 0xFF00] if function == 5 else [request[13 + n // 8] >> n % 8 & 1 for n in range(count)]
            self.coils[at : at + len(values)] = bytes(values)
            self._signalled(at)
            return self.frame(request, request[7:12])
        if function == 16:
            values = struct.unpack(f">{count}H", request[13:])
            self.registers[at : at + count] = values
            self._written(at, values)
            return self.frame(request, request[7:12])
        return self.frame(request, bytes((function | 0x80, 1)))

    @staticmethod
    def frame(request: bytes, pdu: bytes) -> bytes:
        return request[:4] + (len(pdu) + 1).to_bytes(2, "big") + request[6:7] + pdu

    def _signalled(self, at: int) -> None:
        """A rig that is told by coil frees its oldest record first, and answers then."""
        coil, taken = self.coils[COIL], self.inputs[TAKEN]
        if at != COIL or not self.apply_acks:
            return
        if coil != taken if self.release == "toggle" else coil and not taken:
            self.free_oldest()
        if self.release == "rig":
            self.coils[COIL] = 0
        else:
            self.inputs[TAKEN] = coil

    def free_oldest(self) -> None:
        if self.oldest_seq:
            self.acks.append(self.oldest_seq)
            self.acked_seq = self.oldest_seq
            self.oldest_seq = self.oldest_seq + 1 if self.oldest_seq < self.last_seq else 0
        self.refresh()
        self.changed.set()

    def _written(self, at: int, values: tuple[int, ...]) -> None:
        if at == CONTROL + 2:
            self.ready.append(values[0])
        elif at == CONTROL and len(values) == 2:
            seq = values[0] << 16 | values[1]
            self.acks.append(seq)
            if self.apply_acks and self.acked_seq < seq <= self.last_seq:
                self.acked_seq = seq
                self.oldest_seq = seq + 1 if seq < self.last_seq else 0
            self.refresh()
        self.changed.set()
