"""One HTTP/1.1 connection of a rig, kept open from request to request. Written by hand: a PC program's few lines.

Owns: the socket. Whatever is not a whole, plain answer in time ends the connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.limits import PUSH_ANSWER_BYTES_MAX, PUSH_ANSWER_S

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

_STATUS_PARTS = 3


class LineBroken(Exception):  # noqa: N818 - what happened to it
    """No answer; what was asked may have been done or not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line:
    """`open`, then any number of `exchange`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    @classmethod
    async def open(cls, host: str, port: int, tls: ssl.SSLContext | None) -> Line:
        """Raises LineBroken."""
        try:
            async with asyncio.timeout(PUSH_ANSWER_S):
                reader, writer = await asyncio.open_connection(host, port, ssl=tls, limit=PUSH_ANSWER_BYTES_MAX)
        except (OSError, TimeoutError) as error:
            raise LineBroken(f"{host}:{port}: {error or 'no answer'}") from error
        return cls(reader, writer, f"{host}:{port}")

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """The request only. Raises LineBroken."""
        head = {"Host": self._host, **headers, "Content-Length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        try:
            self._writer.write("\r\n".join(lines).encode("ascii") + body)
            await self._writer.drain()
        except OSError as error:
            raise LineBroken(str(error)) from error

    async def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request and its answer. Raises LineBroken."""
        await self.send(method, path, headers, body)
        try:
            async with asyncio.timeout(PUSH_ANSWER_S):
                return await self._reply()
        except (OSError, ValueError, EOFError, TimeoutError) as error:
            self.close()
            raise LineBroken(str(error) or "no answer") from error

    def close(self) -> None:
        """At once."""
        self._writer.transport.abort()

    async def _reply(self) -> Reply:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        parts = head[0].split(" ", 2)
        if len(parts) < _STATUS_PARTS or not parts[0].startswith("HTTP/1."):
            raise ValueError("no HTTP answer")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= PUSH_ANSWER_BYTES_MAX:
            raise ValueError("an answer of no good length")
        return Reply(int(parts[1]), headers, await self._reader.readexactly(length))
