"""One rig on one TCP port: listening and its connections.

Owns the socket. Power and faults are plug.py's, the rig's rules rig.py's; what the bytes mean is modbus.py's.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from simulators.device.plug import POWER_OFF_S, Host
from simulators.limits import BIND_RETRY_S, BIND_TRIES_MAX, CONNECTIONS_MAX
from simulators.modbus.connection import Connection

if TYPE_CHECKING:
    from simulators.device.rig import Rig

__all__ = ["POWER_OFF_S", "RigHost"]

_BACKLOG = 16


class RigHost(Host):
    """A rig of the Modbus half."""

    wire = "modbus"

    def __init__(self, rig: Rig, *, address: str = "127.0.0.1", port: int = 0, unit: int = 1, **more: Any) -> None:
        super().__init__(rig, **more)
        self.address = address
        self.port = port
        self.unit = unit
        self._server: asyncio.Server | None = None
        self._listened = False
        self._connection_limit = CONNECTIONS_MAX
        self._connections: set[Connection] = set()
        self._connections_made = 0

    def where(self) -> dict[str, Any]:
        """Address, port and unit."""
        return {"host": self.address, "port": self.port, "unit": self.unit}

    # ---- connections ----

    def opened(self, connection: Connection) -> int | None:
        """Count a connection in; None = too many."""
        if len(self._connections) >= self._connection_limit:
            return None
        self._connections.add(connection)
        self._connections_made += 1
        return self._connections_made

    def closed(self, connection: Connection) -> None:
        """Count it out."""
        self._connections.discard(connection)

    def limit_connections(self, count: int | None) -> None:
        """The `one-connection` fault."""
        self._connection_limit = CONNECTIONS_MAX if count is None else count

    def break_connection(self) -> None:
        """Reset them all."""
        for connection in tuple(self._connections):
            connection.reset()

    # ---- inside ----

    async def _appear(self) -> None:
        """Bind and listen; a port that somebody else holds for a moment is tried again."""
        for left in reversed(range(BIND_TRIES_MAX)):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((self.address, self.port))
            except OSError:
                sock.close()
                if not left or not self._listened:
                    raise  # at the start, a port in use is the user's to know at once
                await asyncio.sleep(BIND_RETRY_S)
                continue
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Connection(self), sock=sock, backlog=_BACKLOG)
            self.port = sock.getsockname()[1]
            self._listened = True
            break
        if self._refusing or not self.rig.powered:
            self._vanish()  # changed while the port was waited for

    def _vanish(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.break_connection()
