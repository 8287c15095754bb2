"""A real gateway process without a server, and a fleet of simulated rigs: all that a figure of the edge alone needs."""

from __future__ import annotations

import json
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway_world import World as Box
from service import Service, WorldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

READY_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Running:
    """One gateway: its process, and where its local pages are."""

    pid: int
    port: int


@contextmanager
def gateway(folder: Path, blocks: str, ready: Callable[[Mapping[str, Any]], bool]) -> Iterator[Running]:
    """With these blocks of settings; `ready` judges its status. Nothing is sent, which no acknowledgement waits for."""
    folder.mkdir(parents=True)
    box = Box(folder, ())
    box.configure(box.config_file.read_text() + "\n" + blocks)
    service = Service("gateway", ("kaofen-gateway", "run", str(box.config_file)), folder / "gateway.log")
    service.start()
    try:
        port = _wait(lambda: _port(box.config.data / "run.json", ready), service)
        if service.process is None:
            raise WorldError("the gateway has no process")
        yield Running(service.process.pid, port)
    finally:
        service.stop()


@contextmanager
def fleet(folder: Path, *options: str) -> Iterator[list[dict[str, Any]]]:
    """`kaofen-simulate fleet` with these options: where its rigs listen."""
    folder.mkdir(parents=True)
    ready, truth = folder / "ready.json", folder / "truth.jsonl"
    words = ("kaofen-simulate", "fleet", "--truth", str(truth), "--ready", str(ready), "--stay", "--quiet", *options)
    service = Service("fleet", words, folder / "fleet.log")
    service.start()
    try:
        _wait(ready.exists, service)
        yield json.loads(ready.read_text("utf-8"))["rigs"]
    finally:
        service.stop()


def _port(run_file: Path, ready: Callable[[Mapping[str, Any]], bool]) -> int:
    """Of the local pages, once it is ready; else 0."""
    try:
        port = int(json.loads(run_file.read_text("utf-8"))["port"])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
            return port if ready(json.loads(answer.read())) else 0
    except (OSError, ValueError):
        return 0


def _wait(look: Callable[[], int], service: Service) -> int:
    until = time.monotonic() + READY_S
    while not (found := look()):
        if time.monotonic() > until or not service.running():
            raise WorldError(f"{service.name} is not ready\n{service.tail()}")
        time.sleep(0.2)
    return found
