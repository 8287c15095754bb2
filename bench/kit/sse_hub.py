"""The yardstick of the live stream: the server's own TLS stack and HTTP protocol with the barest hub behind it.

python sse_hub.py TLS_FOLDER RATE BYTES      prints `ready people=PORT`, serves until SIGTERM

Every stream waits on one event and sends the same bytes; RATE events a second, BYTES each, never put together, each
with the microsecond of its making as `"heard_us":N`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from certs.contexts import people_server_context
from server.config import Address
from server.ingest.protocol import BoundedProtocol, listener_protocol
from server.listeners import listener

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HEADERS = [(b"content-type", b"text/event-stream")]


class Hub:
    """The newest event, and who waits for the next."""

    def __init__(self, rate: float, length: int) -> None:
        self._rate = rate
        self._length = length
        self._grown = asyncio.Event()
        self._chunk = b""

    async def make(self) -> None:
        """One event after the other, for ever."""
        due = time.monotonic()
        while True:
            due += 1 / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            head = b'event: row\ndata: {"heard_us":%d,"pad":"' % (time.time_ns() // 1000)
            self._chunk = head.ljust(self._length - 4, b"x") + b'"}\n\n'
            grown, self._grown = self._grown, asyncio.Event()
            grown.set()

    async def serve(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """One stream, until its connection is cut."""
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        while True:
            await self._grown.wait()
            await send({"type": "http.response.body", "body": self._chunk, "more_body": True})


async def serve(tls: Path, rate: float, length: int) -> None:
    """Until SIGTERM."""
    hub = Hub(rate, length)
    context = people_server_context(tls / "cert.pem", tls / "cert.key")
    made = listener(hub.serve, Address("127.0.0.1", 0), listener_protocol(BoundedProtocol), context)
    making = asyncio.ensure_future(hub.make())
    serving = asyncio.ensure_future(made.serve())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while not made.started:  # noqa: ASYNC110  # as the server waits for its own
        await asyncio.sleep(0.01)
    print(f"ready people={made.port}", flush=True)
    await stop.wait()
    making.cancel()
    serving.cancel()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
