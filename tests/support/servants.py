"""Programs whose imports are paid once: one process imports, and everybody who asks gets a fork of it as a servant.

    test ──address──> the program, imported ──fork──> servant        a line in, a line out, over a socket of its own

One such process per program and per worker of the suite lives as long as the worker: when its stdin ends, so does it.
A servant ends when its socket does. What it forks in turn has neither.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = os.path.dirname(__file__)  # noqa: PTH120  # beside the words of a PYTHONPATH


class Servant:
    """A fork of `program`, which is imported already."""

    def __init__(self, program: str | Path) -> None:
        with connected(str(program)) as line:
            self._in, self._out = line.makefile("r"), line.makefile("w")

    def say(self, line: str) -> None:
        """One request."""
        self._out.write(line + "\n")
        self._out.flush()

    def hear(self) -> str:
        """One answer."""
        return self._in.readline()

    def close(self) -> None:
        """It ends when what it does is done."""
        self._out.close()
        self._in.close()


def connected(*words: str) -> socket.socket:
    """A line to a fork of a program, begun with these words."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.connect(_imported(*words))
    return line


@cache
def _imported(*words: str) -> str:
    """Where the process listens that has imported the program."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([HERE, *sys.path])}
    process = subprocess.Popen(
        [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address, f"{words} did not start"
    atexit.register(process.communicate)
    return f"\0{address}"


def serve_forks(work: Callable[[], None]) -> None:
    """In the program: for each who connects, `work` in a fork, with the socket as stdin and stdout."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind("")  # the kernel finds a free name, of no file
        listener.listen()
        sys.stdout.write(listener.getsockname()[1:].decode() + "\n")
        sys.stdout.flush()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a servant
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            line, _ = listener.accept()
            with line:
                if os.fork() == 0:
                    listener.close()
                    _serve(line, work)


def _serve(line: socket.socket, work: Callable[[], None]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for stream in (sys.stdin, sys.stdout):
        os.dup2(line.fileno(), stream.fileno())
    line.close()
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001  # the fork must never return into the listening loop
        traceback.print_exc()
    finally:
        os._exit(code)
