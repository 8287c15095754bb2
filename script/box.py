"""A gateway box: its settings for both wires, its enrolment at the server, and its process.

Written as an installer would write it; the rigs come from the simulators' ready file.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service import ROOT, Service, command, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from broker import Broker

DOMAIN = "exam.example"
RUBRIC = ROOT / "server" / "rubrics" / "low-voltage-electrician.toml"
PROFILE = "kaofen-v1-low-voltage"
PROFILE_MQTT = "kaofen-interface-v1-mqtt"
PROFILE_HTTP = "kaofen-interface-v1-http"
OWN_PROFILES = {"first-aid-sparkplug-demo": ROOT / "script" / "demo_rigs" / "first-aid-sparkplug.profile.toml"}


@dataclass(frozen=True, slots=True)
class Uplink:
    """What a box must know of the server."""

    ca: Path
    server_config: Path
    gateway_port: int


class Box:
    """One gateway in a folder of its own."""

    def __init__(self, gateway_id: str, directory: Path, home: Path, *, backoff_cap_s: int = 30) -> None:
        self.id = gateway_id
        self.home = home
        self.tls = directory / f"{home.name}-tls"
        self.config = home / "gateway.toml"
        self.data = home / "data"
        self.backoff_cap_s = backoff_cap_s
        self.local_port = free_port()
        self.push_port = free_port()
        self._settings: list[str] = []
        words = ("kaofen-gateway", "run", str(self.config))
        self.service = Service(home.name, words, directory / f"{home.name}.log")

    def build(
        self,
        rigs: list[dict[str, Any]],
        uplink: Uplink,
        *,
        source: str = "simulator",
        broker: Broker | None = None,
        rubrics: tuple[Path, ...] = (RUBRIC,),
    ) -> None:
        """Certificate, settings, log; then the operator adds it to the server. Rigs may be connected later: `equip`."""
        command("kaofen-certs", "gateway", uplink.ca.parent, "--domain", DOMAIN, "--id", self.id, "--out", self.tls)
        (self.home / "second-medium").mkdir(parents=True, exist_ok=True)
        mirror = command("kaofen-server", "vkey", uplink.server_config).strip().splitlines()[-1]
        self._settings = self._head(uplink, mirror, rubrics)
        self.equip(rigs, source=source, broker=broker)
        printed = command("kaofen-gateway", "init", self.config)
        vkey = next(word for word in printed.split() if word.startswith(f"{DOMAIN}/gw/{self.id}/") and "+" in word)
        command("kaofen-server", "gateway", "add", uplink.server_config, "--id", self.id, "--vkey", vkey)

    def equip(self, rigs: list[dict[str, Any]], *, source: str = "simulator", broker: Broker | None = None) -> None:
        """Write the settings with these rigs; read at the next start."""
        lines = [*self._settings, *(broker.toml() if broker is not None else ())]
        for number in dict.fromkeys(rig["bus"] for rig in rigs if "bus" in rig):
            lines += _bus(number, next(rig for rig in rigs if rig.get("bus") == number))
        if any(rig.get("wire") == "http" for rig in rigs):
            lines += ["[[push]]", 'id = "pc"', f'listen = "127.0.0.1:{self.push_port}"']
        for rig in rigs:
            lines += _rig(rig, source, self.home)
        self.config.write_text("\n".join(lines) + "\n", "utf-8")

    def let_push(self, serial: str, secret: str) -> None:
        """The secret of a rig that pushes, before it is connected."""
        path = self.home / f"{serial}.secret"
        path.write_text(secret, "ascii")
        path.chmod(0o600)

    def _head(self, uplink: Uplink, mirror: str, rubrics: tuple[Path, ...]) -> list[str]:
        listed = ", ".join(f'"{path}"' for path in rubrics)
        return [
            f"rubrics = [{listed}]",
            "[gateway]",
            f'id = "{self.id}"',
            f'domain = "{DOMAIN}"',
            f'data = "{self.data}"',
            f'state_file = "{self.home / "second-medium" / "log.state"}"',
            "[server]",
            f'url = "https://localhost:{uplink.gateway_port}"',
            f'ca = "{self.tls / "ca.pem"}"',
            f'cert = "{self.tls / "cert.pem"}"',
            f'key = "{self.tls / "cert.key"}"',
            f'mirror_vkey = "{mirror}"',
            "[local]",
            f'listen = "127.0.0.1:{self.local_port}"',
            "[limits]",
            f"backoff_cap_s = {self.backoff_cap_s}",
        ]

    def status(self) -> dict[str, Any] | None:
        """The running gateway's own status, or None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.local_port}/status", timeout=2) as answer:
                status: dict[str, Any] = json.loads(answer.read())
                return status
        except (OSError, ValueError):
            return None

    def unsent(self) -> int | None:
        """Entries without a receipt, or None while it does not answer."""
        status = self.status()
        return None if status is None else int(status["unsent"])


def _bus(number: int, rig: dict[str, Any]) -> list[str]:
    """The line that this rig hangs on."""
    where = [f'host = "{rig["host"]}"', f"port = {rig['port']}"]
    return ["[[bus]]", f'id = "bus-{number}"', f'kind = "{rig["kind"]}"', *where]


def _rig(rig: dict[str, Any], source: str, home: Path) -> list[str]:
    """One block of the settings."""
    serial, model = rig["serial"], rig.get("layout")
    lines = ["[[rig]]", f'serial = "{serial}"', f'station = "{rig["station"]}"', f'source = "{source}"']
    if rig.get("wire") == "mqtt":
        profile = OWN_PROFILES.get(model, model) if model else PROFILE_MQTT
        return [*lines, f'profile = "{profile}"', 'broker = "main"']
    if rig.get("wire") == "http":
        return [*lines, f'profile = "{PROFILE_HTTP}"', 'push = "pc"', f'secret_file = "{home / serial}.secret"']
    if "bus" in rig:
        return [*lines, f'profile = "{PROFILE}"', f'bus = "bus-{rig["bus"]}"', f"unit = {rig['unit']}"]
    where = [f'host = "{rig["host"]}"', f"port = {rig['port']}", f"unit = {rig['unit']}"]
    return [*lines, f'profile = "{PROFILE}"', *where]
