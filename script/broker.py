"""The MQTT broker of the demo on loopback: Mosquitto where the machine has it, else the simulators' embedded one.

Anonymous and without TLS, because everything of the demo is on loopback; a site takes deploy/mosquitto. Mosquitto keeps
its default persistence, which a SIGKILL loses: the rigs' application acknowledgement makes up for it.
"""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

from service import Service, free_port

if TYPE_CHECKING:
    from pathlib import Path

PLACES = ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto")


def find_mosquitto() -> str | None:
    """The program, also where a distribution puts it outside the path of people."""
    found = shutil.which("mosquitto")
    return found or next((place for place in PLACES if os.access(place, os.X_OK)), None)


class Broker:
    """One broker in a folder of its own; it keeps its port over kills and starts."""

    def __init__(self, directory: Path, *, embedded: bool = False) -> None:
        self.home = directory / "broker"
        self.port = free_port()
        program = None if embedded else find_mosquitto()
        self.protocol = "5" if program else "3.1.1"  # all that the embedded one knows
        self.name = "Mosquitto" if program else "embedded broker"
        words: tuple[str, ...] = ("kaofen-simulate", "broker", "--port", str(self.port))
        if program:
            words = (program, "-c", str(self.home / "mosquitto.conf"))
        self.service = Service("broker", words, directory / "broker.log")

    def build(self) -> None:
        """Its settings and its folder."""
        self.home.mkdir(parents=True, exist_ok=True)
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {self.home}/",
            "max_inflight_messages 0",
            "max_queued_messages 0",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it gives its rights away and cannot write its own folder
        (self.home / "mosquitto.conf").write_text("\n".join(lines) + "\n", "utf-8")

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def toml(self) -> list[str]:
        """The block of a gateway's settings that names it."""
        return [
            "[[broker]]", 'id = "main"', 'host = "127.0.0.1"', f"port = {self.port}", f'protocol = "{self.protocol}"',
        ]  # fmt: skip
