"""A tiny raw Modbus TCP client for tests: it sends bytes and shows bytes, and guards nothing.

Independent of every package of ours, so that a simulator's answer can be looked at as it is on the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import Self

DEADLINE_S = 5.0


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS, bit by bit from its definition."""
    state = 0xFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ 0xA001 if state & 1 else state >> 1
    return state


class ModbusError(Exception):
    """The rig answered with an exception code."""

    def __init__(self, function: int, code: int) -> None:
        super().__init__(f"function {function}: exception {code}")
        self.code = code


class ModbusProbe:
    """One connection. `exchange` is for whole frames, `send` and `receive` for malformed ones."""

    def __init__(self, host: str, port: int, unit: int = 1) -> None:
        self.host = host
        self.port = port
        self.unit = unit
        self._tid = 0

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(DEADLINE_S):
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def frame(self, pdu: bytes, tid: int | None = None, unit: int | None = None) -> bytes:
        """A right frame around the PDU."""
        self._tid = (self._tid % 0xFFFF) + 1 if tid is None else tid
        return struct.pack(">HHHB", self._tid, 0, len(pdu) + 1, self.unit if unit is None else unit) + pdu

    async def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, size: int, deadline_s: float = DEADLINE_S) -> bytes:
        """Exactly so many bytes."""
        async with asyncio.timeout(deadline_s):
            return await self.reader.readexactly(size)

    async def receive_until_quiet(self, quiet_s: float = 0.15) -> bytes:
        """All bytes until nothing comes for a moment or the connection ends."""
        data = b""
        while True:
            try:
                async with asyncio.timeout(quiet_s):
                    part = await self.reader.read(65536)
            except (TimeoutError, ConnectionError):
                return data
            if not part:
                return data
            data += part

    async def exchange(self, pdu: bytes, unit: int | None = None) -> bytes:
        """One request, the reply's PDU; the header of the reply must be right."""
        frame = self.frame(pdu, unit=unit)
        await self.send(frame)
        header = await self.receive(7)
        tid, protocol, length, answered = struct.unpack(">HHHB", header)
        assert (tid, protocol, answered) == (self._tid, 0, frame[6]), f"reply header {header.hex()} to {frame.hex()}"
        reply = await self.receive(length - 1)
        if reply[0] & 0x80:
            raise ModbusError(reply[0] & 0x7F, reply[1])
        return reply

    async def read(self, address: int, count: int) -> bytes:
        """The bytes of so many holding registers."""
        reply = await self.exchange(struct.pack(">BHH", 3, address, count))
        assert reply[:2] == bytes((3, 2 * count)), reply.hex()
        return reply[2:]

    async def write(self, address: int, *words: int) -> None:
        """Function 16."""
        await self.exchange(struct.pack(f">BHHB{len(words)}H", 16, address, len(words), 2 * len(words), *words))

    async def write_one(self, address: int, word: int) -> None:
        """Function 6."""
        await self.exchange(struct.pack(">BHH", 6, address, word))

    async def acknowledge(self, seq: int, ready: int | None = None) -> None:
        """`ack_seq`, and with it `gateway_ready` if given."""
        await self.write(100, seq >> 16, seq & 0xFFFF, *(() if ready is None else (ready,)))


async def read_status(probe: ModbusProbe) -> dict[str, int | str]:
    """The status block by absolute offsets of the interface page."""
    block = await probe.read(0, 48)
    assert crc16(block[:94]) == int.from_bytes(block[94:], "big"), "CRC of the status block"
    long, word = (
        (lambda at: int.from_bytes(block[2 * at : 2 * at + 4], "big")),
        (lambda at: int.from_bytes(block[2 * at : 2 * at + 2], "big")),
    )
    return {
        "magic": word(0),
        "version": word(1),
        "words": word(2),
        "serial": block[8:24].rstrip(b"\0").decode(),
        "boot": long(12),
        "state": word(14),
        "mode": word(15),
        "last_seq": long(16),
        "oldest_seq": long(18),
        "acked_seq": long(20),
        "time_s": long(22),
        "time_ms": word(24),
        "exam_no": long(25),
        "item": block[54:58].rstrip(b"\0").decode(),
        "ordinal": word(29),
        "elapsed_s": word(30),
        "limit_s": word(31),
        "running_score": word(32),
        "deduction_count": word(33),
        "heartbeat": word(34),
        "gateway_seen": word(35),
        "event_slots": word(36),
        "result_slots": word(37),
        "unacked_results": word(38),
        "fault": word(39),
        "last_seq_again": long(45),
    }


async def play_gateway(host: str, port: int, stop: asyncio.Event, period_s: float = 0.02) -> int:
    """Poll one rig, acknowledge at once, keep `gateway_ready` fresh until told to stop. Returns requests made."""
    ready, requests = 0, 0
    while not stop.is_set():
        try:
            async with ModbusProbe(host, port) as probe:
                while not stop.is_set():
                    status = await read_status(probe)
                    ready = ready % 65535 + 1
                    await probe.acknowledge(int(status["last_seq"]), ready)
                    requests += 2
                    await asyncio.sleep(period_s)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ModbusError, AssertionError):
            await asyncio.sleep(period_s)
    return requests
