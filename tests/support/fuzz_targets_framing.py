"""Fuzz targets of what answers a Modbus request: the frames of a bus and those of a socket.

The first byte says which request was sent, the rest is what came. The law besides: what is taken as the answer proves
unit, function and length, and every beginning of it could still have become it; a fault never heals with more bytes.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from fuzz_targets import Target
from tree import ROOT

from device_adapters.modbus.framing import Framing, RtuFraming, TcpFraming, is_sealed, sealed

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

PAIRS = tomllib.loads((ROOT / "tests" / "vectors" / "modbus" / "rtu.toml").read_text("utf-8"))["pair"]
UNIT, CRC, EXCEPTION = 17, 2, 0x80
BEGINNINGS = 24  # so many beginnings of what came are looked at, and all of it
RTU, TCP = RtuFraming(), TcpFraming()
RTU_REQUESTS = [bytes.fromhex(pair["request"]) for pair in PAIRS]
TCP_REQUESTS = [TCP.request(UNIT, request[1:-CRC]) for request in RTU_REQUESTS]


class NoAnswerError(Exception):
    """Why these bytes are not the answer, or that more must come."""


def parse_rtu(data: bytes) -> bytes:
    """What the answer carries."""
    answer, request, pdu = _answered(RTU, RTU_REQUESTS, data)
    assert is_sealed(answer)
    assert answer[0] == request[0]
    assert pdu[0] & ~EXCEPTION == request[1]
    return pdu


def parse_tcp(data: bytes) -> bytes:
    """What the answer carries."""
    answer, request, pdu = _answered(TCP, TCP_REQUESTS, data)
    assert (answer[:4], answer[6]) == (request[:4], request[6])
    assert int.from_bytes(answer[4:6], "big") == len(answer) - 6
    assert pdu[0] & ~EXCEPTION == request[7]
    return pdu


def _answered(framing: Framing, requests: list[bytes], data: bytes) -> tuple[bytes, bytes, bytes]:
    request, received = requests[(data[0] if data else 0) % len(requests)], data[1:]
    if not received:
        raise NoAnswerError("nothing came")
    ends = [*range(1, min(BEGINNINGS, len(received))), len(received)]
    faults = [framing.fault(request, received[:end]) for end in ends]
    first = next((at for at, fault in enumerate(faults) if fault is not None), len(faults))
    assert None not in faults[first:], "a fault healed"
    if faults[-1] is not None:
        raise NoAnswerError(faults[-1])
    whole = [framing.whole(request, received[:end]) for end in ends]
    assert True not in whole[:-1], "whole before its end"
    if not whole[-1]:
        raise NoAnswerError("more must come")
    assert len(received) <= framing.expected(request)
    return received, request, framing.pdu(received)


def _rtu_seeds() -> list[bytes]:
    said = [
        (n, text) for n, pair in enumerate(PAIRS) for text in (pair["reply"], *(bad["reply"] for bad in pair["bad"]))
    ]
    refused = [bytes((n,)) + sealed(bytes((UNIT, request[1] | EXCEPTION, 2))) for n, request in enumerate(RTU_REQUESTS)]
    return [bytes((n,)) + bytes.fromhex(text) for n, text in said] + refused


def _tcp_seeds() -> list[bytes]:
    made: list[bytes] = []
    for n, (pair, request) in enumerate(zip(PAIRS, TCP_REQUESTS, strict=True)):
        pdus = (bytes.fromhex(pair["reply"])[1:-CRC], bytes((request[7] | EXCEPTION, 6)))
        head = bytes((n,)) + request[:4]
        made += [head + (1 + len(pdu)).to_bytes(2, "big") + request[6:7] + pdu for pdu in pdus]
    return made


def _seal_again(_: random.Random, data: bytes, mutate: Callable[[bytes], bytes]) -> bytes:
    """A changed frame whose checksum fits."""
    return data[:1] + sealed(mutate(data[1:-CRC]))


def _measure_again(_: random.Random, data: bytes, mutate: Callable[[bytes], bytes]) -> bytes:
    """A changed frame whose length fits."""
    body = mutate(data[7:])
    return data[:5] + (len(body) & 0xFFFF).to_bytes(2, "big") + body


TARGETS = [
    Target(
        name="rtu-answer",
        parse=parse_rtu,
        refusals=(NoAnswerError,),
        encode=None,
        seeds=_rtu_seeds,
        tokens=(b"\x11\x03", b"\x11\x83", b"\xff", bytes(4)),
        reshape=_seal_again,
        slow=4,
    ),
    Target(
        name="tcp-answer",
        parse=parse_tcp,
        refusals=(NoAnswerError,),
        encode=None,
        seeds=_tcp_seeds,
        tokens=(b"\0\x01\0\0", b"\0\0\0\x06", b"\x11\x03", b"\x83"),
        reshape=_measure_again,
    ),
]
