"""One exam point as real processes: certificates, server, gateway and simulated rigs in a folder of their own.

The demo and the end-to-end tests use the same commands that an installer types; nothing here reaches into a
package of ours. Every process is started by this module, logged to a file, and stopped by its own pid.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
DOMAIN = "exam.example"
GATEWAY_ID = "gw-01"
OPERATOR = "operator"
PASSWORD = "kaofen-demo-2026"  # noqa: S105 - a demo account on loopback, printed on purpose
ROOT = Path(__file__).resolve().parent.parent
RUBRIC = ROOT / "server" / "rubrics" / "low-voltage-electrician.toml"
PROFILE = "kaofen-v1-low-voltage"


class WorldError(RuntimeError):
    """A command of the world failed; the message holds its output."""


def free_port() -> int:
    """A TCP port of loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(*words: str | Path, env: dict[str, str] | None = None, check: bool = True) -> str:
    """Run one of our commands to its end and return what it printed."""
    line = [str(BIN / str(words[0])), *(str(word) for word in words[1:])]
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **(env or {})}
    )
    if check and done.returncode != 0:
        raise WorldError(f"{' '.join(line)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass(slots=True)
class Service:
    """A long-running command, its log file and its life."""

    name: str
    words: tuple[str, ...]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, its output appended to the log file."""
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [str(BIN / self.words[0]), *self.words[1:]],
                stdout=sink,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.env},
            )

    def running(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL: what a power cut of this process looks like."""
        if self.running() and self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(timeout=10)

    def stop(self, grace_s: float = 20) -> int | None:
        """SIGTERM, then SIGKILL after the grace. Returns the exit status."""
        if self.process is None:
            return None
        if self.running():
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=grace_s)
        self.kill()
        return self.process.returncode

    def tail(self, lines: int = 25) -> str:
        """The last lines of the log file."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


class World:
    """The folder and the three services of one exam point."""

    def __init__(self, directory: Path, *, people_port: int | None = None, backoff_cap_s: int = 30) -> None:
        self.directory = directory
        self.backoff_cap_s = backoff_cap_s
        self.people_port = people_port or free_port()
        self.gateway_port = free_port()
        self.local_port = free_port()
        self.token = ""
        self._line: http.client.HTTPSConnection | None = None
        self.ca = directory / "ca" / "root.pem"
        self.truth = directory / "truth.jsonl"
        self.ready = directory / "ready.json"
        self.policy = directory / "policy.txt"
        self.server_config = directory / "server" / "server.toml"
        self.gateway_config = directory / "gateway" / "gateway.toml"
        self.server = Service("server", ("kaofen-server", "run", str(self.server_config)), directory / "server.log")
        gateway = ("kaofen-gateway", "run", str(self.gateway_config))
        self.gateway = Service("gateway", gateway, directory / "gateway.log")
        self.fleet = Service("fleet", (), directory / "fleet.log")

    # --- set-up, as an installer and an operator do it -------------------------------------------------------

    def build_server(self) -> None:
        """Certificates, keys, databases, one operator account, one API token."""
        ca, tls = self.directory / "ca", self.directory / "server-tls"
        command("kaofen-certs", "init", ca)
        command("kaofen-certs", "server", ca, "--host", "localhost", "--host", "127.0.0.1", "--out", tls)
        password = self.directory / "operator.password"
        password.write_text(PASSWORD + "\n")
        password.chmod(0o600)
        command(
            "kaofen-server", "init", self.server_config.parent, "--domain", DOMAIN, "--tls", tls,
            "--people-port", str(self.people_port), "--gateway-port", str(self.gateway_port),
            "--operator", OPERATOR, "--password-file", password,
        )  # fmt: skip
        self.token = command("kaofen-server", "token", self.server_config).strip().splitlines()[-1]

    def build_gateway(self, rigs: list[dict[str, Any]], source: str = "simulator") -> None:
        """A gateway box for these rigs, enrolled at the server."""
        home, tls = self.gateway_config.parent, self.directory / "gateway-tls"
        command("kaofen-certs", "gateway", self.ca.parent, "--domain", DOMAIN, "--id", GATEWAY_ID, "--out", tls)
        home.mkdir(parents=True, exist_ok=True)
        mirror = command("kaofen-server", "vkey", self.server_config).strip().splitlines()[-1]
        self.gateway_config.write_text(self._gateway_toml(rigs, tls, mirror, source), "utf-8")
        printed = command("kaofen-gateway", "init", self.gateway_config)
        vkey = next(word for word in printed.split() if word.startswith(f"{DOMAIN}/gw/{GATEWAY_ID}/"))
        if "+" not in vkey:
            vkey = next(word for word in printed.split() if word.startswith(DOMAIN) and "+" in word)
        command("kaofen-server", "gateway", "add", self.server_config, "--id", GATEWAY_ID, "--vkey", vkey)

    def _gateway_toml(self, rigs: list[dict[str, Any]], tls: Path, mirror: str, source: str) -> str:
        home = self.gateway_config.parent
        lines = [
            f'rubrics = ["{RUBRIC}"]',
            "[gateway]",
            f'id = "{GATEWAY_ID}"',
            f'domain = "{DOMAIN}"',
            f'data = "{home / "data"}"',
            f'state_file = "{home / "second-medium" / "log.state"}"',
            "[server]",
            f'url = "https://localhost:{self.gateway_port}"',
            f'ca = "{tls / "ca.pem"}"',
            f'cert = "{tls / "cert.pem"}"',
            f'key = "{tls / "cert.key"}"',
            f'mirror_vkey = "{mirror}"',
            "[local]",
            f'listen = "127.0.0.1:{self.local_port}"',
            "[limits]",
            f"backoff_cap_s = {self.backoff_cap_s}",
        ]
        for rig in rigs:
            lines += [
                "[[rig]]",
                f'serial = "{rig["serial"]}"',
                f'station = "{rig["station"]}"',
                f'profile = "{PROFILE}"',
                f'host = "{rig["host"]}"',
                f"port = {rig['port']}",
                f"unit = {rig['unit']}",
                f'source = "{source}"',
            ]
        (home / "second-medium").mkdir(parents=True, exist_ok=True)
        return "\n".join(lines) + "\n"

    def start_fleet(self, *options: str) -> list[dict[str, Any]]:
        """Start the simulated rigs and return where they listen."""
        self.fleet.words = (
            "kaofen-simulate", "fleet", "--rubric", str(RUBRIC),
            "--truth", str(self.truth), "--ready", str(self.ready), *options,
        )  # fmt: skip
        self.fleet.start()
        self.wait("the rigs listen", self.ready.exists, 30, needs=self.fleet)
        rigs: list[dict[str, Any]] = json.loads(self.ready.read_text("utf-8"))["rigs"]
        return rigs

    def press(self, **request: Any) -> dict[str, Any]:
        """One command to the rigs' control socket (docs/simulators.md); an answer that says no is an error."""
        where = json.loads(self.ready.read_text("utf-8"))["control"]
        with socket.create_connection((where["host"], where["port"]), timeout=60) as line:
            line.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(line.makefile("rb").readline())
        if not answer.get("ok"):
            raise WorldError(f"{request}: {answer.get('error')}")
        return answer

    # --- watching ----------------------------------------------------------------------------------------------

    def wait(self, what: str, condition: Any, deadline_s: float, needs: Service | None = None) -> None:
        """Wait until ``condition`` holds; the deadline, or the end of a needed service, is an error that says so."""
        end = time.monotonic() + deadline_s
        while not condition():
            if needs is not None and not needs.running():
                raise WorldError(f"the {needs.name} ended before: {what}\n{needs.tail()}")
            if time.monotonic() > end:
                raise WorldError(f"after {deadline_s:.0f} s still waiting: {what}\n{self.diagnosis()}")
            time.sleep(0.05)

    def diagnosis(self) -> str:
        """The last lines of every log, for a message that can be acted on."""
        services = (self.server, self.gateway, self.fleet)
        return "\n".join(f"--- {one.name} ({one.log}) running={one.running()}\n{one.tail()}" for one in services)

    def api(self, path: str) -> Any:
        """GET a JSON document of the server's API with the token."""
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        """GET bytes of the server's API with the token, over one kept connection; OSError when it cannot be had."""
        kept = self._line is not None
        try:
            answer = self._get(path)
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            if not kept:
                raise OSError(f"GET {path}: {error}") from error
            return self.fetch(path)  # the server closes quiet connections: ask once more on a new one
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"GET {path}: {answer.status} {body[:300]!r}")
        return body

    def _get(self, path: str) -> http.client.HTTPResponse:
        if self._line is None:
            context = ssl.create_default_context(cafile=str(self.ca))
            self._line = http.client.HTTPSConnection("localhost", self.people_port, timeout=10, context=context)
        self._line.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        return self._line.getresponse()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None

    def serving(self) -> bool:
        """Whether the server answers its API."""
        try:
            self.api("/api/v1/gateways")
        except OSError:
            return False
        return True

    def gateway_status(self) -> dict[str, Any] | None:
        """The running gateway's own status, or None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.local_port}/status", timeout=2) as answer:
                status: dict[str, Any] = json.loads(answer.read())
                return status
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Stop everything that was started, in the order in which nothing is lost."""
        self._hang_up()
        for service in (self.gateway, self.server, self.fleet):
            service.stop()
