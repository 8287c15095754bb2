"""A simulated rig at a broker, in haste, for tests: what M6 calls five seconds is half a second here."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from sim_parts import rubric

from simulators.device.clock import FleetTime
from simulators.device.rig import Rig
from simulators.mqtt.broker import Broker
from simulators.mqtt.host import MqttHost
from simulators.mqtt.payloads import MessageWire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sim_gateway import SimGateway

SERIAL = "CP-0001"
HASTE = 10  # rigs in here count ten seconds where one passes


class HastyTime(FleetTime):
    """Bus time in haste, so that M6's five seconds are half a second."""

    def bus_us(self) -> int:
        return super().bus_us() * HASTE

    async def sleep_bus(self, seconds: float) -> None:
        await asyncio.sleep(seconds / HASTE)


@contextlib.asynccontextmanager
async def rig_at(port: int, protocol: str = "5", *, seed: int = 0) -> AsyncIterator[MqttHost]:
    """A manikin with power."""
    host = MqttHost(
        Rig(SERIAL, rubric(), HastyTime(), wire=MessageWire()), Broker("127.0.0.1", port, protocol), seed=seed
    )
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


async def until(condition: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, what or condition
        await asyncio.sleep(0.01)


def whole_exam(rig: Rig, ticket: str = "S20261123-0001") -> None:
    """Five records."""
    rig.open_exam(ticket)
    rig.start_item("K42")
    rig.deduct(3, 250)
    rig.finish_item()
    rig.close_exam()


def last_status(gateway: SimGateway) -> dict[str, Any]:
    return gateway.statuses[-1][1] if gateway.statuses else {}
