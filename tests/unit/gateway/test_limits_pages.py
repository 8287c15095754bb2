"""The box's own pages: a program that opens them without end costs the box nothing that log and rigs need."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway_world import World

from gateway import limits

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_crowd_at_the_box_s_own_pages_is_bounded(tmp_path: Path) -> None:
    """P8, G11: one connection more than there may be is closed; when one leaves, the next is served."""
    async with World(tmp_path).gateway() as app:
        port = app.pages.port
        lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(limits.LOCAL_CONNECTIONS_MAX)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(10):
            assert await reader.read() == b"", "closed without a word"
        writer.close()
        assert await asked(*lines[0]) == b"HTTP/1.1 200 OK\r\n", "those inside are served"
        lines[0][1].close()
        async with asyncio.timeout(10):
            while not await comes_in(port):
                await asyncio.sleep(0.01)
        for _, each in lines[1:]:
            each.close()
            await each.wait_closed()


async def comes_in(port: int) -> bool:
    """Whether a new connection is served."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return bool(await asked(reader, writer))
    finally:
        writer.close()


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first line of the answer; nothing from a closed line."""
    writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    try:
        return await reader.readline()
    except ConnectionError:
        return b""
