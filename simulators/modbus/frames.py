"""What lies around a PDU on each wire, so that faults of frames work on both. Pure.

TCP   transaction, 0, length | unit | PDU
RTU   unit | PDU | CRC-16, low byte first (Modbus over serial line V1.02)
"""

from __future__ import annotations

import struct

from simulators.device.crc import crc16

_HEADER = struct.Struct(">3HB")
_LENGTH = struct.Struct(">H")
_CRC_BYTES = 2


class TcpFrames:
    """Modbus TCP."""

    named = True  # a reply names its request
    head = _HEADER.size  # where the PDU begins

    def pdu(self, frame: bytes) -> bytes:
        """What the frame carries."""
        return frame[self.head :]

    def around(self, like: bytes, pdu: bytes) -> bytes:
        """The frame `like` with another PDU and the length that belongs to it."""
        return like[:4] + _LENGTH.pack(len(pdu) + 1) + like[6:7] + pdu

    def proven(self, frame: bytes) -> bytes:
        """With a right checksum, where there is one."""
        return frame


class RtuFrames:
    """Modbus RTU."""

    named = False
    head = 1

    def pdu(self, frame: bytes) -> bytes:
        """What the frame carries."""
        return frame[1:-_CRC_BYTES]

    def around(self, like: bytes, pdu: bytes) -> bytes:
        """The same unit, another PDU, its checksum."""
        return sealed(like[:1] + pdu)

    def proven(self, frame: bytes) -> bytes:
        """With the checksum of its bytes."""
        return sealed(frame[:-_CRC_BYTES])


TCP, RTU = TcpFrames(), RtuFrames()
Frames = TcpFrames | RtuFrames


def sealed(frame: bytes) -> bytes:
    """With its checksum."""
    return frame + crc16(frame).to_bytes(_CRC_BYTES, "little")


def is_sealed(frame: bytes) -> bool:
    """Whether the checksum is right."""
    return len(frame) > _CRC_BYTES and sealed(frame[:-_CRC_BYTES]) == frame
