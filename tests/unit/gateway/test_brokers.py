"""One broker's supervision: said once, never given up; and what its identity files must be."""

from __future__ import annotations

import asyncio
import random
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import structlog
from fake_clock import FakeClock

from device_adapters.mqtt.connection import Account
from gateway import limits
from gateway.commands import status_text
from gateway.errors import ConfigError
from gateway.settings.config import BrokerConfig
from gateway.supervising.brokers import BrokerLink, account

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = BrokerConfig("main", "localhost", 1883, "5", None, None, None, "", None)


class CountingClock(FakeClock):
    """Sleeps no longer than a turn of the loop, and remembers how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


async def test_a_broker_that_is_not_there_is_said_once_and_tried_for_ever() -> None:
    """P2, P8: growing, capped pauses; one line in the log; no try is the last."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clock = CountingClock()
    link = BrokerLink("main", Account("127.0.0.1", port, "5", "kaofen-gw-gw-01"), clock, random.Random(7))
    assert link.said() == {"id": "main", "state": "connecting"}
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(link.run())
        async with asyncio.timeout(20):
            while len(clock.pauses) < 12:
                await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert [line["event"] for line in lines] == ["broker offline"]
    assert max(clock.pauses) <= limits.RIG_BACKOFF_CAP_S
    assert link.said() == {"id": "main", "state": "down"}, "for the heartbeat, without the reason"
    said = link.to_json()
    assert (said["id"], said["online"]) == ("main", False)
    assert "refused" in said["reason"].lower()


def test_the_identity_is_the_gateways(tmp_path: Path) -> None:
    """Client id by the gateway's id; the password from its file, without the line's end, and in no representation."""
    file = tmp_path / "password"
    file.write_text("s3cret word\n")
    file.chmod(0o600)
    made = account(replace(PLAIN, username="kaofen-gw-gw-01", password_file=file), "gw-01")
    assert (made.client_id, made.username, made.password) == ("kaofen-gw-gw-01", "kaofen-gw-gw-01", "s3cret word")
    assert "s3cret" not in repr(made)


def test_unusable_identity_files_are_said_by_name(tmp_path: Path) -> None:
    """Before anything is connected: which file of which broker, and what to do."""
    file = tmp_path / "password"
    with pytest.raises(ConfigError, match=r"main password_file .*No such file"):
        account(replace(PLAIN, username="a", password_file=file), "gw-01")
    file.write_text("x")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read it; chmod 600"):
        account(replace(PLAIN, username="a", password_file=file), "gw-01")
    with pytest.raises(ConfigError, match="main: ca, certificate or key is not usable"):
        account(replace(PLAIN, ca=file), "gw-01")


def test_status_names_a_broker_that_is_away_with_its_reason() -> None:
    """docs/gateway.md: network, broker or password, `status` has the reason; a good broker is no line."""
    brokers = [
        {"id": "main", "online": False, "reason": "broker: Not authorized"},
        {"id": "two", "online": True, "reason": ""},
    ]
    said = status_text(
        {"running": True, "origin": "o", "size": 1, "receipted": 1, "unsent": 0, "rigs": [], "brokers": brokers}
    )
    assert "broker main: offline, Not authorized" in said.splitlines()
    assert "two" not in said
