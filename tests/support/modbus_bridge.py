"""A bridge as they are sold: Modbus TCP on one side, a scripted RTU bus on the other; several units, one connection."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from scripted_bus import seal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scripted_bus import ScriptedBus

TARGET_LOST = 11


class ModbusBridge:
    """Answers exception 11 for a unit that is silent."""

    def __init__(self, copper: ScriptedBus) -> None:
        self._copper = copper

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        """On a port of its own."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            self._copper.cut()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._copper.hang_on(writer.transport)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:6], "big"))
                frame = b"".join(step for step in self._copper.steps(seal(body)) if isinstance(step, bytes))
                reply = frame[:-2] or bytes((body[0], body[1] | 0x80, TARGET_LOST))
                writer.write(head[:4] + len(reply).to_bytes(2, "big") + reply)
        writer.transport.abort()
        with suppress(Exception):
            await writer.wait_closed()
