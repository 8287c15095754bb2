"""`rig scan`: what answers on a bus or in a range of hosts, and which profiles fit it. Reads only, politely.

    units of one line ── one after the other, never faster than the line allows
    hosts × ports     ── so many connections a second, one request each, then closed
          └─ who answers ──> the status block of each known profile ──> fits, with its serial number

Owns: the order, the rate and the bounds. A place that is silent costs one short wait; a hostile one no more than that.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.records import open_record
from device_adapters.errors import BackOff, DecodeError, NotConnected
from device_adapters.modbus.bus_place import open_bus
from device_adapters.modbus.bus_wire import BusWire
from device_adapters.modbus.lines import TcpLine
from device_adapters.modbus.serial_line import SerialLine
from device_adapters.modbus.wire import ExceptionReply, OddReply
from gateway.errors import ConfigError
from gateway.rig.limits import (
    SCAN_AT_ONCE,
    SCAN_PER_S_MAX,
    SCAN_PLACES_MAX,
    SCAN_TIMEOUT_MS_MAX,
    SCAN_TIMEOUT_MS_MIN,
)
from gateway.rig.place import UNKNOWN, Place, open_wire
from gateway.rig.views import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from device_adapters.language.profile import Profile, Transport
    from device_adapters.modbus.wire import Wire

_RANGE: Final = re.compile(r"(?P<net>(?:[0-9]{1,3}\.){3})(?P<first>[0-9]{1,3})-(?P<last>[0-9]{1,3})\Z")
_NUMBERS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?\Z")
_WHOLE_S: Final = 20.0  # for one place and all profiles


@dataclass(frozen=True, slots=True)
class Manners:
    """How fast, and how patient."""

    per_s: float = 20.0
    timeout_ms: int = 300

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if not 0 < self.per_s <= SCAN_PER_S_MAX:
            raise ConfigError(f"--rate {self.per_s:g}: above 0, at most {SCAN_PER_S_MAX:g} a second")
        if not SCAN_TIMEOUT_MS_MIN <= self.timeout_ms <= SCAN_TIMEOUT_MS_MAX:
            raise ConfigError(f"--timeout {self.timeout_ms}: {SCAN_TIMEOUT_MS_MIN} to {SCAN_TIMEOUT_MS_MAX} ms")

    def transport(self, unit: int, base: Transport = UNKNOWN) -> Transport:
        """Of a place about which nothing is known, or of a model."""
        return replace(base, unit=unit, timeout_ms=self.timeout_ms, connect_timeout_ms=max(self.timeout_ms, 500))


@dataclass(frozen=True, slots=True)
class Fit:
    """A profile whose status block is proven there. `weak`: nothing in it but ranges says so."""

    profile: str
    serial: str
    weak: bool


@dataclass(slots=True)
class Found:
    """Somebody answered. `how`: `words`, `exception 2`, or what came instead of Modbus."""

    place: str
    unit: int
    how: str
    fits: list[Fit] = field(default_factory=list)

    def line(self) -> str:
        """For a person."""
        told = ", ".join(f"{fit.profile} ({fit.serial}{', 把握不大 perhaps' if fit.weak else ''})" for fit in self.fits)
        return f"{self.place} unit {self.unit}: {self.how}; {told or '无匹配 profile no profile fits'}"


def numbers_of(text: str, name: str, most: int) -> tuple[int, ...]:
    """`1-32,40`. Raises ConfigError."""
    found: list[int] = []
    for part in text.split(","):
        match = _NUMBERS.match(part.strip())
        first = int(match[1]) if match else 0
        last = int(match[2] or first) if match else 0
        if not 1 <= first <= last <= most:
            raise ConfigError(f"{name} {part.strip()!r}: numbers from 1 to {most}, such as 1-32,40")
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found))


def is_range(text: str) -> bool:
    """Whether it names several hosts."""
    return "/" in text or _RANGE.match(text) is not None


def hosts_of(text: str) -> tuple[str, ...]:
    """`192.168.1.10-40`, `192.168.1.0/26`, or one host. Raises ConfigError."""
    match = _RANGE.match(text)
    try:
        if match:
            first, last = (int(ipaddress.IPv4Address(match["net"] + match[end])) for end in ("first", "last"))
            if first > last:
                raise ConfigError(f"{text}: the range ends before it begins")
            return tuple(str(ipaddress.IPv4Address(number)) for number in range(first, last + 1))
        if "/" in text:
            network = ipaddress.ip_network(text, strict=False)
            if network.num_addresses > SCAN_PLACES_MAX:
                raise ConfigError(f"{text}: {network.num_addresses} addresses; at most {SCAN_PLACES_MAX} in one scan")
            return tuple(map(str, network.hosts()))
    except ValueError:
        raise ConfigError(f"{text}: a range such as 192.168.1.10-40 or 192.168.1.0/26 is needed") from None
    return (text,)


def places_of(hosts: Sequence[str], ports: Sequence[int], kind: str = "tcp") -> list[Place]:
    """Every port of every host. Raises ConfigError."""
    if len(hosts) * len(ports) > SCAN_PLACES_MAX:
        raise ConfigError(f"{len(hosts)} hosts with {len(ports)} ports; at most {SCAN_PLACES_MAX} places in one scan")
    return [Place(kind, host, port) for host, port in itertools.product(hosts, ports)]


async def scan_line(
    place: Place, units: Sequence[int], profiles: Iterable[Profile], manners: Manners, show: Callable[[Found], None]
) -> int:
    """One line, or one bridge, unit after unit; how many answered. Raises NotConnected when there is no line."""
    known, number = _of_registers(profiles), 0
    line = SerialLine(place.port) if place.port is not None else TcpLine(place.host, place.number)
    await line.open(UNKNOWN.connect_timeout_ms / 1000)  # a line that is not there is no silence
    line.close()
    bus = open_bus(place.bus())
    try:
        for unit in units:
            transport = manners.transport(unit)
            found = await _asked(BusWire(bus, unit, transport, (0, 1)), str(place), unit)
            if found is None:
                continue
            for profile in known:
                wire = BusWire(bus, unit, manners.transport(unit, profile.transport), (0, 1))
                await _try(wire, profile, found)
            number += 1
            show(found)
            await asyncio.sleep(1 / manners.per_s)
    finally:
        await bus.close()
    return number


async def scan_lines(
    places: Sequence[Place],
    units: Sequence[int],
    profiles: Iterable[Profile],
    manners: Manners,
    show: Callable[[Found], None],
) -> int:
    """Several serial servers, line after line; of several one that is not there is silence."""
    known, number = _of_registers(profiles), 0
    for place in places:
        try:
            number += await scan_line(place, units, known, manners, show)
        except NotConnected:
            if len(places) == 1:
                raise
    return number


async def scan_hosts(
    places: Sequence[Place], unit: int, profiles: Iterable[Profile], manners: Manners, show: Callable[[Found], None]
) -> int:
    """Every place once; how many answered."""
    known = _of_registers(profiles)
    at_once = asyncio.Semaphore(SCAN_AT_ONCE)
    tasks: list[asyncio.Task[bool]] = []
    try:
        for place in places:
            tasks.append(asyncio.create_task(_host(place, unit, known, manners, at_once=at_once, show=show)))
            await asyncio.sleep(1 / manners.per_s)
        return sum(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _host(
    place: Place,
    unit: int,
    known: Sequence[Profile],
    manners: Manners,
    *,
    at_once: asyncio.Semaphore,
    show: Callable[[Found], None],
) -> bool:
    async with at_once:
        found: Found | None = None
        try:
            async with asyncio.timeout(_WHOLE_S):
                async with open_wire(place, None, manners.transport(unit)) as wire:
                    found = await _asked(wire, str(place), unit)
                for profile in known if found is not None else ():
                    async with open_wire(place, profile, manners.transport(unit, profile.transport)) as wire:
                        await _try(wire, profile, found)
        except TimeoutError:
            pass  # what was found until then is shown
        if found is not None:
            show(found)
        return found is not None


async def _asked(wire: Wire, place: str, unit: int) -> Found | None:
    """One word at 0: whatever comes, somebody is there. None for silence."""
    try:
        await wire.connect()
        await wire.read(0, 1)
    except ExceptionReply as error:
        return Found(place, unit, f"exception {error.code}") if error.code not in {10, 11} else None
    except BackOff:
        return Found(place, unit, "busy")
    except OddReply as error:
        return Found(place, unit, f"不是 Modbus no Modbus ({printable(error.detail)})")
    except NotConnected as error:
        return Found(place, unit, f"端口开放，无应答 port open, {error.reason}") if wire.connection else None
    return Found(place, unit, "words")


async def _try(wire: Wire, profile: Profile, found: Found | None) -> None:
    """Whether the status block of this model is there."""
    status = profile.status
    if found is None or not found.how.startswith(("words", "exception")):
        return
    try:
        await wire.connect()
        data = await wire.read(status.at, status.words)
        opened = open_record(status, data, rig=None, seq=None)
    except (NotConnected, BackOff, OddReply, ExceptionReply, DecodeError):
        return
    serial = str(opened.values.get("serial", "")).strip()
    if not serial or not serial.isprintable():
        return  # a rig without a name is none of these
    proof = status.crc is not None or any(each.const is not None for each in status.fields.values())
    found.fits.append(Fit(profile.id, serial, weak=not proof))


def _of_registers(profiles: Iterable[Profile]) -> tuple[Profile, ...]:
    """Those that are read over Modbus."""
    return tuple(profile for profile in profiles if profile.areas)
