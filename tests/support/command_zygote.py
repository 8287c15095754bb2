"""`kaofen-…` whose imports are paid once: python command_zygote.py NAME; each servant makes one process of it.

One JSON line in, with stdin, stdout and stderr beside it: {"words", "env", "folder"}. One line out: the new process's
pid. It is nobody's child any more by then but that of the worker which asked (forked_commands.py), so that this one
waits for it and kills it like any process that it started itself.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from servants import serve_forks

from scorelog.journal import failpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

# The program, then what it imports only as it runs: typer asks pydantic when it is there, uvicorn its loop.
AS_IT_RUNS = ("encodings.idna", "pydantic.type_adapter", "uvloop", "zoneinfo")
MAINS = {
    "kaofen-gateway": ("gateway.cli", "device_adapters.latching.latched", *AS_IT_RUNS),
    "kaofen-server": ("server.cli", "server.app", "aiosqlite", "pydantic.v1", "uvicorn.lifespan.off", *AS_IT_RUNS),
    "kaofen-simulate": ("simulators.cli", *AS_IT_RUNS),
    "kaofen-verify": ("scorelog.verify.cli", "pydantic.type_adapter"),
}


def preload(name: str) -> None:
    """Everything that each process of this program would do alike."""
    for module in MAINS[name]:
        importlib.import_module(module)
    if name == "kaofen-server":
        sys.modules["server.app"].check_templates()  # remembers each text that it understood
    gc.freeze()  # none of it is ever garbage: a fork need not look, and so not copy


def _once() -> None:
    """One process, then nothing more of this servant."""
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as line:
        said, streams, _, _ = socket.recv_fds(line, 65_536, 3)
        while not said.endswith(b"\n"):
            said += line.recv(65_536)
        servant = os.getpid()
        if os.fork() == 0:
            while os.getppid() == servant:
                time.sleep(0.0005)
            line.sendall(b"%d\n" % os.getpid())
            _become(json.loads(said), streams)


def _become(asked: dict[str, object], streams: list[int]) -> NoReturn:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 256)
    words, env, folder = asked["words"], asked["env"], asked["folder"]
    os.environ.clear()
    os.environ.update(env)  # type: ignore[arg-type]
    os.chdir(str(folder))
    sys.argv = list(words)  # type: ignore[call-overload]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    failpoints.arm(os.environ.get(failpoints.VARIABLE, ""))
    _limit(os.environ)
    code: object = 0
    try:
        sys.modules[MAINS[NAME][0]].main()
    except SystemExit as done:
        code = done.code
    except BaseException:  # noqa: BLE001  # as an interpreter does at its edge
        sys.excepthook(*sys.exc_info())
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(int(code or 0))  # type: ignore[call-overload]


def _limit(env: Mapping[str, str]) -> None:
    """What the machine gives: so many descriptors, so many threads and then no more."""
    if most := env.get("KAOFEN_TEST_DESCRIPTORS"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(most), int(most)))
    if most := env.get("KAOFEN_TEST_THREADS"):
        left, begin = iter(range(int(most))), threading._start_new_thread  # type: ignore[attr-defined]

        def start(*words: object) -> object:
            if next(left, None) is None:
                raise RuntimeError("can't start new thread")  # as the interpreter does
            return begin(*words)

        threading._start_new_thread = start  # type: ignore[attr-defined]  # the interpreter's own seam


if __name__ == "__main__":
    NAME = sys.argv[1]
    preload(NAME)
    serve_forks(_once)
