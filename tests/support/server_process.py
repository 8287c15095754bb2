"""The real `kaofen-server` as processes: made once in a folder, run, killed by its own pid, asked over real mTLS."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sample_uploads import DOMAIN, SampleLog
from servants import Servant
from tls_material import make_tls_material

from certs.ca import issue_gateway
from certs.contexts import gateway_client_context
from scorelog.format.keys import CosignatureVerifier, parse_vkey

if TYPE_CHECKING:
    from collections.abc import Iterator

ZYGOTE = Path(__file__).with_name("server_zygote.py")
READY_S = 30.0
STUCK_S = 45.0  # more than a server gives its last requests
STUCK = "most recent call first"
PASSWORD = "correct horse battery staple"


class Zygotes:
    """One for the running server, one for commands beside it."""

    def __init__(self, *, commands: bool = True) -> None:
        self._servants = {serving: Servant(ZYGOTE) for serving in ((True, False) if commands else (True,))}

    def begin(self, asked: dict[str, object], *, serving: bool) -> int:
        """The pid of the new process."""
        self._servants[serving].say(json.dumps(asked))
        return self.end(serving=serving)

    def end(self, *, serving: bool) -> int:
        """The exit code of the last process, when it has ended."""
        return int(self._servants[serving].hear())

    def close(self) -> None:
        """End them."""
        for servant in self._servants.values():
            servant.close()


class ServerProcess:
    """One server in one folder, over SQLite or the PostgreSQL database at a URL."""

    def __init__(self, folder: Path, zygotes: Zygotes, database: str = "") -> None:
        self.folder = folder
        self.config = folder / "server" / "server.toml"
        self.ports: dict[str, int] = {}
        self.pid = 0
        self._runs = 0
        self._said = folder
        self._zygotes = zygotes
        self.tls = make_tls_material(folder / "tls", domain=DOMAIN)
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        self.ok(
            "init", str(folder / "server"), "--domain", DOMAIN, "--host", "127.0.0.1", "--tls", str(self.tls.server),
            "--gateway-port", "0", "--people-port", "0", "--local", "127.0.0.1:0",
            "--operator", "operator", "--password-file", str(password), "--database", database,
        )  # fmt: skip
        mirror = parse_vkey(self.ok("vkey", str(self.config)).strip())
        assert isinstance(mirror, CosignatureVerifier)
        self.mirror = mirror

    def sibling(self, folder: Path, zygotes: Zygotes) -> ServerProcess:
        """Another process on the same PostgreSQL database: the same keys and settings, a folder of its own."""
        other = object.__new__(ServerProcess)
        other.folder, other.ports, other.pid, other._runs, other._zygotes = folder, {}, 0, 0, zygotes
        other.tls, other.mirror = self.tls, self.mirror
        shutil.copytree(self.config.parent / "keys", folder / "server" / "keys")
        other.config = folder / "server" / "server.toml"
        shutil.copy(self.config, other.config)
        return other

    def _begin(self, words: tuple[str, ...], failpoints: str, *, serving: bool) -> tuple[int, Path, Path]:
        self._runs += 1
        out, err = (self.folder / f"{self._runs}.{end}" for end in ("out", "err"))
        asked = {"argv": words, "failpoints": failpoints, "stdout": str(out), "stderr": str(err)}
        return self._zygotes.begin(asked, serving=serving), out, err

    def command(self, *words: str) -> tuple[int, str]:
        """Run one command to its end: exit code, and everything that it printed."""
        _, out, err = self._begin(words, "", serving=False)
        code = self._zygotes.end(serving=False)
        return code, "".join(path.read_text() for path in (out, err) if path.exists())

    def ok(self, *words: str) -> str:
        """A command that must succeed; what it printed."""
        code, printed = self.command(*words)
        assert code == 0, printed
        return printed

    def start(self, failpoints: str = "") -> None:
        """Until it says that it is ready."""
        assert not self.pid, "the server runs already"
        self.pid, out, err = self._begin(("run", str(self.config)), failpoints, serving=True)
        self._said = err
        deadline = time.monotonic() + READY_S
        while not (out.exists() and out.read_text().endswith("\n")):
            if "kaofen-server:" in (err.read_text() if err.exists() else "") or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start: {err.read_text()[-2000:]}")
            time.sleep(0.02)
        self.ports = {name: int(port) for name, port in (word.split("=") for word in out.read_text().split()[1:])}

    def stop(self) -> int:
        """Orderly; its exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def kill(self) -> int:
        """SIGKILL, if it still runs; its exit code (0 when none was started)."""
        if not self.pid:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return self._reap()

    def wait(self) -> int:
        """Until it ends by itself; its exit code. One that hangs is killed after it has written where it hangs."""
        timer = threading.Timer(STUCK_S, kill_the_stuck, (self.pid,))
        timer.start()
        code = self._reap()
        timer.cancel()
        if code == -signal.SIGKILL and STUCK in (said := self._said.read_text()):
            raise AssertionError(f"the server did not end: {said[-8000:]}")
        return code

    def _reap(self) -> int:
        self.pid = 0
        return self._zygotes.end(serving=True)

    def close(self) -> None:
        """End everything."""
        self.kill()

    def enrol(self, log: SampleLog) -> None:
        """Through the command, as an operator does; with a certificate of its own."""
        self.certify(log.gateway_id)
        self.ok("gateway", "add", str(self.config), "--id", log.gateway_id, "--vkey", log.signer.vkey)

    def certify(self, gateway_id: str) -> None:
        """A client certificate, once."""
        if not (self.folder / gateway_id).exists():
            issue_gateway(self.tls.authority, DOMAIN, gateway_id).write(self.folder / gateway_id)

    @contextlib.contextmanager
    def connection(self, gateway_id: str = "gw-01") -> Iterator[http.client.HTTPSConnection]:
        """One mTLS connection of a gateway."""
        self.certify(gateway_id)
        folder = self.folder / gateway_id
        context = gateway_client_context(folder / "cert.pem", folder / "cert.key", folder / "ca.pem")
        made = http.client.HTTPSConnection("localhost", self.ports["gateways"], context=context, timeout=20)
        try:
            yield made
        finally:
            made.close()


def kill_the_stuck(pid: int) -> None:
    """The zygote's child writes all its stacks at SIGUSR1."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
        time.sleep(1)
        os.kill(pid, signal.SIGKILL)


def post(connection: http.client.HTTPSConnection, path: str, body: bytes) -> tuple[int, bytes]:
    """One request; OSError or HTTPException when the server went away."""
    connection.request("POST", path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


@contextlib.contextmanager
def served(folder: Path, zygotes: Zygotes, database: str = "") -> Iterator[ServerProcess]:
    """A server in this folder, gone afterwards whatever happens."""
    made = ServerProcess(folder, zygotes, database)
    try:
        yield made
    finally:
        made.close()
