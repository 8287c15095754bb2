"""Commands of ours as processes: run to their end, or kept running with a log file and a life of their own.

Every process is started here and stopped by its own pid.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent


_PORTS = range(20_000, 32_000)  # below those of outgoing connections (ip_local_port_range begins at 32768)
_TRIES = 200
_CHANCE = random.SystemRandom()  # tests seed the common one alike in every process


class WorldError(RuntimeError):
    """A command of the world failed; the message holds its output."""


def free_port() -> int:
    """A TCP port that nobody has right now, and that no outgoing connection is given before it is listened on."""
    for port in _CHANCE.sample(_PORTS, _TRIES):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise WorldError(f"none of {_TRIES} ports from {_PORTS.start} to {_PORTS.stop - 1} is free")


class Programs:
    """How a command becomes a process: an interpreter of its own, as everybody starts it."""

    def run(self, line: list[str], env: Mapping[str, str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """To its end."""
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=timeout_s, env=env)

    def start(self, line: list[str], sink: IO[bytes], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Left to run."""
        return subprocess.Popen(line, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env)


programs = Programs()  # tests put one in its place that pays the imports of our commands once


def command(*words: str | Path, env: dict[str, str] | None = None, check: bool = True) -> str:
    """Run one of our commands to its end and return what it printed."""
    line = [str(BIN / str(words[0])), *(str(word) for word in words[1:])]
    done = programs.run(line, {**os.environ, **(env or {})}, 120)
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
        """Start it, its output appended to the log file. A word with a whole path is a program of the machine."""
        with self.log.open("ab") as sink:
            line = [str(BIN / self.words[0]), *self.words[1:]]
            self.process = programs.start(line, sink, {**os.environ, **self.env})

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
