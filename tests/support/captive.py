"""Somebody on the line who answers in the server's place: a captive portal, a TLS man in the middle, a poisoned name.

async with portal(HTML_200) as port:             # plain HTTP, whatever was said to it
async with middle(tls_context) as thief:         # ends TLS with its own certificate; what it got is `thief.heard`
Names({"box.example": 4711})                     # a resolver for aiohttp: no query leaves the machine
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


def page(status: str, body: str = "<html>Welcome to the hotel</html>", headers: str = "") -> bytes:
    """A whole HTTP answer."""
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {len(body)}\r\n{headers}\r\n{body}".encode()
    )


PORTALS = {
    "200": page("200 OK"),
    "302": page("302 Found", headers="location: http://portal.example/login\r\n"),
    "511": page("511 Network Authentication Required"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "banner": b"220 mail.example ESMTP\r\n",
    "nothing": b"",
}


class Listening:
    """What it heard, all connections together."""

    def __init__(self) -> None:
        self.port = 0
        self.heard = bytearray()
        self.connections = 0


@asynccontextmanager
async def answering(
    answer: Callable[[bytes], bytes], context: ssl.SSLContext | None = None
) -> AsyncIterator[Listening]:
    """Hears the first part of what each connection says, answers and closes."""
    listening = Listening()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listening.connections += 1
        with suppress(OSError, ssl.SSLError):
            part = await reader.read(1 << 16)
            listening.heard += part
            writer.write(answer(part))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    listening.port = server.sockets[0].getsockname()[1]
    try:
        yield listening
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def server_context(folder: Path, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A TLS server that asks for nothing, with `folder`'s certificate and no newer TLS than this."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "cert.key")
    context.maximum_version = newest
    return context


class Names(AbstractResolver):
    """Names as a test wants them: a port on loopback, NXDOMAIN, or no answer at all until `release`."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.asked = 0
        self.silent = False
        self.release = asyncio.Event()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        if self.silent:
            await self.release.wait()
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found: dict[str, Any] = {
            "hostname": host,
            "host": self.known[host],
            "port": port,
            "family": socket.AF_INET,
            "proto": 0,
            "flags": socket.AI_NUMERICHOST,
        }
        return [ResolveResult(**found)]

    async def close(self) -> None:
        self.release.set()
