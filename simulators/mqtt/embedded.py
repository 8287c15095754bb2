"""A broker that needs nothing but Python packages (amqtt), for a demo on a machine without Mosquitto.

It speaks MQTT 3.1.1 only, lets everybody in and keeps nothing: what a session missed while it was away is gone. The
application acknowledgement makes up for all of it (M6); no product runs on it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

import typer

from simulators.errors import InputError
from simulators.running import catch_signals, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from amqtt.broker import Broker  # type: ignore[import-untyped]


class EmbeddedBroker:
    """One listener on loopback or where it is told."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.address = address
        self.port = port
        self._broker: Broker | None = None

    async def start(self) -> None:
        """Listen; `port` is the real one from here on."""
        try:
            from amqtt.broker import Broker  # noqa: PLC0415 - slow to import, and an optional part
            from amqtt.errors import BrokerError  # type: ignore[import-untyped]  # noqa: PLC0415
        except ModuleNotFoundError as missing:
            raise InputError(f"{missing.name} is not installed; it comes with `pip install '.[simulators]'`") from None

        logging.getLogger("transitions").setLevel(logging.ERROR)
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # every lost connection would be a traceback
        self.port = self.port or _free_port(self.address)
        self._broker = Broker(_config(self.address, self.port))
        try:
            await self._broker.start()
        except (BrokerError, OSError) as error:
            self._broker = None
            raise InputError(f"the broker cannot listen on {self.address}:{self.port}: {error}") from error

    async def stop(self) -> None:
        """Everybody is cut off."""
        if self._broker is not None:
            await self._broker.shutdown()
            self._broker = None


def _config(address: str, port: int) -> dict[str, Any]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"{address}:{port}", "max_connections": 0}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


def _free_port(address: str) -> int:
    """The library cannot say which port it took."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


async def serve_broker(address: str, port: int, ready: Path | None) -> int:
    """Until SIGTERM or SIGINT."""
    asyncio.get_running_loop().set_exception_handler(_quiet)
    broker, stopped = EmbeddedBroker(address, port), asyncio.Event()
    catch_signals(stopped)
    await broker.start()
    try:
        typer.echo(f"embedded broker (MQTT 3.1.1) at {broker.address}:{broker.port}; it keeps nothing")
        if ready is not None:
            write_whole(ready, {"host": broker.address, "port": broker.port, "protocol": "3.1.1"})
        await stopped.wait()
    finally:
        await broker.stop()
    return 0


def _quiet(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """The library leaves the exceptions of lost clients in tasks that nobody waits for."""
