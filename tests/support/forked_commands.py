"""Our commands as processes for tests: forks of one process per worker that has imported them.

Everything else is as ever: a pid of its own, a child of this process to wait for and to kill, its own words, settings,
streams and failpoints. That the installed commands start from nothing is shown by the demo's and the box's own tests.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import service
from command_zygote import MAINS
from servants import connected

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = Path(__file__).with_name("command_zygote.py")
PR_SET_CHILD_SUBREAPER = 36


class Forked(subprocess.Popen[Any]):
    """A process that was not begun here, and became a child of this process before its pid was told."""

    def __init__(self, line: list[str], streams: tuple[int, int, int], env: Mapping[str, str]) -> None:
        self._child_created = False  # what __del__ asks first
        asked = {"words": line, "env": dict(env), "folder": os.getcwd()}  # noqa: PTH109
        with connected(str(PROGRAM), Path(line[0]).name) as socked:
            socket.send_fds(socked, [json.dumps(asked).encode() + b"\n"], list(streams))
            with socked.makefile("r") as answer:
                self.pid = int(answer.readline())
        self.args = line
        self.stdin = self.stdout = self.stderr = None
        self.returncode = None
        self._input = None
        self._communication_started = False
        self._sigint_wait_secs = 0.25
        self._waitpid_lock = threading.Lock()
        self._child_created = True


class ForkedPrograms(service.Programs):
    """In place of new interpreters; a program of the machine, or a command not imported, is begun as ever."""

    def start(self, line: list[str], sink: Any, env: Mapping[str, str]) -> subprocess.Popen[Any]:
        if Path(line[0]).name not in MAINS:
            return super().start(line, sink, env)
        with Path(os.devnull).open("rb") as nothing:
            return Forked(line, (nothing.fileno(), sink.fileno(), sink.fileno()), env)

    def run(self, line: list[str], env: Mapping[str, str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        if Path(line[0]).name not in MAINS:
            return super().run(line, env, timeout_s)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open("rb") as nothing:
            process = Forked(line, (nothing.fileno(), out.fileno(), err.fileno()), env)
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                raise
            said = [stream.read().decode() for stream in (out, err) if stream.seek(0) == 0]
        return subprocess.CompletedProcess(line, code, *said)


def install() -> None:
    """From here on in this worker. Orphans of its own processes become its children, which is how this works."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
        service.programs = ForkedPrograms()
