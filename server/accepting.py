"""Who may connect at all: connections are accepted here, one by one, and their TLS handshakes counted.

    accept ─▶ a descriptor is left? ─▶ handshakes: of this address, of all ─▶ TLS ─▶ the listener's protocol
                     └ no                         └ too many: closed at once, said once a minute

1. A handshake costs most of what a connection costs, and one that is never finished holds its place for
   TLS_HANDSHAKE_S. So handshakes have places of their own: one address cannot take those of everybody else, and
   connections that stand are not touched.
2. The last descriptors of the process stay for databases and files (DESCRIPTORS_KEPT): a connection that would take one
   of them is closed at once. Without any left, accepting rests for ACCEPT_AGAIN_S and goes on by itself.

Never reads a byte of HTTP. Spec: docs/limits.md; reliability.md B20, G11.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from server import limits

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

log = structlog.get_logger()


class Accepting:
    """One listener's sockets; what uvicorn expects of an `asyncio.Server`."""

    def __init__(
        self,
        sockets: list[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        *,
        per_address: int = limits.HANDSHAKES_PER_PEER_MAX,
    ) -> None:
        self.sockets = sockets
        self._protocol = protocol
        self._tls = tls
        self._per_address = per_address
        self._shaking: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: dict[str, float] = {}
        self._lines = [asyncio.create_task(self._accept(each), name="accept") for each in sockets]

    def close(self) -> None:
        """Accept nothing more; handshakes under way end here, connections that stand go on."""
        for task in (*self._lines, *self._tasks):
            task.cancel()

    async def wait_closed(self) -> None:
        """Until everything of it is closed."""
        await asyncio.gather(*self._lines, *self._tasks, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.closing(listening):
            while True:
                try:
                    connection, peer = await loop.sock_accept(listening)
                except ConnectionError:  # that one has gone again
                    continue
                except OSError as error:  # no descriptor or no memory is left: never ask again and again at once
                    self._say("nothing left to accept with", "", error=error.strerror or str(error))
                    await asyncio.sleep(limits.ACCEPT_AGAIN_S)
                    continue
                self._take(connection, str(peer[0]) if isinstance(peer, tuple) and peer else "")
                await asyncio.sleep(0)  # a crowd at the door does not keep those inside from their turn

    def _take(self, connection: socket.socket, address: str) -> None:
        if why := self._refused(connection, address):
            self._say(why, address)
            connection.close()
            return
        self._shaking[address] += 1
        task = asyncio.create_task(self._shake(connection, address), name="handshake")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refused(self, connection: socket.socket, address: str) -> str | None:
        # The kernel hands out the lowest number that is free: so many are in use.
        if connection.fileno() >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - limits.DESCRIPTORS_KEPT:
            return "too few descriptors left for a connection"
        if self._tls is None:
            return None
        if self._shaking[address] >= self._per_address:
            return "too many handshakes of one address"
        if self._shaking.total() >= limits.HANDSHAKES_MAX:
            return "too many handshakes"
        return None

    async def _shake(self, connection: socket.socket, address: str) -> None:
        """Until the connection stands; a peer that cannot or will not is the peer's business."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=limits.TLS_HANDSHAKE_S if self._tls else None,
            )
        except (OSError, asyncio.CancelledError):  # ssl.SSLError and timeouts among them
            connection.close()
        finally:
            self._shaking[address] -= 1
            if not self._shaking[address]:
                del self._shaking[address]

    def _say(self, what: str, address: str, **more: str) -> None:
        """Once a minute each: whoever floods a door shall not flood the log."""
        now = time.monotonic()
        if now - self._said.get(what, -limits.REFUSALS_SAID_EVERY_S) >= limits.REFUSALS_SAID_EVERY_S:
            self._said[what] = now
            log.warning("connection refused", reason=what, address=address, handshakes=self._shaking.total(), **more)


async def bound(host: str | None, port: int, backlog: int) -> list[socket.socket]:
    """Listening sockets for every address of the host. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listening = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
            sockets.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
            listening.listen(backlog)
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets
