"""Starts `kaofen-server` many times without paying its imports each time: a servant forks one process per request.

One JSON line in: {"argv", "failpoints", "stdout", "stderr"}. Two lines out: the child's pid, then its exit code as
`waitpid` tells it. Every child is a process of its own that a test may kill.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys

from command_zygote import preload
from servants import serve_forks

import server.cli
from scorelog.journal import failpoints


def main() -> None:
    """Until end of input."""
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            for number, name in ((1, "stdout"), (2, "stderr")):
                os.dup2(os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
            faulthandler.register(signal.SIGUSR1, all_threads=True)  # a process that hangs says where
            failpoints.arm(asked["failpoints"])
            sys.argv = ["kaofen-server", *asked["argv"]]
            code = 0
            try:
                server.cli.main()
            except SystemExit as done:
                code = done.code if isinstance(done.code, int) else 1
            finally:
                sys.stdout.flush()
                os._exit(code)
        _say(pid)
        _say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    preload("kaofen-server")
    serve_forks(main)
