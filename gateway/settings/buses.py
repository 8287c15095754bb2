"""A `[[bus]]` of the settings: which line several rigs share, checked in words. No IO; see docs/gateway.md.

Owns: which keys belong to which kind. The kinds themselves are device_adapters/modbus/bus_place.py's.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from device_adapters.modbus.bus import BusTimes
from device_adapters.modbus.bus_place import KINDS, BusPlace
from device_adapters.modbus.serial_line import BAUDS, PARITIES, STOP_BITS, SerialPort
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

BUS_UNIT_MAX: Final = 247  # 0 is for everybody, above are reserved (Modbus over serial line V1.02, 2.2)
_SERIAL: Final = frozenset({"device", "baud", "parity", "stop_bits", "gap_ms", "quiet_ms", "echo"})
_CALLED: Final = frozenset({"host", "port", "gap_ms", "quiet_ms", "echo"})
_OF_KIND: Final = {"rtu": _SERIAL, "rtu-over-tcp": _CALLED, "rtu-dial-in": _CALLED | {"from"}, "tcp": {"host", "port"}}
_NEEDED: Final = {"rtu": ("device",), "rtu-dial-in": ("host", "port", "from")}
_NUMBERED: Final = re.compile(r"/dev/tty(USB|ACM)[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class BusConfig:
    """One line."""

    id: str
    place: BusPlace

    @property
    def line(self) -> str:
        """What no two buses share."""
        place = self.place
        return place.port.device if place.port is not None else f"{place.host}:{place.number}"


def bus_of(table: Mapping[str, Any], given: set[str], label: str) -> BusConfig:
    """From checked values. Raises ConfigError that names the key and what would be right."""
    kind = _among(table["kind"], KINDS, f"{label} kind")
    for name in sorted(given - _OF_KIND[kind] - {"id", "kind"}):
        raise ConfigError(f"{label} {name}: a bus of kind {kind} has no such key; take it out")
    for name in _NEEDED.get(kind, ("host", "port")):
        if not table[name]:
            raise ConfigError(f"{label} {name} is missing; a bus of kind {kind} needs it")
    times = BusTimes(table["gap_ms"] / 1000, table["quiet_ms"] / 1000, table["echo"])
    port = _port(table, label) if kind == "rtu" else None
    peer = _address(table["from"], f"{label} from") if kind == "rtu-dial-in" else ""
    return BusConfig(table["id"], BusPlace(kind, port, table["host"], table["port"], peer, times))


def _port(table: Mapping[str, Any], label: str) -> SerialPort:
    device = table["device"]
    if not device.startswith("/"):
        raise ConfigError(f"{label} device is {device!r}; a path such as /dev/serial/by-id/usb-… or /dev/ttyS0")
    if _NUMBERED.match(device):
        raise ConfigError(
            f"{label} device is {device}: such numbers change when converters are plugged in another order. "
            "Take its path from /dev/serial/by-id or /dev/serial/by-path"
        )
    return SerialPort(
        device,
        _among(table["baud"], BAUDS, f"{label} baud"),
        _among(table["parity"], PARITIES, f"{label} parity"),
        _among(table["stop_bits"], STOP_BITS, f"{label} stop_bits"),
    )


def _among(value: Any, known: tuple[Any, ...], label: str) -> Any:
    if value not in known:
        raise ConfigError(f"{label} is {value!r}; one of {', '.join(map(str, known))}")
    return value


def _address(text: str, label: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ConfigError(f"{label} is {text!r}; the IP address of the serial server that calls") from None
