"""Modbus TCP, the server's half: request PDU to reply PDU, functions 3, 6 and 16 (Modbus Application Protocol V1.1b3).

Pure apart from the rig it is given; the socket is in host.py. Written here and not taken from a library, so that
both ends of the wire never share an encoder.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from simulators.errors import ModbusRefusal
from simulators.limits import READ_WORDS_MAX, WRITE_WORDS_MAX
from simulators.registers import DEVICE_FAILURE, ILLEGAL_FUNCTION, ILLEGAL_VALUE

if TYPE_CHECKING:
    from simulators.rig import Rig

READ_HOLDING = 3
WRITE_ONE = 6
WRITE_MANY = 16
EXCEPTION_BIT = 0x80

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
    if len(pdu) != _TWO.size or pdu[0] != READ_HOLDING:
        return None
    _, address, count = _TWO.unpack(pdu)
    return address, count


def read_reply(words: bytes) -> bytes:
    """The reply to a read."""
    return bytes((READ_HOLDING, len(words))) + words


def _read(rig: Rig, pdu: bytes) -> bytes:
    if len(pdu) != _TWO.size:
        raise ModbusRefusal(ILLEGAL_VALUE)
    _, address, count = _TWO.unpack(pdu)
    if not 1 <= count <= READ_WORDS_MAX:
        raise ModbusRefusal(ILLEGAL_VALUE)
    return read_reply(rig.registers.read(rig, address, count))


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


_FUNCTIONS = {READ_HOLDING: _read, WRITE_ONE: _write_one, WRITE_MANY: _write_many}
