"""Where a bus is, as plain values, and the bus that it becomes.

rtu             a serial port of this box                 quiet after silence: drained
rtu-over-tcp    a serial server that we call              closed, opened anew and drained
rtu-dial-in     a serial server that calls us             drained
tcp             a bridge that speaks Modbus TCP           closed and opened anew; transaction ids do the rest
"""

from __future__ import annotations

from dataclasses import dataclass, field

from device_adapters.modbus.bus import Bus, BusTimes
from device_adapters.modbus.framing import RtuFraming, TcpFraming
from device_adapters.modbus.lines import DialInLine, TcpLine
from device_adapters.modbus.serial_line import SerialLine, SerialPort

KINDS = ("rtu", "rtu-over-tcp", "rtu-dial-in", "tcp")


@dataclass(frozen=True, slots=True)
class BusPlace:
    """One bus. `port`: of a serial bus; `host` and `number`: where to call, or where to listen for `peer`."""

    kind: str
    port: SerialPort | None = None
    host: str = ""
    number: int = 0
    peer: str = ""
    times: BusTimes = field(default_factory=BusTimes)


def open_bus(place: BusPlace) -> Bus:
    """The bus; its line is opened when the first rig is asked."""
    if place.port is not None:
        return Bus(SerialLine(place.port), RtuFraming(), place.times)
    if place.kind == "rtu-dial-in":
        return Bus(DialInLine(place.host, place.number, place.peer), RtuFraming(), place.times)
    framing = TcpFraming() if place.kind == "tcp" else RtuFraming()
    return Bus(TcpLine(place.host, place.number), framing, place.times)
