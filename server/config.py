"""The server's settings: TOML text in, frozen values out. No IO but the file itself and the database's password.

Every key is in `KEYS` with its default, unit, what is lost with it and who may read it; docs/server.md lists them,
and a key that is not in the list is refused by name. Relative paths are relative to the file's folder.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from server.database.location import VARIABLE, parse_url, with_password
from server.errors import ConfigError
from server.limits import CONNECTIONS_PER_PEER_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import URL

REQUIRED: Final[Any] = object()
PORT_MAX: Final = 65_535
STREAMS: Final = 2_000
_DOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")
_LISTEN: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^:\[\]]+):(?P<port>0|[1-9][0-9]{0,4})\Z")


@dataclass(frozen=True, slots=True)
class Key:
    """One setting and everything an operator must know of it."""

    table: str
    name: str
    kind: type
    default: Any
    unit: str
    lost: str
    readers: str = "root, kaofen"


KEYS: Final = (
    Key(
        "server",
        "domain",
        str,
        REQUIRED,
        "lower-case host name",
        "every origin and key name begins with it: never change",
    ),
    Key("server", "title", str, "", "text on every page", "nothing"),
    Key("server", "data", str, "data", "folder", "all evidence; gateways refill what they still hold", "kaofen"),
    Key("server", "keys", str, "keys", "folder, files 0600", "receipts of a new key need a new policy file", "kaofen"),
    Key(
        "database",
        "url",
        str,
        "",
        "postgresql://user@host:port/database without a password, or empty: SQLite in server.data",
        "the evidence is not found",
        "kaofen",
    ),
    Key(
        "database",
        "password_file",
        str,
        "",
        "path, 0600, password in the first line; or empty",
        "no evidence",
        "kaofen",
    ),
    Key("gateways", "listen", str, "0.0.0.0:9443", "host:port", "gateways keep their entries"),
    Key("gateways", "cert", str, "tls/cert.pem", "path", "gateways keep their entries"),
    Key("gateways", "key", str, "tls/cert.key", "path, 0600", "gateways keep their entries", "kaofen"),
    Key("gateways", "client_ca", str, "tls/ca.pem", "path", "gateways keep their entries"),
    Key("people", "listen", str, "0.0.0.0:8443", "host:port", "no pages; ingest goes on"),
    Key("people", "cert", str, "tls/cert.pem", "path", "no pages; ingest goes on"),
    Key("people", "key", str, "tls/cert.key", "path, 0600", "no pages; ingest goes on", "kaofen"),
    Key("people", "streams", int, STREAMS, "live pages open at once, at least 1", "a page beyond is told to come back"),
    Key(
        "people",
        "connections_per_address",
        int,
        CONNECTIONS_PER_PEER_MAX,
        "connections, at least 1; raise it for halls behind one address or a proxy",
        "a connection beyond is closed",
    ),
    Key("local", "listen", str, "127.0.0.1:9465", "loopback host:port, or empty", "no /health, no /metrics"),
    Key("audit", "pause_s", int, 60, "seconds between passes, at least 1", "tampering is found later"),
    Key("audit", "mib_per_s", int, 16, "MiB read per second, at least 1", "tampering is found later"),
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener listens; port 0 takes a free one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of one listener."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that `run` and the commands know from outside."""

    domain: str
    title: str
    data: Path
    keys: Path
    gateways: Address
    gateways_tls: Tls
    people: Address
    people_tls: Tls
    local: Address | None
    audit_pause_s: int
    audit_bytes_per_s: int
    people_streams: int = STREAMS
    people_connections_per_address: int = CONNECTIONS_PER_PEER_MAX
    database: URL | None = None  # None: SQLite in `data`. Printed without its password
    password_file: Path | None = None

    @property
    def mirror_name(self) -> str:
        """The key name of the mirror."""
        return f"{self.domain}/mirror"

    @property
    def witness_name(self) -> str:
        """The key name of the witness."""
        return f"{self.domain}/witness"


def parse_config(text: str, folder: Path) -> Config:
    """The settings in a TOML text."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number or a nesting beyond what Python reads
        raise ConfigError(f"not TOML: {error}") from error
    values = {(key.table, key.name): _take(document, key) for key in KEYS}
    _refuse_unknown(document)

    def path(table: str, name: str) -> Path:
        return folder / str(values[table, name])

    return Config(
        domain=_domain(values["server", "domain"]),
        title=values["server", "title"],
        data=path("server", "data"),
        keys=path("server", "keys"),
        gateways=_address("gateways.listen", values["gateways", "listen"]),
        gateways_tls=Tls(path("gateways", "cert"), path("gateways", "key"), path("gateways", "client_ca")),
        people=_address("people.listen", values["people", "listen"]),
        people_tls=Tls(path("people", "cert"), path("people", "key")),
        local=_loopback(values["local", "listen"]),
        audit_pause_s=_at_least_one("audit.pause_s", values["audit", "pause_s"]),
        audit_bytes_per_s=_at_least_one("audit.mib_per_s", values["audit", "mib_per_s"]) << 20,
        people_streams=_at_least_one("people.streams", values["people", "streams"]),
        people_connections_per_address=_at_least_one(
            "people.connections_per_address", values["people", "connections_per_address"]
        ),
        database=parse_url(values["database", "url"], "database.url", secret=False),
        password_file=path("database", "password_file") if values["database", "password_file"] else None,
    )


def read_config(path: Path) -> Config:
    """The settings in a file; the database's password from its own file, its URL also from the environment."""
    return resolved(_read_file(path))


def resolved(config: Config) -> Config:
    """With what is not in the file: the environment's URL goes before the file's, and the password is read."""
    override = parse_url(os.environ.get(VARIABLE, ""), VARIABLE, secret=True)
    url = override or config.database
    return replace(config, database=with_password(url, config.password_file) if url else None)


def _read_file(path: Path) -> Config:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `kaofen-server init DIR` writes one") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not text in UTF-8") from error
    try:
        return parse_config(text, path.parent.absolute())
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def render(given: Mapping[tuple[str, str], str | int]) -> str:
    """A file with every key in it, given ones and defaults."""
    lines: list[str] = ["# kaofen-server; every key is described in docs/server.md"]
    table = ""
    for key in KEYS:
        if key.table != table:
            table = key.table
            lines += ["", f"[{table}]"]
        value = given.get((key.table, key.name), key.default)
        lines.append(f"{key.name} = {value if isinstance(value, int) else _quoted(value)}")
    return "\n".join(lines) + "\n"


def _take(document: Mapping[str, Any], key: Key) -> Any:
    table = document.get(key.table, {})
    value = table.get(key.name, key.default) if isinstance(table, dict) else key.default
    if value is REQUIRED:
        raise ConfigError(f"{key.table}.{key.name} is missing")
    if type(value) is not key.kind:
        raise ConfigError(f"{key.table}.{key.name}: {value!r}, expected {key.unit}")
    return value


def _refuse_unknown(document: Mapping[str, Any]) -> None:
    known = {(key.table, key.name) for key in KEYS}
    for table, values in document.items():
        if table not in {key.table for key in KEYS} or not isinstance(values, dict):
            raise ConfigError(f"[{table}] is not a table of this file")
        for name in values:
            if (table, name) not in known:
                raise ConfigError(f"{table}.{name} is not a key of this file")


def _domain(value: str) -> str:
    if _DOMAIN.match(value) is None:
        raise ConfigError(f"server.domain: {value!r}, expected a lower-case host name")
    return value


def _address(name: str, value: str) -> Address:
    match = _LISTEN.match(value)
    if match is None or int(match["port"]) > PORT_MAX:
        raise ConfigError(f"{name}: {value!r}, expected host:port with a port up to {PORT_MAX}")
    return Address(match["host"].strip("[]"), int(match["port"]))


def _loopback(value: str) -> Address | None:
    if not value:
        return None
    address = _address("local.listen", value)
    try:
        inside = ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        inside = address.host == "localhost"
    if not inside:
        raise ConfigError(f"local.listen: {value!r}, expected a loopback address: these pages have no login")
    return address


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ConfigError(f"{name}: {value}, expected at least 1")
    return value


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
