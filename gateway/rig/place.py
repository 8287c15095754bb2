"""Where a rig is, as an integrator writes it, and the wire that leads there. Not a gateway's settings.

    192.168.1.50   192.168.1.50:502   [fe80::1]:502      Modbus TCP; with --rtu a serial server
    /dev/serial/by-id/usb-…                              a serial port of this machine

Owns: parsing, and wires that cannot write. Every wire has its deadlines from the profile's transport, or from UNKNOWN.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from device_adapters.errors import BackOff
from device_adapters.language.profile import Transport
from device_adapters.limits import REGISTERS_PER_READ, UNIT_MAX
from device_adapters.modbus.bus_place import BusPlace, open_bus
from device_adapters.modbus.bus_wire import BusWire
from device_adapters.modbus.quirks import worked_around
from device_adapters.modbus.serial_line import BAUDS, PARITIES, STOP_BITS, SerialPort
from device_adapters.modbus.tcp import ModbusWire
from gateway.errors import ConfigError
from gateway.rig.crowding import CrowdedWire
from gateway.rig.limits import PORT_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from device_adapters.language.profile import Profile
    from device_adapters.modbus.wire import Wire

MODBUS_PORT: Final = 502
_HOST: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]/]+))(?::(?P<port>[0-9]{1,5}))?\Z")
# A rig of which nobody has said anything yet.
UNKNOWN: Final = Transport(
    kind="modbus-tcp",
    unit=1,
    timeout_ms=1000,
    connect_timeout_ms=3000,
    pause_after_connect_ms=0,
    min_gap_ms=0,
    busy_wait_ms=500,
    registers_max=REGISTERS_PER_READ,
)


@dataclass(frozen=True, slots=True)
class Place:
    """`kind` as in `bus_place`; a plain `tcp` place has one rig, or several units behind a bridge."""

    kind: str
    host: str = ""
    number: int = 0
    port: SerialPort | None = None

    def __str__(self) -> str:
        """As it was written."""
        return self.port.device if self.port is not None else f"{self.host}:{self.number}"

    def bus(self) -> BusPlace:
        """As a line of several units."""
        return BusPlace(self.kind, self.port, self.host, self.number)


def place_of(text: str, *, rtu: bool = False, baud: int = 9600, parity: str = "none", stop_bits: int = 1) -> Place:
    """Raises ConfigError that says what would be right."""
    for name, value, known in (
        ("baud", baud, BAUDS),
        ("parity", parity, PARITIES),
        ("stop-bits", stop_bits, STOP_BITS),
    ):
        if value not in known:
            raise ConfigError(f"--{name} {value}: one of {', '.join(map(str, known))}")
    if text.startswith("/"):
        return Place("rtu", port=SerialPort(text, baud, parity, stop_bits))
    found = _HOST.match(text)
    if found is None:
        raise ConfigError(
            f"{text!r} is no place of a rig: HOST, HOST:PORT, [IPv6]:PORT or a serial port such as /dev/…"
        )
    number = int(found["port"] or MODBUS_PORT)
    if not 0 < number <= PORT_MAX:
        raise ConfigError(f"{text!r}: port {number}; 1 to {PORT_MAX}")
    return Place("rtu-over-tcp" if rtu else "tcp", found["six"] or found["host"], number)


def transport_of(profile: Profile | None, unit: int | None) -> Transport:
    """The profile's, or that of an unknown rig, for this unit. Raises ConfigError."""
    if profile is not None and profile.message is not None:
        raise ConfigError(
            f"profile {profile.id} is heard in messages: give the rig's serial number and where, --broker HOST:PORT "
            "(MQTT), or --listen ADDRESS:PORT (HTTP push)"
        )
    transport = UNKNOWN if profile is None else profile.transport
    if unit is None:
        return transport
    if not 0 <= unit <= UNIT_MAX:
        raise ConfigError(f"--unit {unit}: 0 to {UNIT_MAX}")
    return replace(transport, unit=unit)


class ReadOnlyWire:
    """See `wire.Wire`. What would write is refused before a byte leaves: the rig may be in an exam."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._wire.connected

    @property
    def connection(self) -> int:
        """Number of the connection."""
        return self._wire.connection

    async def connect(self) -> None:
        """Close the old connection, open a new one."""
        await self._wire.connect()

    async def read(self, at: int, words: int) -> bytes:
        """`words` holding registers from `at`."""
        return await self._wire.read(at, words)

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:  # noqa: ARG002  (the seam's)
        """Never."""
        raise BackOff(0.0, f"this tool never writes; {len(values)} words at {at} stay as they are")

    def drop(self) -> None:
        """Close at once."""
        self._wire.drop()


def _as_it_is(wire: Wire) -> Wire:
    return wire


@asynccontextmanager
async def open_wire(
    place: Place, profile: Profile | None, transport: Transport, tap: Callable[[Wire], Wire] = _as_it_is
) -> AsyncIterator[Wire]:
    """A wire to the place, not yet connected, with the model's workarounds. It can write.

    `tap` comes between them and the wire: it sees the addresses that the rig sees.
    """
    if place.kind == "tcp":
        wire: Wire = CrowdedWire(
            ModbusWire(place.host, place.number, transport.unit, transport), place.host, place.number
        )
        try:
            yield tap(wire) if profile is None else worked_around(tap(wire), profile)
        finally:
            wire.drop()
        return
    bus = open_bus(place.bus())
    probe = (0, 1)
    if profile is not None:
        probe = (profile.status.at + transport.address_offset, 1 if transport.one_field else profile.status.words)
    try:
        on_bus = tap(BusWire(bus, transport.unit, transport, probe))
        yield on_bus if profile is None else worked_around(on_bus, profile)
    finally:
        await bus.close()
