"""A broker on the faster loop, as after a reload that brought the first one: its death is noticed there, too (P6)."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest
from gateway_world import World, config_text
from slow_broker import SlowBroker

from device_adapters.errors import NotConnected
from device_adapters.language.shape import INTERFACE_V1
from device_adapters.limits import BROKER_KEEPALIVE_S
from device_adapters.messages.mailbox import Mailbox
from device_adapters.mqtt.connection import Account, Broker

if TYPE_CHECKING:
    from pathlib import Path

uvloop = pytest.importorskip("uvloop")
BROKER = """
[[broker]]
id = "main"
host = "127.0.0.1"
port = {port}
protocol = "3.1.1"
[[rig]]
serial = "CP-0001"
station = "A-01"
profile = "kaofen-interface-v1-mqtt"
broker = "main"
source = "simulator"
"""
RESET = struct.pack("ii", 1, 0)


class WiredWorld(World):
    """With real lines."""

    wired = True


@pytest.mark.parametrize("factory", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("watched", [True, False], ids=["watched", "not watched by the loop"])
def test_a_reset_connection_ends_long_before_the_keep_alive(factory: object, watched: bool) -> None:
    """P6, R6: even where the loop stopped watching the socket; the library alone would wait for its keep-alive."""

    async def work() -> float:
        real, up = SlowBroker(), asyncio.Event()
        await real.start()
        broker = Broker(Account("127.0.0.1", real.port, "3.1.1", "kaofen-gw-test"))
        broker.join(Mailbox("CP-0001", INTERFACE_V1))
        holding = asyncio.create_task(broker.hold(up.set))
        try:
            async with asyncio.timeout(20):
                await up.wait()
                assert broker._client is not None
                if not watched:
                    asyncio.get_running_loop().remove_reader(broker._client._client.socket())
                (writer,) = real._writers
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
                began = time.monotonic()
                with pytest.raises(NotConnected):
                    await holding
                return time.monotonic() - began
        finally:
            holding.cancel()
            await real.close()

    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        assert runner.run(work()) < BROKER_KEEPALIVE_S / 2


async def test_the_first_broker_of_a_box_comes_by_a_reload(tmp_path: Path) -> None:
    """P8: no new start; what is there already is not touched."""
    real, world = SlowBroker(), WiredWorld(tmp_path, ())
    await real.start()
    try:
        async with world.gateway() as app:
            world.configure(config_text([], world.server) + BROKER.format(port=real.port))
            app.request_reload()
            async with asyncio.timeout(20):
                while not [one for one in app.status()["brokers"] if one["online"]]:
                    await asyncio.sleep(0.01)
            assert app.status()["configuration"]["refused"] is None
            assert [one["rig"] for one in app.status()["rigs"]] == ["CP-0001"]
    finally:
        await real.close()
    assert world.exit_code == 0
