"""`kaofen-gateway run`: wires the real clock, disk, network and rigs together; the end becomes an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import structlog

from gateway import logs
from gateway.app import App, Parts, hard_exit, install_signals
from gateway.errors import ConfigError, Exhausted
from gateway.garbage import settle
from gateway.lifecycle import Start
from gateway.notify import Notifier
from gateway.recording.freeze import Freezer
from gateway.recording.opening import open_gateway_log
from gateway.recording.readonly import older_generations
from gateway.reload import read_setup
from gateway.resources import take_descriptors, take_threads, told
from gateway.sending.transport import HttpsClient
from gateway.supervising.wires import Wires
from scorelog.journal import failpoints
from scorelog.journal.clock import SystemClock
from scorelog.journal.errors import LogUntrusted
from scorelog.journal.files import replace_synced

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.reload import Setup

_log = structlog.get_logger("gateway")


def software() -> str:
    """Name and version, as entries and heartbeats have it."""
    try:
        return f"kaofen-gateway/{version('kaofen')}"
    except PackageNotFoundError:
        return "kaofen-gateway/unknown"


def run(config_file: Path) -> int:
    """Until stopped; the exit code. Raises ConfigError and the journal's refusals before anything is recorded."""
    logs.configure()
    if unknown := failpoints.unregistered():
        raise ConfigError(f"{failpoints.VARIABLE} names unknown failpoints: {', '.join(unknown)}")
    setup = read_setup(config_file)
    take_descriptors(setup.config)
    runner = asyncio.Runner(loop_factory=None if setup.config.brokers else _loop_factory())
    try:
        with told():
            code = runner.run(_run(setup, partial(read_setup, config_file)))
    except Exhausted:
        raise  # the loop is left as it is: it closes by one thread more, and one that gets no memory never says so
    except BaseException:
        runner.close()
        raise
    if code:
        sys.stderr.flush()
        hard_exit(code)
    with contextlib.suppress(RuntimeError):  # everything is stored and said; there was no thread to end the others by
        runner.close()
    return code


async def _run(setup: Setup, read: Callable[[], Setup]) -> int:
    config = setup.config
    take_threads(asyncio.get_running_loop())
    clock, freezer = SystemClock(), Freezer(config.data)
    opened = open_gateway_log(config, freezer, clock)
    wires = Wires(config, setup.texts, setup.accounts, clock, setup.pushers)
    parts = Parts(
        log=opened.log,
        older=older_generations(config.log_directory),
        client=HttpsClient(config.server, clock, config.pace.request_timeout_s),
        clock=clock,
        rng=random.SystemRandom(),
        random=secrets.token_bytes,
        adapter=wires.adapter,
        wires=wires,
        read_setup=read,
        notifier=Notifier(os.environ),
        content_key=opened.content_key,
    )
    start = Start(secrets.token_hex(16), software(), opened.reason)
    try:
        app = App(config, setup.texts, parts, start, young_until_us=opened.young_until_us)
    except LogUntrusted as error:
        freezer.freeze(opened.log.origin, opened.log.size, str(error), clock.now_us())
        raise
    install_signals(app)
    app.on_ready = partial(_ready, config.data)
    try:
        return await app.run()
    finally:
        await wires.close()
        run_file(config.data).unlink(missing_ok=True)


def run_file(data: Path) -> Path:
    """Where a running process says which port its local pages have."""
    return data / "run.json"


def still_runs(data: Path) -> bool:
    """Whether the process that wrote the run file is alive: after a power cut or SIGKILL the file is left behind."""
    try:
        document = json.loads(run_file(data).read_bytes())
        if document["boot"] != SystemClock().boot_id():
            return False
        os.kill(int(document["pid"]), 0)
    except PermissionError:
        return True  # somebody else's process: alive
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _ready(data: Path, port: int) -> None:
    settle()
    _write_run_file(data, port)


def _write_run_file(data: Path, port: int) -> None:
    document = {"pid": os.getpid(), "port": port, "boot": SystemClock().boot_id()}
    replace_synced(run_file(data), json.dumps(document).encode())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster loop where it is installed; nothing depends on it.

    Not with a broker at the start: when a killed broker resets the connection, uvloop stops watching the socket without
    a word (libuv reports POLLERR as a bad handle), and only the look once a second tells (mqtt/connection.py).
    """
    try:
        import uvloop  # noqa: PLC0415 - optional on a gateway box
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
