"""A line in between that counts bytes, both ways, as they stand on the socket: HTTP and TLS included."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PIECE: Final = 64 << 10


class Counter:
    """What went through so far."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.up = 0
        self.down = 0

    def take(self) -> tuple[int, int]:
        """(up, down) since the last take."""
        taken = self.up, self.down
        self.up = self.down = 0
        return taken

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        back = asyncio.ensure_future(self._pipe(far_reader, writer, "down"))
        await self._pipe(reader, far_writer, "up")
        await back

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE):
                setattr(self, way, getattr(self, way) + len(piece))
                writer.write(piece)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def counting(target: int) -> AsyncIterator[tuple[int, Counter]]:
    """(port, counter) of a line to a port of loopback."""
    counter = Counter(target)
    server = await asyncio.start_server(counter.join, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], counter
