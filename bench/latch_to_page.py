"""Milliseconds from a rig's latch to the change in the live page, in a real Chromium, beside what rules them.

    script/bench latch_to_page [--scores 200] [--folder DIR]

Starts certificates, server, gateway, three simulated rigs and Chromium, presses buttons at irregular moments and
prints p50, p95 and p99 of every stage, of the same scores. Two yardsticks of the same machine and minute stand beside
them: the poll period of the rig profile (a latch waits half of it on average) and a raw write with fdatasync in the
folder of the databases (the way of a score has two such waits: the gateway's log and the server's evidence).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import tomllib
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from latch_round import Round, build_hall, percentile
from playwright.sync_api import sync_playwright
from watched_page import WatchedPage
from world import PROFILE, ROOT, World, WorldError

if TYPE_CHECKING:
    from collections.abc import Sequence

WRITES = 200
WRITE_BYTES = 4096
POLL_KEYS = ("open", "running", "finished")


def options() -> argparse.Namespace:
    """The command line; `--help` is its page."""
    parser = argparse.ArgumentParser(prog="script/bench latch_to_page", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scores", type=int, default=200, help="scores to latch (default 200)")
    parser.add_argument("--seed", type=int, default=7, help="seed of presses and pauses (default 7)")
    parser.add_argument("--folder", type=Path, help="where the databases stand (default: a temporary folder)")
    return parser.parse_args()


def poll_period_ms() -> dict[str, int]:
    """How often the profile reads a rig, by the rig's state."""
    text = (ROOT / "device_adapters" / "profiles" / f"{PROFILE}.toml").read_text("utf-8")
    by_state: dict[str, int] = tomllib.loads(text)["poll"]["by_state"]
    return {state: by_state[state] for state in POLL_KEYS}


def raw_writes_ms(folder: Path) -> list[float]:
    """The yardstick: one page appended and forced to the device, again and again."""
    took = []
    path = folder / "yardstick"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        for _ in range(WRITES):
            began = time.perf_counter()
            os.write(handle, b"k" * WRITE_BYTES)
            os.fdatasync(handle)
            took.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(handle)
        path.unlink()
    return took


def stages_ms(world: World, work: Round, watched: WatchedPage) -> dict[str, list[float]]:
    """Every stage of every score. The gateway's and the server's times are those that entries and API hold."""
    stored: dict[str, dict[str, Any]] = {}
    after = ""
    while True:
        page = world.api(f"/api/v1/items?limit=500{after}")
        stored |= {f"{one['origin_hash']}/{one['index']}": one for one in page["items"]}
        if not page["next"]:
            break
        after = f"&after={page['next']}"
    stages: dict[str, list[float]] = {
        "latch → read": [], "read → received": [], "received → page": [], "latch → page": [], "latch → receipted": []
    }  # fmt: skip
    latched = {one.text: one.latched_at_us / 1000 for one in work.scores}
    for shown in watched.scores():
        at, item = latched[shown.points], stored[shown.name]
        read, received = _ms(item["read_at"]), _ms(item["received_at"])
        steps = (read - at, received - read, shown.at_ms - received, shown.at_ms - at, (shown.receipted_ms or 0) - at)
        for stage, took in zip(stages, steps, strict=True):
            stages[stage].append(took)
    seen = watched.deductions()
    stages["deduction → page"] = [seen[d.rig, d.item, d.text] - d.latched_at_us / 1000 for d in work.deductions]
    return stages


def _ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000


def row(name: str, values: Sequence[float]) -> str:
    """One line of the table."""
    marks = [percentile(values, share) for share in (0.5, 0.95, 0.99)]
    return f"{name:22s}" + "".join(f"{mark:9.1f}" for mark in marks) + f"{max(values):9.1f}{len(values):7d}"


def measure(world: World, arguments: argparse.Namespace) -> None:
    """Build, press, and print the table."""
    build_hall(world)
    work = Round(world, Random(arguments.seed))  # noqa: S311 - presses, not keys
    before = raw_writes_ms(world.directory)
    with sync_playwright() as playwright, WatchedPage(playwright, f"https://localhost:{world.people_port}") as watched:
        work.run(arguments.scores, watched.wait_deduction)
        watched.wait_scores(arguments.scores)
        if not watched.untouched() or watched.complaints:
            raise WorldError(f"the page was reloaded or complained: {watched.complaints}")
        stages = stages_ms(world, work, watched)
    print(f"{'milliseconds':22s}{'p50':>9s}{'p95':>9s}{'p99':>9s}{'max':>9s}{'n':>7s}")
    for name, values in stages.items():
        print(row(name, values))
    print(row("raw 4 KiB fdatasync", before + raw_writes_ms(world.directory)))
    polls = poll_period_ms()
    told = ", ".join(f"{state} {period} ms" for state, period in polls.items())
    print(f"poll period of {PROFILE}: {told}; half of it, {polls['running'] / 2:.0f} ms, is what a latch waits at p50")


def main() -> int:
    """Measure, and stop everything whatever happened."""
    arguments = options()
    folder = Path(tempfile.mkdtemp(prefix="kaofen-bench-", dir=arguments.folder))
    world = World(folder)
    try:
        measure(world, arguments)
    except WorldError as error:
        print(f"FAILED: {error}")
        return 1
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
