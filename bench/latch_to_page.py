"""Milliseconds from a rig's latch to the change in the live page, in a real Chromium, beside what rules them.

    script/bench latch_to_page [--scores 160] [--folder DIR]

Starts certificates, server, gateway, three simulated rigs and Chromium, presses buttons at irregular moments and tells
every stage, of the same scores. Two yardsticks of the same machine and minute stand beside them: half the poll period
of the rig profile (a latch waits that long on average) and a raw write with fdatasync in the folder of the databases
(the way of a score has two such waits: the gateway's log and the server's evidence).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from random import Random

from kit.figures import Report
from kit.latched import Shown, Stages
from kit.yardsticks import raw_disk
from latch_round import Round, build_hall
from playwright.sync_api import sync_playwright
from watched_page import WatchedPage
from world import PROFILE, ROOT, World, WorldError

POLLED_IN = "running"


def options() -> argparse.Namespace:
    """The command line; `--help` is its page."""
    parser = argparse.ArgumentParser(prog="script/bench latch_to_page", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scores", type=int, default=160, help="scores to latch (default 160)")
    parser.add_argument("--seed", type=int, default=7, help="seed of presses and pauses (default 7)")
    parser.add_argument("--folder", type=Path, help="where the databases stand (default: a temporary folder)")
    return parser.parse_args()


def half_a_poll_ms() -> float:
    """What a latch waits at p50 before anybody can know of it."""
    text = (ROOT / "device_adapters" / "profiles" / f"{PROFILE}.toml").read_text("utf-8")
    by_state: dict[str, int] = tomllib.loads(text)["poll"]["by_state"]
    return by_state[POLLED_IN] / 2


def measure(world: World, arguments: argparse.Namespace, report: Report) -> None:
    """Build, press, tell."""
    build_hall(world)
    work = Round(world, Random(arguments.seed))  # noqa: S311 - presses, not keys
    raw_disk(report, world.directory)
    report.add("half a poll period of a running rig", half_a_poll_ms(), "ms")
    with sync_playwright() as playwright, WatchedPage(playwright, f"https://localhost:{world.people_port}") as watched:
        work.run(arguments.scores, watched.wait_deduction)
        watched.wait_scores(arguments.scores)
        if not watched.untouched() or watched.complaints:
            raise WorldError(f"the page was reloaded or complained: {watched.complaints}")
        seen, deducted = watched.scores(), watched.deductions()
    shown = [Shown(one.name, one.points, one.at_ms) for one in seen]
    Stages(world, work, shown).add_to(report, "page", aims={99: 250})
    at_ms = {one.text: one.latched_at_us / 1000 for one in work.scores}
    receipted = [(one.receipted_ms - at_ms[one.points]) / 1000 for one in seen if one.receipted_ms is not None]
    report.latency("rig latched → receipted in the page", receipted)
    pressed = [deducted[one.rig, one.item, one.text] / 1000 - one.latched_at_us / 1e6 for one in work.deductions]
    report.latency("deduction latched → page", pressed)


def main() -> int:
    """Measure, and stop everything whatever happened."""
    arguments = options()
    folder = Path(tempfile.mkdtemp(prefix="kaofen-bench-", dir=arguments.folder))
    world = World(folder)
    try:
        measure(world, arguments, Report("latch_to_page"))
    except WorldError as error:
        print(f"FAILED: {error}")
        return 1
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
