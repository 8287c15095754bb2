"""The gateway's settings: TOML text in, frozen values out. No IO: nothing is opened, resolved or asked here.

Every key is in `KEYS` with its default, unit, limit, what is lost with it and who may read it; the table in
docs/gateway.md is made from there, and a key that is not in it is refused by name.
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

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_DOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
_SERIAL: Final = re.compile(r"[\x21-\x7e]{1,32}\Z")
_TOPIC_SERIAL: Final = re.compile(r"[!\"$-*,-.0-~]{1,16}\Z")
_BROKER_PATHS: Final = ("ca", "certificate", "key", "password_file")
_HEX256: Final = re.compile(r"[0-9a-f]{64}\Z")
REQUIRED: Final[Any] = object()


@dataclass(frozen=True, slots=True)
class Key:
    """One setting and everything an installer must know of it."""

    table: str
    name: str
    kind: type
    default: Any
    unit: str
    limit: str
    lost: str
    readers: str = "root, kaofen"


KEYS: Final = (
    Key("", "rubrics", list, [], "paths", "48 KiB each", "scores stand, cannot be recomputed from the log alone"),
    Key("gateway", "id", str, REQUIRED, "", "63 of A-Z a-z 0-9 . _ -", "the log's name changes: never change it"),
    Key("gateway", "domain", str, REQUIRED, "", "a lower-case host name", "the log's name changes: never change it"),
    Key("gateway", "data", str, REQUIRED, "directory", "", "entries without a receipt are gone", "kaofen"),
    Key("gateway", "state_file", str, "", "path", "", "a roll-back is seen only by the server", "kaofen"),
    Key("gateway", "log_key", str, "", "path", "0600", "no entry can be signed: a new box must be enrolled", "kaofen"),
    Key("gateway", "content_key", str, "", "path", "0600", "a record that comes again is a conflict", "kaofen"),
    Key("server", "url", str, REQUIRED, "", "https://host[:port]", "recording goes on, nothing is sent"),
    Key("server", "ca", str, REQUIRED, "path", "", "recording goes on, nothing is sent"),
    Key("server", "cert", str, REQUIRED, "path", "", "recording goes on, nothing is sent"),
    Key("server", "key", str, REQUIRED, "path", "0600", "recording goes on, nothing is sent", "kaofen"),
    Key("server", "mirror_vkey", str, REQUIRED, "", "one verifier key", "no receipt can be told from a forgery"),
    Key("server", "pin", str, "", "SHA-256 of the server key, hex", "64", "no upload while the clock is wrong"),
    Key("broker", "id", str, REQUIRED, "", "63 of A-Z a-z 0-9 . _ -", "its rigs are not read"),
    Key("broker", "host", str, REQUIRED, "", "address or name", "its rigs are not read"),
    Key("broker", "port", int, 8883, "", "1-65535", "its rigs are not read"),
    Key("broker", "protocol", str, "5", "MQTT", "5 or 3.1.1", "its rigs are not read"),
    Key("broker", "ca", str, "", "path", "", "without TLS everybody on the line reads and says everything"),
    Key("broker", "certificate", str, "", "path", "with key and ca", "the broker does not let the gateway in"),
    Key("broker", "key", str, "", "path", "0600", "the broker does not let the gateway in", "kaofen"),
    Key("broker", "username", str, "", "", "with password_file", "the broker does not let the gateway in"),
    Key("broker", "password_file", str, "", "path", "0600", "the broker does not let the gateway in", "kaofen"),
    Key("rig", "serial", str, REQUIRED, "", "1-32 printable ASCII", "the rig is not read"),
    Key("rig", "station", str, REQUIRED, "", "63 of A-Z a-z 0-9 . _ -", "the rig is not read"),
    Key("rig", "profile", str, REQUIRED, "name or path", "48 KiB", "the rig is not read"),
    Key("rig", "broker", str, "", "id of a [[broker]]", "instead of host, port, unit", "the rig is not read"),
    Key("rig", "host", str, "", "", "address or name", "the rig is not read"),
    Key("rig", "port", int, 502, "", "1-65535", "the rig is not read"),
    Key("rig", "unit", int, 1, "", "0-255", "the rig is not read"),
    Key("rig", "source", str, "sensor", "", "sensor or simulator", "simulated scores would pass for real ones"),
    Key("local", "listen", str, "127.0.0.1:9464", "", "a loopback address", "no status, metrics or health"),
    Key("limits", "heartbeat_s", int, 3, "s", "1-10", "the server alarms after 10 s of silence"),
    Key("limits", "anchor_age_s", int, 60, "s", "5-3600", "the earliest time of an item is less sharp"),
    Key("limits", "request_timeout_s", int, 15, "s", "1-120", "a slow line is taken for a dead one"),
    Key("limits", "backoff_cap_s", int, 30, "s", "1-600", "longer until a returned server is noticed"),
    Key("limits", "stop_grace_s", int, 5, "s", "0-60", "the backlog is sent after the next start"),
)
REPEATED: Final = ("broker", "rig")
_RANGES: Final[Mapping[tuple[str, str], tuple[int, int]]] = {
    ("rig", "port"): (1, 65535),
    ("broker", "port"): (1, 65535),
    ("rig", "unit"): (0, 255),
    ("limits", "heartbeat_s"): (1, 10),
    ("limits", "anchor_age_s"): (5, 3600),
    ("limits", "request_timeout_s"): (1, 120),
    ("limits", "backoff_cap_s"): (1, 600),
    ("limits", "stop_grace_s"): (0, 60),
}


@dataclass(frozen=True, slots=True)
class RigConfig:
    """One rig: where it is and how it is read. `broker` "": by its own address."""

    serial: str
    station: str
    profile: str
    broker: str
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
    return Config(
        gateway_id=_matching(_NAME, gateway["id"], "[gateway] id"),
        domain=_matching(_DOMAIN, gateway["domain"], "[gateway] domain"),
        data=data,
        state_file=_path(base, gateway["state_file"]) if gateway["state_file"] else data / "state.json",
        log_key=_path(base, gateway["log_key"]) if gateway["log_key"] else data / "log.key",
        content_key=_path(base, gateway["content_key"]) if gateway["content_key"] else data / "content.key",
        server=_server(_table("server", document.get("server"), "[server]"), base),
        brokers=brokers,
        rigs=_rigs(document.get("rig", []), {broker.id for broker in brokers}),
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
    low, high = _RANGES.get((key.table, key.name), (0, 0))
    if high and isinstance(value, int) and not low <= value <= high:
        raise ConfigError(f"{label} is {value}; from {low} to {high}{' ' + key.unit if key.unit else ''}")
    return value


def _server(table: Mapping[str, Any], base: Path) -> ServerConfig:
    url = urlsplit(table["url"])
    if url.scheme != "https" or not url.hostname or url.path not in ("", "/") or url.query or url.username:
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


def _brokers(given: object, base: Path) -> tuple[BrokerConfig, ...]:
    if not isinstance(given, list):
        raise ConfigError("broker must be written as [[broker]], one block per broker")
    brokers = tuple(_broker(item, f"[[broker]] {number}", base) for number, item in enumerate(given, 1))
    for one in brokers:
        if sum(other.id == one.id for other in brokers) > 1:
            raise ConfigError(f"[[broker]] id {one.id!r} is there twice; one broker, one block")
    return brokers


def _broker(given: object, label: str, base: Path) -> BrokerConfig:
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


def _rigs(given: object, brokers: set[str]) -> tuple[RigConfig, ...]:
    if not isinstance(given, list):
        raise ConfigError("rig must be written as [[rig]], one block per rig")
    if len(given) > limits.RIGS_MAX:
        raise ConfigError(f"{len(given)} rigs; at most {limits.RIGS_MAX} on one gateway")
    rigs = tuple(_rig(item, number, brokers) for number, item in enumerate(given, 1))
    for what in ("serial", "station"):
        seen: set[str] = set()
        for rig in rigs:
            value = getattr(rig, what)
            if value in seen:
                raise ConfigError(f"[[rig]] {what} {value!r} is there twice; one rig, one block")
            seen.add(value)
    return rigs


def _rig(given: object, number: int, brokers: set[str]) -> RigConfig:
    label = f"[[rig]] {number}"
    rig = RigConfig(**_table("rig", given, label))
    _matching(_SERIAL, rig.serial, f"{label} serial")
    _matching(_NAME, rig.station, f"{label} station")
    if rig.source not in ("sensor", "simulator"):
        raise ConfigError(f"{label} source is {rig.source!r}; sensor or simulator")
    if rig.broker:
        _check_broker_rig(rig, given if isinstance(given, dict) else {}, label, brokers)
    elif not rig.host:
        raise ConfigError(f"{label} host is missing (address or name); a rig over MQTT has broker instead")
    return rig


def _check_broker_rig(rig: RigConfig, given: Mapping[str, Any], label: str, brokers: set[str]) -> None:
    for name in ("host", "port", "unit"):
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
