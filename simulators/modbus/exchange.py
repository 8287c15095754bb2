"""One request and what the faults make of its reply, whatever wire it came over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.faults import Exchange, Look, Piece
from simulators.modbus.frames import TCP
from simulators.modbus.requests import read_reply, read_request

if TYPE_CHECKING:
    from simulators.device.rig import Rig
    from simulators.faults.plan import FaultPlan
    from simulators.modbus.frames import Frames

_READ_REPLY_HEAD = 2


def spoiled(
    plan: FaultPlan,
    rig: Rig,
    connection: int,
    request: bytes,
    frame: bytes,
    *,
    frames: Frames = TCP,
    asked: bytes = b"",
) -> list[Piece]:
    """The pieces sent instead of `frame`, the healthy reply to `request`."""
    area = rig.registers.area_of(int.from_bytes(request[1:3], "big"), request[0])
    read, reply = read_request(request), frames.pdu(frame)
    if read is not None and area and reply[0] == request[0]:
        look = Look(rig, area, *read, reply[_READ_REPLY_HEAD:])
        frame = frames.around(frame, read_reply(plan.words(look), request[0]))
    return plan.pieces(Exchange(connection, area, request, frame, frames, asked))
