"""A real PostgreSQL for tests: a private cluster on a free port in a folder of its own, a database for each test.

initdb refuses root, so as root everything runs as the user `postgres` or `nobody`. The postmaster is our own child and
is stopped by its pid. Durable as in life (fsync on), but on a small buffer.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from parts import find_postgres
from service import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 30.0
USER = "kaofen"
SETTINGS = (
    "listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=32MB", "max_connections=200",
    "fsync=on", "synchronous_commit=on", "full_page_writes=on", "logging_collector=off", "log_min_messages=fatal",
    "max_wal_size=256MB", "autovacuum=off",
)  # fmt: skip


class RealPostgres:
    """One running cluster. `with` ends it."""

    def __init__(self, folder: Path | None = None) -> None:
        programs = find_postgres()
        assert programs is not None, "missing part: postgresql"
        self._programs = programs
        # Not below pytest's folder, which only its own user may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="kaofen-pg-", dir=folder))
        self.port = free_port()
        self._owner = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        if self._owner:
            shutil.chown(self.folder, *self._owner)
        words = ("-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        self._run("initdb", "-D", str(self.folder / "data"), "-U", USER, *words)
        self.start()

    def _as_owner(self) -> dict[str, object]:
        return {"user": self._owner[0], "group": self._owner[1], "extra_groups": []} if self._owner else {}

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *words], cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=60, **self._as_owner(),
        )  # fmt: skip  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def pid(self) -> int:
        """Of its first process; the others are its children."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Until it takes connections."""
        words = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        for setting in SETTINGS:
            words += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._as_owner()
            )  # type: ignore[call-overload]
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert self._process is not None
                assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, "the cluster does not take connections"
                time.sleep(0.05)
            else:
                return

    def stop(self, *, number: int = signal.SIGINT) -> None:
        """SIGINT is its fast shutdown; SIGQUIT a crash of all backends with recovery at the next start."""
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    def restart(self, *, number: int = signal.SIGINT) -> None:
        """Stopped and started again on the same port."""
        self.stop(number=number)
        self.start()

    def crash(self) -> None:
        """SIGKILL of the postmaster and of every process of it, as a power cut of this machine alone; not started."""
        assert self._process is not None
        pid = self._process.pid
        # Stopped first, so that it starts nothing new and notices nothing.
        self._process.send_signal(signal.SIGSTOP)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._process.kill()
        self._process.wait(10)
        self._process = None
        for child in map(int, children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{child}").exists() and not _zombie(child) for child in children):
            assert time.monotonic() < deadline, "a process of the cluster lives on"
            time.sleep(0.02)

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.stop(number=signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """For our programs and for psycopg."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        """The URL of an empty database of its own."""
        self._databases += 1
        name = f"kaofen_{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")  # type: ignore[call-overload]
        return self.url(name)

    def drop(self, url: str) -> None:
        """Also when something still holds a connection."""
        name = url.rpartition("/")[2]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[call-overload]

    def backends(self, url: str) -> list[int]:
        """Pids of the server's processes that serve this database."""
        with psycopg.connect(self.url("postgres")) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s", (url.rpartition("/")[2],)
            ).fetchall()
        return [int(pid) for (pid,) in rows]


@contextlib.contextmanager
def running_postgres() -> Iterator[RealPostgres]:
    """One cluster for as long as the block lasts."""
    made = RealPostgres()
    try:
        yield made
    finally:
        made.close()


def _zombie(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _unprivileged() -> tuple[int, int] | None:
    """Another user when this one is root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return found.pw_uid, found.pw_gid
    raise AssertionError("root may not run PostgreSQL, and there is neither a user postgres nor nobody")
