"""A real Mosquitto for tests, from the files of deploy/mosquitto with only places, port and user replaced.

A folder, a free loopback port and a process of its own, stopped by its pid. The broker drops root's rights before it
reads its keys, so as root everything belongs to the user `mosquitto` or `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from parts import find_program
from service import free_port
from tree import ROOT

from certs.ca import _issue as issue_leaf  # the product issues no certificates for rigs
from certs.ca import create_authority, issue_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHIPPED = ROOT / "deploy" / "mosquitto"
START_S = 10.0
Form = Literal["mtls", "password"]


class RealMosquitto:
    """One broker with the shipped rules; `names` are its users."""

    def __init__(self, form: Form, names: Sequence[str]) -> None:
        program = find_program("mosquitto")
        assert program is not None, "missing part: mosquitto"
        self._program = program
        self.form = form
        # Not below pytest's folder, which only its own user may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="kaofen-mqtt-"))
        self.port = free_port()
        self._owner = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._make_tls(names)
        self._install()
        if form == "password":
            self._make_passwords(names)
        self._give_away()

    def _make_tls(self, names: Sequence[str]) -> None:
        create_authority(self.folder / "ca")
        issue_server(self.folder / "ca", ("localhost", "127.0.0.1")).write(self.folder / "tls")
        shutil.copy(self.folder / "ca" / "root.pem", self.folder / "tls" / "clients.pem")
        for name in names if self.form == "mtls" else ():
            uri: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"mqtt:{name}")]
            leaf = issue_leaf(self.folder / "ca", name, uri, ExtendedKeyUsageOID.CLIENT_AUTH, 1, None)
            leaf.write(self.folder / "clients" / name)

    def _install(self) -> None:
        (self.folder / "conf.d").mkdir()
        (self.folder / "data").mkdir()
        shutil.copy(SHIPPED / "kaofen.acl", self.folder / "kaofen.acl")
        self._put("kaofen.conf", self.folder / "mosquitto.conf")
        self._put(f"listener-{self.form}.conf", self.folder / "conf.d" / "listener.conf")

    def _put(self, name: str, target: Path) -> None:
        text = (SHIPPED / name).read_text()
        text = text.replace("/etc/mosquitto/", f"{self.folder}/").replace("/var/lib/mosquitto/", f"{self.folder}/data/")
        text = text.replace("/etc/mosquitto", str(self.folder))
        text = text.replace("\nuser mosquitto\n", f"\nuser {self._owner or 'mosquitto'}\n")
        target.write_text(text.replace("\nlistener 8883\n", f"\nlistener {self.port} 127.0.0.1\n"))

    def _make_passwords(self, names: Sequence[str]) -> None:
        program = find_program("mosquitto_passwd")
        assert program is not None, "missing part: mosquitto"
        file = self.folder / "kaofen.passwd"
        file.write_text("".join(f"{name}:{password_of(name)}\n" for name in names))
        subprocess.run([program, "-U", str(file)], check=True, capture_output=True, timeout=30)

    def _give_away(self) -> None:
        if self._owner:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, self._owner)

    @property
    def ca(self) -> Path:
        return self.folder / "tls" / "ca.pem"

    @property
    def database(self) -> Path:
        """What the broker keeps over a restart."""
        return self.folder / "data" / "mosquitto.db"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def client_context(self, name: str | None = None) -> ssl.SSLContext:
        """Trusts this broker only; with a name (mTLS form) it shows that name's certificate."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if name is not None:
            folder = self.folder / "clients" / name
            context.load_cert_chain(folder / "cert.pem", folder / "cert.key")
        return context

    def start(self) -> None:
        """Until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self.folder / "mosquitto.conf")],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while True:
            assert self._process.poll() is None, self.log()[-2000:]
            assert time.monotonic() < deadline, "the broker does not take connections"
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """SIGTERM is its clean end: it writes its database once more."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(number)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def kill(self) -> None:
        """SIGKILL: nothing is written any more."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Cleanly, on the same port and folder."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def password_of(name: str) -> str:
    """Every name has its own."""
    return f"password of {name}"


@contextlib.contextmanager
def running_mosquitto(form: Form, names: Sequence[str]) -> Iterator[RealMosquitto]:
    """One broker for as long as the block lasts."""
    made = RealMosquitto(form, names)
    try:
        made.start()
        yield made
    finally:
        made.close()


def _unprivileged() -> str | None:
    """Another user when this one is root."""
    if os.geteuid() != 0:
        return None
    for name in ("mosquitto", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise AssertionError("there is neither a user mosquitto nor nobody")
