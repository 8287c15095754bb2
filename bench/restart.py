"""How long gateway and server need after a SIGKILL under load until they answer, beside a bare Python start."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kit.figures import Aim, Report
from world import BIN, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from world import Service

ROUNDS = 8
READY_S = 5
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


def tell(report: Report, what: str, times: list[float]) -> None:
    """Median and maximum beside a bare start of what it imports; B7: ready within 5 s."""
    bare = report.add(
        f"bare start of the {what}'s libraries", statistics.median(bare_start(BARE[what]) for _ in range(3)), "s"
    )
    report.add(f"{what} after SIGKILL, median", statistics.median(times), "s", yardstick=bare)
    note = f"{len(times)} rounds"
    report.add(f"{what} after SIGKILL, longest", max(times), "s", yardstick=bare, aim=Aim("<=", READY_S), note=note)


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
            report = Report("restart")
            for what, (service, answers) in answering.items():
                tell(report, what, [restart(world, service, answers) for _ in range(ROUNDS)])
        finally:
            world.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
