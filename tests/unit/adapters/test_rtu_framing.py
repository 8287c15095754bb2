"""RTU frames, byte for byte, against published ones (tests/vectors/modbus/rtu.toml)."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_bus import seal
from tree import ROOT

from device_adapters.language.spaces import COIL_ALONE, SPACES
from device_adapters.modbus.framing import RtuFraming, TcpFraming, is_sealed
from device_adapters.modbus.pdu import read_body, write_body

PAIRS = tomllib.loads((ROOT / "tests" / "vectors" / "modbus" / "rtu.toml").read_text())["pair"]
BAD = [(pair, bad) for pair in PAIRS for bad in pair["bad"]]
RTU = RtuFraming()


def test_requests_are_the_published_ones() -> None:
    """P4: unit, function, address, count, values, CRC low byte first."""
    read, write, coils, coil, set_coils = PAIRS
    assert RTU.request(17, read_body(0x6B, 3)) == bytes.fromhex(read["request"])
    assert RTU.request(17, write_body(1, [10, 0x102])) == bytes.fromhex(write["request"])
    assert RTU.request(17, read_body(SPACES["coils"] + 0x13, 37)) == bytes.fromhex(coils["request"])
    assert RTU.request(17, write_body(COIL_ALONE + 0xAC, [1])) == bytes.fromhex(coil["request"])
    bits = [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]
    assert RTU.request(17, write_body(SPACES["coils"] + 0x13, bits)) == bytes.fromhex(set_coils["request"])


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["name"])
def test_an_answer_is_accepted_at_every_byte_of_its_way(pair: dict[str, Any]) -> None:
    """P5: every beginning may go on, the end alone is whole."""
    request, reply = bytes.fromhex(pair["request"]), bytes.fromhex(pair["reply"])
    for refused in (reply, bytes((17, request[1] | 0x80, 2))):
        frame = refused if refused is reply else seal(refused)
        assert refused is reply or frame[-2:] == {3: b"\xc1\x34", 16: b"\xcc\x04"}.get(request[1], frame[-2:])
        assert [RTU.fault(request, frame[:end]) for end in range(len(frame) + 1)] == [None] * (len(frame) + 1)
        assert [RTU.whole(request, frame[:end]) for end in range(1, len(frame) + 1)] == [False] * (len(frame) - 1) + [
            True
        ]
        assert RTU.pdu(frame) == frame[1:-2]


@pytest.mark.parametrize(("pair", "bad"), BAD, ids=[f"{pair['name']}: {bad['why']}" for pair, bad in BAD])
def test_a_wrong_answer_is_refused_by_name(pair: dict[str, Any], bad: dict[str, str]) -> None:
    """P5, R5: and a whole refusal never looks like an answer at any later byte."""
    request, reply = bytes.fromhex(pair["request"]), bytes.fromhex(bad["reply"])
    assert RTU.fault(request, reply) == bad["why"]


@given(st.binary(max_size=40), st.integers(0, 12), st.integers(1, 255))
def test_only_a_sealed_frame_of_the_right_length_is_an_answer(noise: bytes, at: int, flip: int) -> None:
    """P5: one wrong byte anywhere, or anything before or behind, and it is none; no input raises."""
    request, reply = bytes.fromhex(PAIRS[0]["request"]), bytearray.fromhex(PAIRS[0]["reply"])
    RTU.fault(request, noise)
    if noise:
        assert RTU.fault(request, bytes(reply) + noise) is not None
    if at < len(reply):
        reply[at] ^= flip
        assert RTU.fault(request, bytes(reply)) is not None or not RTU.whole(request, bytes(reply))
        assert not is_sealed(bytes(reply))


def test_the_bridge_framing_never_uses_transaction_id_zero() -> None:
    """R5: a bridge that answers with id 0 answers nothing."""
    framing = TcpFraming()
    ids = {framing.request(3, read_body(0, 1))[:2] for _ in range(0x10000)}
    assert b"\0\0" not in ids
    assert len(ids) == 0xFFFF
