"""The gateway's settings: TOML text in, frozen values out. No IO: nothing is opened, resolved or asked here.

Every key is in `keys.KEYS`; one that is not in it is refused by name.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from gateway import limits
from gateway.errors import ConfigError, NotLoopback
from gateway.push.settings import PushConfig, check_push_rig, push_of
from gateway.settings.buses import BUS_UNIT_MAX, BusConfig, bus_of
from gateway.settings.keys import KEYS, RANGES, REPEATED, REQUIRED, Key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_DOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
_SERIAL: Final = re.compile(r"[\x21-\x7e]{1,32}\Z")
_TOPIC_SERIAL: Final = re.compile(r"[!\"$-*,-.0-~]{1,16}\Z")
_BROKER_PATHS: Final = ("ca", "certificate", "key", "password_file")
_HEX256: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class RigConfig:
    """One rig: where it is and how it is read. `broker`, `bus` and `push` "": by its own address."""

    serial: str
    station: str
    profile: str
    broker: str
    bus: str
    push: str
    secret_file: str
    signed: bool
    host: str
    port: int
    unit: int
    source: str


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """One MQTT broker, and the identity shown to it: a certificate, or a name and a password."""

    id: str
    host: str
    port: int
    protocol: str
    ca: Path | None
    certificate: Path | None
    key: Path | None
    username: str
    password_file: Path | None


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The central server and the identity shown to it."""

    url: str
    ca: Path
    cert: Path
    key: Path
    mirror_vkey: str
    pin: str | None


@dataclass(frozen=True, slots=True)
class Pace:
    """The times an installer may change, in seconds."""

    heartbeat_s: int
    anchor_age_s: int
    request_timeout_s: int
    backoff_cap_s: int
    stop_grace_s: int


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a gateway process is told."""

    gateway_id: str
    domain: str
    data: Path
    state_file: Path
    log_key: Path
    content_key: Path
    server: ServerConfig
    brokers: tuple[BrokerConfig, ...]
    buses: tuple[BusConfig, ...]
    pushes: tuple[PushConfig, ...]
    rigs: tuple[RigConfig, ...]
    rubrics: tuple[Path, ...]
    listen: tuple[str, int]
    pace: Pace
    sha256: str
    base: Path

    @property
    def origin_base(self) -> str:
        """The log's name without its generation."""
        return f"{self.domain}/gw/{self.gateway_id}"

    @property
    def log_directory(self) -> Path:
        """Where the log lies; only the journal writes there."""
        return self.data / "log"


def parse_config(text: bytes, base: Path) -> Config:
    """Reads settings; relative paths are relative to `base`, the configuration file's directory."""
    if len(text) > limits.CONFIG_BYTES_MAX:
        raise ConfigError(f"the file has {len(text)} bytes; at most {limits.CONFIG_BYTES_MAX}")
    try:
        document = tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also a number or a nesting beyond what Python reads
        raise ConfigError(f"not TOML: {error}") from None
    _refuse_unknown_tables(document)
    top = _table("", {name: value for name, value in document.items() if name == "rubrics"}, "")
    gateway = _table("gateway", document.get("gateway"), "[gateway]")
    data = _path(base, gateway["data"])
    brokers = _brokers(document.get("broker", []), base)
    buses = _buses(document.get("bus", []))
    pushes = _pushes(document.get("push", []), base)
    return Config(
        gateway_id=_matching(_NAME, gateway["id"], "[gateway] id"),
        domain=_matching(_DOMAIN, gateway["domain"], "[gateway] domain"),
        data=data,
        state_file=_path(base, gateway["state_file"]) if gateway["state_file"] else data / "state.json",
        log_key=_path(base, gateway["log_key"]) if gateway["log_key"] else data / "log.key",
        content_key=_path(base, gateway["content_key"]) if gateway["content_key"] else data / "content.key",
        server=_server(_table("server", document.get("server"), "[server]"), base),
        brokers=brokers,
        buses=buses,
        pushes=pushes,
        rigs=_rigs(
            document.get("rig", []),
            {broker.id for broker in brokers},
            {bus.id for bus in buses},
            {push.id for push in pushes},
        ),
        rubrics=tuple(_path(base, _text(item, "rubrics")) for item in top["rubrics"]),
        listen=_listen(_table("local", document.get("local", {}), "[local]")["listen"]),
        pace=Pace(**_table("limits", document.get("limits", {}), "[limits]")),
        sha256=hashlib.sha256(text).hexdigest(),
        base=base,
    )


def effective(text: bytes) -> list[tuple[str, object, str]]:
    """(key, value, where it comes from) of every setting, for `config --check`."""
    document = tomllib.loads(text.decode("utf-8"))
    rows: list[tuple[str, object, str]] = []
    for key in KEYS:
        if key.table in REPEATED:
            continue
        table = document.get(key.table, {}) if key.table else document
        label = f"[{key.table}] {key.name}" if key.table else key.name
        rows.append((label, table.get(key.name, key.default), "file" if key.name in table else "default"))
    for table in REPEATED:
        for number, block in enumerate(document.get(table, []), 1):
            for key in (key for key in KEYS if key.table == table):
                source = "file" if key.name in block else "default"
                rows.append((f"[[{table}]] {number} {key.name}", block.get(key.name, key.default), source))
    return rows


def _refuse_unknown_tables(document: Mapping[str, Any]) -> None:
    known = {key.table or key.name for key in KEYS}
    for name in document:
        if name not in known:
            raise ConfigError(f"unknown key or table {name!r}; known: {', '.join(sorted(known))}")


def _table(table: str, given: object, label: str) -> dict[str, Any]:
    """The values of one table: types checked, defaults filled in, unknown keys refused."""
    if given is None:
        raise ConfigError(f"{label} is missing")
    if not isinstance(given, dict):
        raise ConfigError(f"{label} must be a table")
    keys = {key.name: key for key in KEYS if key.table == table}
    for name in given:
        if name not in keys:
            raise ConfigError(f"{label} {name}: unknown key; known: {', '.join(keys)}")
    return {name: _value(key, given, f"{label} {name}".strip()) for name, key in keys.items()}


def _value(key: Key, given: Mapping[str, Any], label: str) -> Any:
    value: Any = given.get(key.name, key.default)
    if value is REQUIRED:
        raise ConfigError(f"{label} is missing ({key.limit or key.unit or 'text'})")
    if type(value) is not key.kind:
        raise ConfigError(f"{label} must be {key.kind.__name__}, not {type(value).__name__}")
    low, high = RANGES.get((key.table, key.name), (0, 0))
    if high and isinstance(value, int) and not low <= value <= high:
        raise ConfigError(f"{label} is {value}; from {low} to {high}{' ' + key.unit if key.unit else ''}")
    return value


def _server(table: Mapping[str, Any], base: Path) -> ServerConfig:
    if not _is_https(table["url"]):
        raise ConfigError(f"[server] url is {table['url']!r}; expected https://host[:port]")
    pin = table["pin"].lower()
    return ServerConfig(
        url=table["url"].rstrip("/"),
        ca=_path(base, table["ca"]),
        cert=_path(base, table["cert"]),
        key=_path(base, table["key"]),
        mirror_vkey=table["mirror_vkey"],
        pin=_matching(_HEX256, pin, "[server] pin") if pin else None,
    )


def _is_https(text: str) -> bool:
    """Host and at most a port; a bracket that is not closed and a port over 65535 are none (urlsplit raises)."""
    try:
        url = urlsplit(text)
        plain = url.path in ("", "/") and not url.query and not url.username
        return url.scheme == "https" and bool(url.hostname) and url.port != 0 and plain
    except ValueError:
        return False


def _brokers(given: object, base: Path) -> tuple[BrokerConfig, ...]:
    if not isinstance(given, list):
        raise ConfigError("broker must be written as [[broker]], one block per broker")
    brokers = tuple(broker_of(item, f"[[broker]] {number}", base) for number, item in enumerate(given, 1))
    for one in brokers:
        if sum(other.id == one.id for other in brokers) > 1:
            raise ConfigError(f"[[broker]] id {one.id!r} is there twice; one broker, one block")
    return brokers


def broker_of(given: object, label: str, base: Path) -> BrokerConfig:
    """One broker, checked. Raises ConfigError."""
    table = _table("broker", given, label)
    _matching(_NAME, table["id"], f"{label} id")
    if not table["host"]:
        raise ConfigError(f"{label} host is empty")
    if table["protocol"] not in ("5", "3.1.1"):
        raise ConfigError(f"{label} protocol is {table['protocol']!r}; 5 or 3.1.1")
    for one, other in (("certificate", "key"), ("username", "password_file")):
        if bool(table[one]) != bool(table[other]):
            raise ConfigError(f"{label} {one} and {other} belong together")
    if table["certificate"] and not table["ca"]:
        raise ConfigError(f"{label} certificate is for TLS only: ca is missing")
    paths = {name: _path(base, table[name]) if table[name] else None for name in _BROKER_PATHS}
    return BrokerConfig(**{**table, **paths})


def _buses(given: object) -> tuple[BusConfig, ...]:
    if not isinstance(given, list):
        raise ConfigError("bus must be written as [[bus]], one block per bus")
    buses = []
    for number, item in enumerate(given, 1):
        table = _table("bus", item, f"[[bus]] {number}")
        _matching(_NAME, table["id"], f"[[bus]] {number} id")
        buses.append(bus_of(table, set(item), f"[[bus]] {number}"))
    for what in ("id", "line"):
        seen = [getattr(bus, what) for bus in buses]
        for value in seen:
            if seen.count(value) > 1:
                raise ConfigError(f"[[bus]] {what} {value!r} is there twice; one line, one block")
    return tuple(buses)


def _pushes(given: object, base: Path) -> tuple[PushConfig, ...]:
    if not isinstance(given, list):
        raise ConfigError("push must be written as [[push]], one block per listener")
    pushes = []
    for number, item in enumerate(given, 1):
        table = _table("push", item, f"[[push]] {number}")
        _matching(_NAME, table["id"], f"[[push]] {number} id")
        pushes.append(push_of(table, f"[[push]] {number}", base))
        if sum(one.id == pushes[-1].id for one in pushes) > 1:
            raise ConfigError(f"[[push]] id {pushes[-1].id!r} is there twice; one listener, one block")
    return tuple(pushes)


def _rigs(given: object, brokers: set[str], buses: set[str], pushes: set[str]) -> tuple[RigConfig, ...]:
    if not isinstance(given, list):
        raise ConfigError("rig must be written as [[rig]], one block per rig")
    if len(given) > limits.RIGS_MAX:
        raise ConfigError(f"{len(given)} rigs; at most {limits.RIGS_MAX} on one gateway")
    rigs = tuple(_rig(item, number, brokers, buses, pushes) for number, item in enumerate(given, 1))
    for what in ("serial", "station"):
        seen: set[str] = set()
        for rig in rigs:
            value = getattr(rig, what)
            if value in seen:
                raise ConfigError(f"[[rig]] {what} {value!r} is there twice; one rig, one block")
            seen.add(value)
    units: dict[tuple[str, int], str] = {}
    for rig in rigs:
        other = units.setdefault((rig.bus, rig.unit), rig.serial) if rig.bus else rig.serial
        if other != rig.serial:
            raise ConfigError(f"[[rig]] {rig.serial} unit {rig.unit}: on bus {rig.bus!r} this is the unit of {other}")
    return rigs


def _rig(given: object, number: int, brokers: set[str], buses: set[str], pushes: set[str]) -> RigConfig:
    label = f"[[rig]] {number}"
    rig = RigConfig(**_table("rig", given, label))
    _matching(_SERIAL, rig.serial, f"{label} serial")
    _matching(_NAME, rig.station, f"{label} station")
    if rig.source not in ("sensor", "simulator"):
        raise ConfigError(f"{label} source is {rig.source!r}; sensor or simulator")
    if rig.push:
        check_push_rig(rig, given if isinstance(given, dict) else {}, label, pushes)
    elif rig.secret_file or not rig.signed:
        raise ConfigError(f"{label} secret_file and signed are for a rig with push: take them out")
    elif rig.broker:
        _check_broker_rig(rig, given if isinstance(given, dict) else {}, label, brokers)
    elif rig.bus:
        _check_bus_rig(rig, given if isinstance(given, dict) else {}, label, buses)
    elif not rig.host:
        raise ConfigError(
            f"{label} host is missing (address or name); a rig over MQTT has broker instead, on a shared line bus, "
            "one that pushes push"
        )
    return rig


def _check_bus_rig(rig: RigConfig, given: Mapping[str, Any], label: str, buses: set[str]) -> None:
    for name in ("host", "port"):
        if name in given:
            raise ConfigError(f"{label} {name}: a rig with bus is reached through the bus; take {name} out")
    if rig.bus not in buses:
        raise ConfigError(
            f"{label} bus {rig.bus!r}: there is no such [[bus]]; known: {', '.join(sorted(buses)) or 'none'}"
        )
    if "unit" not in given or not 1 <= rig.unit <= BUS_UNIT_MAX:
        raise ConfigError(f"{label} unit: on a bus every rig says its own, from 1 to {BUS_UNIT_MAX}")


def _check_broker_rig(rig: RigConfig, given: Mapping[str, Any], label: str, brokers: set[str]) -> None:
    for name in ("host", "port", "unit", "bus"):
        if name in given:
            raise ConfigError(f"{label} {name}: a rig with broker is reached through the broker; take {name} out")
    if rig.broker not in brokers:
        known = ", ".join(sorted(brokers)) or "none"
        raise ConfigError(f"{label} broker {rig.broker!r}: there is no such [[broker]]; known: {known}")
    if not _TOPIC_SERIAL.match(rig.serial):
        raise ConfigError(f"{label} serial is {rig.serial!r}; over MQTT 1-16 printable ASCII without + # / and spaces")


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    try:
        address = ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        raise ConfigError(f"[local] listen is {text!r}; expected for example 127.0.0.1:9464 or [::1]:9464") from None
    if not address.is_loopback:
        raise NotLoopback(f"[local] listen is {text!r}: only 127.0.0.0/8 or ::1, this page is for the box itself")
    if not 0 <= number <= 65535:  # noqa: PLR2004 - port numbers
        raise ConfigError(f"[local] listen: port {number} is no port")
    return host, number


def _matching(pattern: re.Pattern[str], value: str, label: str) -> str:
    if not pattern.match(value):
        limit = next((key.limit for key in KEYS if label.endswith(f" {key.name}") and key.table in label), "")
        raise ConfigError(f"{label} is {value!r}; expected {limit}")
    return value


def _text(value: object, label: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{label} must be a list of paths")
    return value


def _path(base: Path, text: str) -> Path:
    return base / text
