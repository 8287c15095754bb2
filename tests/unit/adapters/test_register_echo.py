"""The handshake `echo`: what was written is read back, and only the same number there says that the rig was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rig_profiles import V1_TEXT

from device_adapters.errors import BackOff, NotConnected
from device_adapters.language.profile import load_profile
from device_adapters.modbus.registers import RegisterMemory
from device_adapters.modbus.wire import ExceptionReply, OddReply

if TYPE_CHECKING:
    from collections.abc import Sequence

ECHO = load_profile(V1_TEXT.replace(b'kind = "sequence"\nack', b'kind = "echo"\nack'))


class FakeWire:
    """Three registers from 100 on. `stuck`: writing is acknowledged, and changes nothing. `trouble`: reading fails."""

    connected, connection = True, 1

    def __init__(self, *, stuck: bool = False, trouble: Exception | None = None) -> None:
        self.words, self.stuck, self.trouble = bytes(6), stuck, trouble

    async def connect(self) -> None:
        raise AssertionError("nobody asked for a new connection")

    def drop(self) -> None:
        raise AssertionError("nobody asked for it")

    async def read(self, at: int, words: int) -> bytes:
        if self.trouble is not None:
            raise self.trouble
        return self.words[(at - 100) * 2 :][: words * 2]

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        assert connection == self.connection
        if not self.stuck:
            start = (at - 100) * 2
            data = b"".join(value.to_bytes(2, "big") for value in values)
            self.words = self.words[:start] + data + self.words[start + len(data) :]


async def test_a_number_that_stays_was_taken() -> None:
    """P1's other half: after the entry is durable the rig is told, and has heard it."""
    wire = FakeWire()
    await RegisterMemory(ECHO, wire, "LV-0001").tell(0x12345, 1)
    assert wire.words == bytes.fromhex("0001 2345 0000")


async def test_a_number_that_does_not_stay_is_told_again() -> None:
    """A write that is confirmed and not kept leaves the rig holding the record: the adapter tells it again."""
    with pytest.raises(BackOff, match="did not stay"):
        await RegisterMemory(ECHO, FakeWire(stuck=True), "LV-0001").tell(7, 1)


@pytest.mark.parametrize(
    ("trouble", "becomes"),
    [(OddReply("wrong unit", b""), NotConnected), (ExceptionReply(2, "exception 2", b""), BackOff)],
    ids=["odd", "exception"],
)
async def test_reading_back_fails_like_any_request(trouble: Exception, becomes: type[Exception]) -> None:
    """Only the contract's errors leave the adapter."""
    with pytest.raises(becomes):
        await RegisterMemory(ECHO, FakeWire(trouble=trouble), "LV-0001").tell(7, 1)
