"""Every setting of the gateway by name: its default, unit, limit, what is lost with it and who may read it.

The table in docs/gateway.md is made from here; config.py reads by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    Key("bus", "id", str, REQUIRED, "", "63 of A-Z a-z 0-9 . _ -", "its rigs are not read"),
    Key("bus", "kind", str, REQUIRED, "", "rtu, rtu-over-tcp, rtu-dial-in, tcp", "its rigs are not read"),
    Key("bus", "device", str, "", "path", "of kind rtu", "its rigs are not read"),
    Key("bus", "baud", int, 9600, "bit/s", "1200-115200", "its rigs are not read"),
    Key("bus", "parity", str, "none", "", "none, even, odd", "its rigs are not read"),
    Key("bus", "stop_bits", int, 1, "bits", "1-2", "its rigs are not read"),
    Key("bus", "host", str, "", "", "address or name", "its rigs are not read"),
    Key("bus", "port", int, 0, "", "1-65535", "its rigs are not read"),
    Key("bus", "from", str, "", "", "an address, of kind rtu-dial-in", "its rigs are not read"),
    Key("bus", "gap_ms", int, 0, "ms", "0-1000", "frames run into each other"),
    Key("bus", "quiet_ms", int, 0, "ms", "0-60000", "a late answer is refused by its record, not by the line"),
    Key("bus", "echo", bool, False, "", "", "every reading is refused as an echo"),
    Key("push", "id", str, REQUIRED, "", "63 of A-Z a-z 0-9 . _ -", "its rigs are not read"),
    Key("push", "listen", str, REQUIRED, "", "an address and a port", "its rigs are not read"),
    Key("push", "certificate", str, "", "path", "with key", "rigs outside `networks` cannot push"),
    Key("push", "key", str, "", "path", "0600", "rigs outside `networks` cannot push", "kaofen"),
    Key("push", "networks", list, [], "networks", "as 192.168.10.0/24", "rigs from elsewhere are not let in"),
    Key("rig", "serial", str, REQUIRED, "", "1-32 printable ASCII", "the rig is not read"),
    Key("rig", "station", str, REQUIRED, "", "63 of A-Z a-z 0-9 . _ -", "the rig is not read"),
    Key("rig", "profile", str, REQUIRED, "name or path", "48 KiB", "the rig is not read"),
    Key("rig", "broker", str, "", "id of a [[broker]]", "instead of host, port, unit", "the rig is not read"),
    Key("rig", "bus", str, "", "id of a [[bus]]", "instead of host and port", "the rig is not read"),
    Key("rig", "push", str, "", "id of a [[push]]", "instead of host, port, unit", "the rig is not read"),
    Key("rig", "secret_file", str, "", "path", "0600, 32-256 characters", "the rig is not let in", "kaofen"),
    Key("rig", "signed", bool, True, "", "false: by token", "the rig is not let in"),
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
REPEATED: Final = ("broker", "bus", "push", "rig")
RANGES: Final[Mapping[tuple[str, str], tuple[int, int]]] = {
    ("rig", "port"): (1, 65535),
    ("broker", "port"): (1, 65535),
    ("rig", "unit"): (0, 255),
    ("bus", "port"): (0, 65535),
    ("bus", "gap_ms"): (0, 1000),
    ("bus", "quiet_ms"): (0, 60_000),
    ("limits", "heartbeat_s"): (1, 10),
    ("limits", "anchor_age_s"): (5, 3600),
    ("limits", "request_timeout_s"): (1, 120),
    ("limits", "backoff_cap_s"): (1, 600),
    ("limits", "stop_grace_s"): (0, 60),
}
