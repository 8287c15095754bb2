"""A Mosquitto without names and rules on a free loopback port, for tests of rigs and not of the broker's file."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from parts import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_S = 10.0


class PlainMosquitto:
    """Anybody may do anything; nothing survives the process."""

    def __init__(self, folder: Path) -> None:
        program = find_program("mosquitto")
        assert program is not None, "missing part: mosquitto"
        self._program = program
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._file = folder / "plain-mosquitto.conf"
        self._file.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it takes connections."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._file)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + START_S
        while True:
            assert self._process.poll() is None, "the broker ended"
            assert time.monotonic() < deadline, "the broker does not take connections"
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: all it knew is gone."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(signal.SIGKILL)
            process.wait(10)


@contextlib.contextmanager
def plain_mosquitto(folder: Path) -> Iterator[PlainMosquitto]:
    """One broker for as long as the block lasts."""
    broker = PlainMosquitto(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
