"""One exam point as real processes: certificates, server, gateways, broker and simulated rigs in a folder of their own.

The demo and the end-to-end tests use the same commands that an installer types; nothing here reaches into a
package of ours. Every process is logged to a file, and stopped by its own pid.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from box import DOMAIN, PROFILE, RUBRIC, Box, Uplink
from service import BIN, ROOT, Service, WorldError, command, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from broker import Broker

__all__ = [
    "BIN", "DOMAIN", "GATEWAY_ID", "OPERATOR", "PASSWORD", "PROFILE", "ROOT", "RUBRIC",
    "Service", "World", "WorldError", "command", "free_port",
]  # fmt: skip

GATEWAY_ID = "gw-01"
OPERATOR = "operator"
PASSWORD = "kaofen-demo-2026"  # noqa: S105 - a demo account on loopback, printed on purpose


class World:
    """The folder and the services of one exam point. `gateway…` is the first box, the only one of most tests."""

    def __init__(
        self,
        directory: Path,
        *,
        people_port: int | None = None,
        backoff_cap_s: int = 30,
        gateways: tuple[str, ...] = (GATEWAY_ID,),
    ) -> None:
        self.directory = directory
        self.people_port = people_port or free_port()
        self.gateway_port = free_port()
        self.token = ""
        self._line: http.client.HTTPSConnection | None = None
        self.ca = directory / "ca" / "root.pem"
        self.truth = directory / "truth.jsonl"
        self.ready = directory / "ready.json"
        self.policy = directory / "policy.txt"
        self.server_config = directory / "server" / "server.toml"
        self.server = Service("server", ("kaofen-server", "run", str(self.server_config)), directory / "server.log")
        names = ["gateway", *(f"gateway-{one}" for one in gateways[1:])]
        self.boxes = [
            Box(one, directory, directory / name, backoff_cap_s=backoff_cap_s)
            for one, name in zip(gateways, names, strict=True)
        ]
        self.gateway = self.boxes[0].service
        self.gateway_config = self.boxes[0].config
        self.local_port = self.boxes[0].local_port
        self.fleet = Service("fleet", (), directory / "fleet.log")
        self.broker: Broker | None = None

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

    @property
    def uplink(self) -> Uplink:
        """What every box is told of the server."""
        return Uplink(self.ca, self.server_config, self.gateway_port)

    def build_gateway(self, rigs: list[dict[str, Any]], source: str = "simulator") -> None:
        """The first box for these rigs, enrolled at the server."""
        self.boxes[0].build(rigs, self.uplink, source=source, broker=self.broker)

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
        patience_s = 60 + float(request.get("timeout_s", 0))
        with socket.create_connection((where["host"], where["port"]), timeout=patience_s) as line:
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
        services = [self.server, *(box.service for box in self.boxes), self.fleet]
        if self.broker is not None:
            services.append(self.broker.service)
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
        """The first gateway's own status, or None while it does not answer."""
        return self.boxes[0].status()

    def close(self) -> None:
        """Stop everything that was started, in the order in which nothing is lost."""
        self._hang_up()
        for service in (*(box.service for box in self.boxes), self.server, self.fleet):
            service.stop()
        if self.broker is not None:
            self.broker.service.stop()
