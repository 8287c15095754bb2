"""How long gateway and server need after a SIGKILL under load until they answer, beside a bare Python start."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from world import BIN, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from world import Service

ROUNDS = 8
BARE = {"gateway": "import aiohttp, cryptography", "server": "import fastapi, sqlalchemy, uvicorn"}


def seconds(act: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def bare_start(libraries: str) -> float:
    """A Python process that only imports the libraries."""
    return seconds(lambda: subprocess.run([BIN / "python", "-c", libraries], check=True))


def restart(world: World, service: Service, answers: Callable[[], bool]) -> float:
    """Kill it in the middle of exams, start it, wait for its first answer."""
    for rig in world.press(cmd="rigs")["rigs"]:
        world.press(cmd="exam", rig=rig["serial"])
    time.sleep(0.5)  # under load, at no particular moment
    service.kill()

    def back() -> None:
        service.start()
        world.wait(f"the {service.name} answers", answers, 30)

    return seconds(back)


def main() -> int:
    """Median and maximum of some rounds."""
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as name:
        world = World(Path(name), backoff_cap_s=1)
        try:
            world.build_server()
            rigs = world.start_fleet("--rigs", "12", "--exams", "12", "--speed", "120", "--stay")
            world.build_gateway(rigs)
            world.server.start()
            world.wait("the server answers", world.serving, 30)
            world.gateway.start()
            world.wait("the gateway answers", lambda: world.gateway_status() is not None, 30)
            answering = {
                "gateway": (world.gateway, lambda: world.gateway_status() is not None),
                "server": (world.server, world.serving),
            }
            for what, (service, answers) in answering.items():
                bare = statistics.median(bare_start(BARE[what]) for _ in range(3))
                times = [restart(world, service, answers) for _ in range(ROUNDS)]
                median = statistics.median(times)
                print(
                    f"{what:8s} after SIGKILL: median {median:.2f} s, max {max(times):.2f} s of {ROUNDS}"
                    f" = {median / bare:.1f} x a bare start of its libraries ({bare:.2f} s)"
                )
        finally:
            world.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
