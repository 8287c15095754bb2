"""What is said of a broker that went away: the words that an installer reads in `status` and in the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from device_adapters.errors import NotConnected
from device_adapters.mqtt.connection import Account, Broker

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

ACCEPTED = {"5": b"\x20\x03\x00\x00\x00", "3.1.1": b"\x20\x02\x00\x00"}
NOT_AUTHORIZED = {"5": b"\x20\x03\x00\x87\x00", "3.1.1": b"\x20\x02\x00\x05"}


async def reason(protocol: str, connack: bytes) -> str:
    """Of a broker that answers CONNECT so and, once the connection stands, hangs up."""
    up = asyncio.Event()

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(4096)
        writer.write(connack)
        await writer.drain()
        if connack == ACCEPTED[protocol]:
            await up.wait()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, asyncio.timeout(20):
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotConnected) as caught:
            await Broker(Account("127.0.0.1", port, protocol, "kaofen-gw-gw-01")).hold(up.set)
    return caught.value.reason


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_broker_that_hangs_up_is_no_unspecified_error(protocol: str) -> None:
    """P6: "Unspecified error" is a word of the library, and no broker said it."""
    said = await reason(protocol, ACCEPTED[protocol])
    assert "Unspecified" not in said
    assert "[code:128]" not in said
    assert said == "the connection to the broker broke"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_refusal_is_in_the_broker_s_words(protocol: str) -> None:
    """Whether name and password are wrong is what has to be known at the box."""
    assert "not authori" in (await reason(protocol, NOT_AUTHORIZED[protocol])).lower()
