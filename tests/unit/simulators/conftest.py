"""A real broker for the rigs that speak MQTT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from plain_mosquitto import PlainMosquitto, plain_mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[PlainMosquitto]:
    """Mosquitto with the test's own folder."""
    with plain_mosquitto(tmp_path) as broker:
        yield broker
