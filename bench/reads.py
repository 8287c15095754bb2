"""Reads of registers: our wires beside a bare asyncio loop and bare pymodbus, over Modbus TCP and over a bus.

    script/bench reads [--seconds 6] [--units 4]

Each client is a process of its own, on uvloop like the gateway, and reads 48 words of the same simulated rigs, one
after the other, as fast as the line answers. Over TCP every unit has its own connection; on the bus (RTU over TCP) all
share one, and the bare ones are given what ours keeps for itself: one request at a time. Nothing bare checks more than
a length or a checksum; ours judges every byte, keeps the protocol's silence between frames (so that its reads/s on a
bus are the line's, not the machine's) and counts. CPU per read is what can be compared. Whoever keeps the silence goes
to sleep and wakes with cold caches once more for each read; what that alone costs is the bare client that does so.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kit import wires
from kit.figures import Aim, Report
from world import World, WorldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kit.figures import Figure

MOST_US: Final = 100  # of CPU per 40-register read, all in
LINES: Final = {"tcp": (), "bus": ("--bus", "tcp", "--per-bus", "64")}
BESIDE: Final = {"pymodbus": "bare pymodbus", "silence": "bare asyncio that keeps the silence"}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="script/bench reads", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=6, help="of each client (default 6)")
    parser.add_argument("--units", type=int, default=4, help="rigs that are read (default 4)")
    return parser.parse_args()


def rigs_of(world: World, units: int, words: Sequence[str]) -> list[dict[str, Any]]:
    """Where a fleet that stands still listens."""
    return world.start_fleet("--rigs", str(units), "--exams", "0", "--reboots", "0", "--practice", "0",
                             "--stay", "--quiet", *words)  # fmt: skip


def measure(report: Report, line: str, arguments: argparse.Namespace) -> None:
    """All clients at one fleet, one after the other."""
    folder = Path(tempfile.mkdtemp(prefix="kaofen-bench-"))
    world = World(folder)
    try:
        rigs_of(world, arguments.units, LINES[line])
        beside: dict[str, Figure] = {}
        for kind, name in wires.KINDS.items():
            if kind == "silence" and line == "tcp":  # there is none to keep
                continue
            answer = wires.run(kind, line, world.ready, arguments.seconds)
            ours = kind == "ours"
            figure = report.add(
                f"{line}: {name}",
                answer["reads"] / answer["wall_s"],
                "/s",
                cpu_us=1e6 * answer["cpu_s"] / answer["reads"],
                yardstick=beside.get("pymodbus") if ours else None,
            )
            beside[kind] = figure
        _shares(report, line, beside)
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)


def _shares(report: Report, line: str, clients: dict[str, Figure]) -> None:
    """One read of ours, alone and beside the bare ones."""
    ours_us = clients["ours"].cpu_us or 0.0
    report.add(f"{line}: CPU of one read of ours", ours_us, "µs", aim=Aim("<=", MOST_US))
    for kind, name in BESIDE.items():
        bare_us = clients[kind].cpu_us if kind in clients else None
        if bare_us:
            report.add(f"{line}: CPU of one read, of {name}", ours_us / bare_us, "x")


def main() -> int:
    """Both lines."""
    arguments, report = options(), Report("reads")
    try:
        for line in LINES:
            measure(report, line, arguments)
    except (WorldError, json.JSONDecodeError) as error:
        print(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
