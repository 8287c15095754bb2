"""The listeners: uvicorn servers that run side by side in one process and stop when they are told, not by signals.

Owns TLS contexts of listeners and how long a handshake and a stop may take. Never knows what the applications answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from server import limits
from server.accepting import Accepting, bound
from server.config import Address
from server.errors import ConfigError

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Generator

    from server.ingest.protocol import BoundedProtocol


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
        self.servers: list[asyncio.Server | Accepting] = [await self._bind()]  # type: ignore[assignment]  # its like
        self.started = True

    async def _bind(self) -> asyncio.Server | Accepting:
        config, loop = self.config, asyncio.get_running_loop()
        try:
            if config.uds is not None:
                server = await loop.create_unix_server(self._protocol, config.uds)
                Path(config.uds).chmod(0o600)  # noqa: ASYNC240  # one call; its folder is 0700 anyway
                return server
            sockets = await bound(config.host, config.port, config.backlog)
        except OSError as error:
            place = config.uds or f"{config.host}:{config.port}"
            raise ConfigError(f"cannot listen on {place}: {error.strerror or error}") from error
        each = getattr(config.http_protocol_class, "connections_per_peer", limits.CONNECTIONS_PER_PEER_MAX)
        return Accepting(sockets, self._protocol, config.ssl, per_address=max(1, each // 2))

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @property
    def port(self) -> int:
        """The port that it listens on, 0 for a Unix socket."""
        name = self.servers[0].sockets[0].getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0

    def stop(self) -> None:
        """Accept nothing more and let what runs end."""
        self.should_exit = True


def raise_descriptors() -> int:
    """As many descriptors as full listeners need, or as many as the service may have; how many there are now.

    With the 1,024 of most systems strangers' half-open handshakes would leave none for the database long before any
    cap on connections is reached, and a database that cannot open a file ends the process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.DESCRIPTORS if hard == resource.RLIM_INFINITY else min(limits.DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft


def listener(
    app: Any, address: Address | Path, protocol: type[BoundedProtocol], tls: ssl.SSLContext | None = None
) -> Listener:
    """A listener that is not running yet; on a path it is a Unix socket."""
    config = uvicorn.Config(
        app,
        host=address.host if isinstance(address, Address) else "",
        port=address.port if isinstance(address, Address) else 0,
        uds=str(address) if isinstance(address, Path) else None,
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        ssl_context_factory=(lambda _config, _default: tls) if tls else None,
        timeout_keep_alive=limits.KEEP_ALIVE_S,
        timeout_graceful_shutdown=limits.SHUTDOWN_GRACE_S,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,  # kaofen-gateway doctor compares the clocks by it
        proxy_headers=False,
        backlog=limits.BACKLOG,
    )
    return Listener(config)
