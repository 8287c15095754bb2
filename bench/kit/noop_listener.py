"""The yardstick of the listener: the server's own TLS stack and HTTP protocol with a handler that does nothing.

python noop_listener.py TLS_FOLDER      prints `ready gateways=PORT`, serves until SIGTERM
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from certs.contexts import gateway_server_context
from server.config import Address
from server.ingest.protocol import IdentifiedProtocol, listener_protocol
from server.listeners import listener

if TYPE_CHECKING:
    from server.ingest.routes import Receive, Scope, Send

BODY = b"x" * 130  # as long as a cosignature line


async def nothing(_scope: Scope, receive: Receive, send: Send) -> None:
    """Read the whole body, answer."""
    while (await receive()).get("more_body", False):
        pass
    headers = [(b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


async def serve(tls: Path) -> None:
    """Until SIGTERM."""
    context = gateway_server_context(tls / "cert.pem", tls / "cert.key", tls / "ca.pem")
    made = listener(nothing, Address("127.0.0.1", 0), listener_protocol(IdentifiedProtocol), context)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, made.stop)
    serving = asyncio.ensure_future(made.serve())
    while not made.started:  # noqa: ASYNC110  # as the server waits for its own
        await asyncio.sleep(0.01)
    print(f"ready gateways={made.port}", flush=True)
    await serving


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
