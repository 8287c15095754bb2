"""A rig whose board was replaced counts its boots from below: its records are asked for all the same."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from rig_profiles import v1

from device_adapters.contract import NotConnected, Position, RigStatus
from device_adapters.decoding.decode import Standing
from device_adapters.decoding.observed import Observer
from device_adapters.latching.latched import LatchedAdapter

if TYPE_CHECKING:
    from collections.abc import Collection

    from device_adapters.decoding.decode import Decoded

SERIAL = "LV-0001"


class NewBoard:
    """A memory that says which boots a record was asked for of, and then is gone."""

    tells_at_once = False
    connected = True
    connection = 1
    poll = v1().poll

    def __init__(self, boot: int, oldest_seq: int, last_seq: int) -> None:
        self.standing = Standing(boot, last_seq, oldest_seq, 0)
        self.asked: list[range] = []

    async def connect(self) -> None:
        """At once."""

    async def look(self, *, again: bool) -> tuple[RigStatus, Standing]:
        """The same always."""
        last = self.standing.last_seq
        return RigStatus(SERIAL, "idle", "exam", "", 0, 0, 0, 0, 0, last, 0, 0, 0, 0), self.standing

    async def fetch(self, seq: int, boot: int, floor: int) -> Decoded | None:
        """Note the boots that would do."""
        self.asked.append(range(floor, boot + 1))
        raise NotConnected("enough")

    async def wait(self, until: float) -> None:
        """A rig that says nothing by itself."""
        await asyncio.sleep(0)

    async def write_ready(self, counter: int, connection: int) -> None:
        """Nothing is left to write."""

    async def tell(self, seq: int, connection: int) -> None:
        """Nothing is stored."""

    def stray(self, following: int, holes: Collection[int], boot: int) -> None:
        """Nothing comes unasked."""

    def repeated(self) -> int:
        """Nothing came again."""
        return 0


async def follow(adapter: LatchedAdapter) -> None:
    """Read and acknowledge until the memory has enough."""
    while True:
        _, ack = await adapter.read()
        await ack()


@pytest.mark.parametrize(("oldest_seq", "last_seq"), [(1, 1), (10, 40)])
async def test_records_of_a_replaced_board_are_asked_for(oldest_seq: int, last_seq: int) -> None:
    """P2, G2: boot 2 after boot 5: some boot is allowed for its records; no boot at all would hold them for ever."""
    board = NewBoard(2, oldest_seq, last_seq)
    observer = Observer(SERIAL, "latched", "sensor")
    adapter = LatchedAdapter(board, observer, position=Position(5, 9), rng=random.Random(1))  # type: ignore[arg-type]
    await adapter.connect()
    async with asyncio.timeout(5):
        with pytest.raises(NotConnected, match="enough"):
            await follow(adapter)
    assert 2 in board.asked[0]
