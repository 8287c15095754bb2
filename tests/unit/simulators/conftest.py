"""The other end of a rig: a real broker, or one Modbus connection to the test's own `host`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from modbus_probe import ModbusProbe
from plain_mosquitto import PlainMosquitto, plain_mosquitto

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from simulators.modbus.host import RigHost


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[PlainMosquitto]:
    """Mosquitto with the test's own folder."""
    with plain_mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
async def probe(host: RigHost) -> AsyncIterator[ModbusProbe]:
    """One connection to it."""
    async with ModbusProbe(host.address, host.port) as probe:
        yield probe
