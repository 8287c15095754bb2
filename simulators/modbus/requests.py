"""Modbus, the server's half: request PDU to reply PDU, functions 1 to 6, 15 and 16 (Application Protocol V1.1b3).

Pure apart from the rig it is given; the socket is in host.py. Written here and not taken from a library, so that
both ends of the wire never share an encoder.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from simulators.device.registers import (
    DEVICE_FAILURE,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    READ_COILS,
    READ_DISCRETE,
    READ_HOLDING,
    READ_INPUT,
    WRITE_COIL,
    WRITE_COILS,
)
from simulators.errors import ModbusRefusal
from simulators.limits import BITS_MAX, READ_WORDS_MAX, WRITE_WORDS_MAX

if TYPE_CHECKING:
    from simulators.device.registers import Panel
    from simulators.device.rig import Rig

WRITE_ONE = 6
WRITE_MANY = 16
EXCEPTION_BIT = 0x80
_COIL = {0xFF00: 1, 0: 0}

HEADER = struct.Struct(">3HB")  # transaction, protocol, length, unit
_TWO = struct.Struct(">BHH")
_WRITE_HEAD = struct.Struct(">BHHB")


def answer(rig: Rig, pdu: bytes) -> bytes:
    """The reply to one request; a refusal is an exception reply."""
    if not rig.powered:
        return exception(pdu[0], DEVICE_FAILURE)  # the moment between the cut and the end of the connection
    work = _FUNCTIONS.get(pdu[0])
    if work is None:
        return exception(pdu[0], ILLEGAL_FUNCTION)
    try:
        return work(rig, pdu)
    except ModbusRefusal as refusal:
        return exception(pdu[0], refusal.code)


def exception(function: int, code: int) -> bytes:
    """An exception reply."""
    return bytes(((function | EXCEPTION_BIT) & 0xFF, code))


def read_request(pdu: bytes) -> tuple[int, int] | None:
    """Address and count of a read request, None for any other."""
    if len(pdu) != _TWO.size or pdu[0] not in {READ_HOLDING, READ_INPUT}:
        return None
    _, address, count = _TWO.unpack(pdu)
    return address, count


def read_reply(words: bytes, function: int = READ_HOLDING) -> bytes:
    """The reply to a read."""
    return bytes((function, len(words))) + words


def _read(rig: Rig, pdu: bytes) -> bytes:
    if len(pdu) != _TWO.size:
        raise ModbusRefusal(ILLEGAL_VALUE)
    function, address, count = _TWO.unpack(pdu)
    if function not in rig.registers.reads:
        raise ModbusRefusal(ILLEGAL_FUNCTION)
    if not 1 <= count <= READ_WORDS_MAX:
        raise ModbusRefusal(ILLEGAL_VALUE)
    return read_reply(rig.registers.read(rig, address, count, function), function)


def _panel(rig: Rig) -> Panel:
    if rig.registers.panel is None:
        raise ModbusRefusal(ILLEGAL_FUNCTION)
    return rig.registers.panel


def _read_bits(rig: Rig, pdu: bytes) -> bytes:
    panel = _panel(rig)
    if len(pdu) != _TWO.size:
        raise ModbusRefusal(ILLEGAL_VALUE)
    function, address, count = _TWO.unpack(pdu)
    if not 1 <= count <= BITS_MAX:
        raise ModbusRefusal(ILLEGAL_VALUE)
    number = sum(bit << at for at, bit in enumerate(panel.read(rig, function, address, count)))
    return read_reply(number.to_bytes((count + 7) // 8, "little"), function)


def _write_coil(rig: Rig, pdu: bytes) -> bytes:
    panel = _panel(rig)
    if len(pdu) != _TWO.size or int.from_bytes(pdu[3:5], "big") not in _COIL:
        raise ModbusRefusal(ILLEGAL_VALUE)
    panel.write(rig, int.from_bytes(pdu[1:3], "big"), [_COIL[int.from_bytes(pdu[3:5], "big")]])
    return pdu


def _write_coils(rig: Rig, pdu: bytes) -> bytes:
    panel = _panel(rig)
    if len(pdu) < _WRITE_HEAD.size:
        raise ModbusRefusal(ILLEGAL_VALUE)
    _, address, count, size = _WRITE_HEAD.unpack_from(pdu)
    packed = pdu[_WRITE_HEAD.size :]
    if not 1 <= count <= BITS_MAX or size != (count + 7) // 8 or len(packed) != size:
        raise ModbusRefusal(ILLEGAL_VALUE)
    number = int.from_bytes(packed, "little")
    panel.write(rig, address, [number >> at & 1 for at in range(count)])
    return pdu[:5]


def _write_one(rig: Rig, pdu: bytes) -> bytes:
    if len(pdu) != _TWO.size:
        raise ModbusRefusal(ILLEGAL_VALUE)
    rig.registers.write(rig, int.from_bytes(pdu[1:3], "big"), pdu[3:5])
    return pdu


def _write_many(rig: Rig, pdu: bytes) -> bytes:
    if len(pdu) < _WRITE_HEAD.size:
        raise ModbusRefusal(ILLEGAL_VALUE)
    _, address, count, size = _WRITE_HEAD.unpack_from(pdu)
    words = pdu[_WRITE_HEAD.size :]
    if not 1 <= count <= WRITE_WORDS_MAX or size != 2 * count or len(words) != size:
        raise ModbusRefusal(ILLEGAL_VALUE)
    rig.registers.write(rig, address, words)
    return pdu[:5]


_FUNCTIONS = {
    READ_COILS: _read_bits,
    READ_DISCRETE: _read_bits,
    READ_HOLDING: _read,
    READ_INPUT: _read,
    WRITE_COIL: _write_coil,
    WRITE_ONE: _write_one,
    WRITE_COILS: _write_coils,
    WRITE_MANY: _write_many,
}
