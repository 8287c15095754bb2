"""Why a rig over TCP may be silent to a tool: it allows one connection, and a gateway has it (K6).

Owns: the words beside such a failure, and the count of this machine's other connections to the rig. Changes no
request; a rig that answers is not looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from device_adapters.errors import NotConnected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_adapters.modbus.wire import Wire

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED: Final = "01"
_LOOPBACK: Final = "127.0.0.1"


class CrowdedWire:
    """See `wire.Wire`. The same wire; its failures say what else could be the reason."""

    def __init__(self, wire: Wire, host: str, port: int) -> None:
        self._wire = wire
        self._host = host
        self._port = port
        self._answered = False

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._wire.connected

    @property
    def connection(self) -> int:
        """Number of the connection."""
        return self._wire.connection

    async def connect(self) -> None:
        """Close the old connection, open a new one."""
        try:
            await self._wire.connect()
        except NotConnected as error:
            raise await self._explained(error) from None

    async def read(self, at: int, words: int) -> bytes:
        """`words` holding registers from `at`."""
        try:
            reply = await self._wire.read(at, words)
        except NotConnected as error:
            raise await self._explained(error) from None
        self._answered = True
        return reply

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        """Write on this very connection."""
        try:
            await self._wire.write(at, values, connection)
        except NotConnected as error:
            raise await self._explained(error) from None

    def drop(self) -> None:
        """Close at once."""
        self._wire.drop()

    async def _explained(self, error: NotConnected) -> NotConnected:
        await asyncio.sleep(0)  # a socket that was dropped is closed in the loop's next turn: it is none of the others
        others = connections_to(self._host, self._port) if not self._wire.connected else 0
        if others:
            return NotConnected(
                f"{error.reason}; 本机已有 {others} 个连接占用该设备，它可能只允许一个（K6），请先停用网关对它的读取 "
                f"this machine has {others} connection{'s' if others > 1 else ''} to it already (a gateway?), and it "
                "may allow one only: stop that first",
                error.held_s,
            )
        if self._wire.connection and not self._answered:
            return NotConnected(
                f"{error.reason}; 若网关正在读取该设备，它可能只允许一个连接（K6） "
                "if a gateway reads it now, it may allow one connection only",
                error.held_s,
            )
        return error


def connections_to(host: str, port: int) -> int:
    """Established connections of this machine to there; 0 where that cannot be told."""
    try:
        there = ipaddress.ip_address(_LOOPBACK if host == "localhost" else host)
    except ValueError:
        return 0
    wanted = _as_in_table(there, port)
    return sum(line.split()[2:4] == [wanted, _ESTABLISHED] for table in _TABLES for line in _lines(table))


def _lines(table: Path) -> list[str]:
    try:
        return table.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, UnicodeDecodeError):
        return []


def _as_in_table(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    """Each 32 bits as the kernel has them in memory."""
    packed = address.packed
    words = (packed[at : at + 4][::-1].hex() for at in range(0, len(packed), 4))
    return f"{''.join(words)}:{port:04x}".upper()
