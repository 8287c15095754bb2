"""The listeners: uvicorn servers that run side by side in one process and stop when they are told, not by signals.

Owns TLS contexts of listeners and how long a handshake and a stop may take. Never knows what the applications answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import uvicorn

from server import limits
from server.errors import ConfigError
from server.ingest.protocol import BoundedProtocol, listener_protocol

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Generator

    from server.config import Address


class Listener(uvicorn.Server):
    """One uvicorn server; `app.py` owns the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Several servers live here: none of them may take the process's signals."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, but with a deadline for the TLS handshake, which it does not pass on."""
        if sockets is not None:
            raise ValueError("listeners open their own sockets")
        await self.lifespan.startup()
        config = self.config
        try:
            server = await asyncio.get_running_loop().create_server(
                self._protocol,
                host=config.host,
                port=config.port,
                ssl=config.ssl,
                backlog=config.backlog,
                ssl_handshake_timeout=limits.TLS_HANDSHAKE_S if config.ssl else None,
            )
        except OSError as error:
            raise ConfigError(f"cannot listen on {config.host}:{config.port}: {error.strerror or error}") from error
        self.servers: list[asyncio.Server] = [server]
        self.started = True

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Accept nothing more and let what runs end."""
        self.should_exit = True


def listener(app: Any, address: Address, protocol: type[BoundedProtocol], tls: ssl.SSLContext | None) -> Listener:
    """A listener that is not running yet."""
    config = uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        http=listener_protocol(protocol),
        ws="none",
        lifespan="off",
        interface="asgi3",
        ssl_context_factory=(lambda _config, _default: tls) if tls else None,
        timeout_keep_alive=limits.KEEP_ALIVE_S,
        timeout_graceful_shutdown=limits.SHUTDOWN_GRACE_S,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=limits.BACKLOG,
    )
    return Listener(config)
