"""A broker that takes connections and publications and gives no PUBACK until it is told to: for counting (M6)."""

from __future__ import annotations

import asyncio
import struct

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12


class SlowBroker:
    """MQTT 3.1.1, just enough of it. `greets` False: not even CONNACK."""

    def __init__(self, *, greets: bool = True) -> None:
        self.greets = greets
        self.published: list[tuple[str, bytes, int]] = []  # topic, payload, id
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()

    def records(self) -> list[bytes]:
        return [payload for name, payload, _ in self.published if name.endswith("/record")]

    def puback(self, count: int) -> None:
        """For the first `count` records that have none yet."""
        waiting = [number for name, _, number in self.published if name.endswith("/record")][:count]
        for number in waiting:
            self._writers[-1].write(struct.pack(">BBH", 0x40, 2, number))
        self.published = [one for one in self.published if one[2] not in waiting]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                head = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await _length(reader))
                if self.greets:
                    self._take(head, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, head: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        kind = head >> 4
        if kind == CONNECT:
            writer.write(b"\x20\x02\x00\x00")
        elif kind == SUBSCRIBE:
            writer.write(b"\x90\x05" + body[:2] + b"\x01\x01\x01")
        elif kind == PINGREQ:
            writer.write(b"\xd0\x00")
        elif kind == PUBLISH:
            size = int.from_bytes(body[:2], "big")
            name, number = body[2 : 2 + size].decode(), int.from_bytes(body[2 + size : 4 + size], "big")
            self.published.append((name, body[4 + size :], number))


async def _length(reader: asyncio.StreamReader) -> int:
    total, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        total |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return total
