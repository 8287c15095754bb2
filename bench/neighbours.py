"""What a bad rig costs its neighbours: the same rigs with and without some that are silent, send halves or noise.

    script/bench neighbours [--rigs 20] [--seconds 12]

Over TCP a real gateway records exams of a whole fleet; its own latency from the first reading of a record to the
durable entry is compared between two runs of the same seed, the second with three bad rigs among them, which give no
record. On a bus (RTU over TCP) each good unit is read four times a second, more or less, and every reading is timed,
from its place in the queue to its words: alone; beside a silent unit, which the bus's breaker leaves alone more and
more; and beside one that talks behind each of its answers, into the turn of whoever is asked next. Only the ratios
count.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kit.alone import fleet, gateway
from kit.figures import Aim, Report
from kit.histograms import Scrape
from kit.wires import PROFILE, WORDS
from scripted_bus import ScriptedBus
from scripted_rig import ScriptedRig
from service import WorldError

from device_adapters.errors import AdapterError
from device_adapters.language.profile import load_profile
from device_adapters.modbus.bus_place import BusPlace, open_bus
from device_adapters.modbus.bus_wire import BusWire

if TYPE_CHECKING:
    from kit.figures import Figure
    from scripted_rig import Answer

BAD: Final = ("LV-0001=silent", "LV-0002=half-frame:1", "LV-0003=garbage-before:1")
DURABLE: Final = "kaofen_first_read_to_durable_seconds"
UNITS: Final = 4
TALKER: Final = 1
ANSWER_S: Final = 0.02  # request and answer at 57,600 baud
BEHIND_S: Final = 0.01
MORE: Final = bytes.fromhex("0103020000")
POLL_S: Final = 0.25
WARM_UP_S: Final = 8.0
AGAIN_S: Final = 1.0  # until a unit that failed is asked again


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="script/bench neighbours", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rigs", type=int, default=20, help="rigs of the fleet over TCP (default 20)")
    parser.add_argument("--seconds", type=float, default=12, help="measured time of each run (default 12)")
    return parser.parse_args()


def blocks(rigs: list[dict[str, Any]]) -> str:
    """Rigs as settings."""
    return "\n".join(
        f'[[rig]]\nserial = "{rig["serial"]}"\nstation = "{rig["station"]}"\nprofile = "{PROFILE.stem}"\n'
        f'host = "{rig["host"]}"\nport = {rig["port"]}\nunit = {rig["unit"]}\nsource = "simulator"\n'
        for rig in rigs
    )


def recorded(arguments: argparse.Namespace, *faults: str) -> dict[str, float]:
    """Latencies of one run, ms; and how many records of good rigs came."""
    words = [word for fault in faults for word in ("--fault", fault)]
    many = ("--rigs", str(arguments.rigs), "--exams", str(arguments.rigs * 8), "--practice", "0", "--reboots", "0")
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as name:
        folder = Path(name)
        with (
            fleet(folder / "fleet", *many, "--speed", "30", *words) as rigs,
            gateway(folder / "box", blocks(rigs), lambda _status: True) as running,
        ):
            time.sleep(WARM_UP_S)
            page = f"http://127.0.0.1:{running.port}/metrics"
            before = Scrape.of(page)
            time.sleep(arguments.seconds)
            spread = Scrape.of(page).since(before, DURABLE)
            return {"p50": 1000 * spread.at(0.5), "p99": 1000 * spread.at(0.99), "records": spread.count}


def over_tcp(report: Report, arguments: argparse.Namespace) -> None:
    """Both runs and their ratios."""
    alone, beside = recorded(arguments), recorded(arguments, *BAD)
    for percent in ("p50", "p99"):
        good = report.add(
            f"tcp: first read to durable, all rigs good, {percent}", alone[percent], "ms",
            note=f"{alone['records']:.0f} records",
        )  # fmt: skip
        report.add(
            f"tcp: the same beside {len(BAD)} bad rigs, {percent}", beside[percent], "ms", yardstick=good,
            note=f"{beside['records']:.0f} records",
        )  # fmt: skip
        report.add(f"tcp: bad over good, {percent}", beside[percent] / alone[percent], "x", aim=Aim("<=", 1.5))


def on_a_bus(report: Report, arguments: argparse.Namespace) -> None:
    """The good units' readings, alone and beside a silent one."""
    found: dict[bool, dict[int, Figure]] = {}
    for silent in (False, True):
        took = timed(arguments.seconds, silent=silent)
        name = f"bus: reading of a good unit, {'one of' if silent else 'all'} {UNITS} {'silent' if silent else 'good'}"
        found[silent] = report.latency(name, took, yardsticks=found.get(False), note=f"{len(took)} readings")
    # At most a ninth of the line is the dead unit's: the median does not see it, the tail does once in a while.
    ratio = found[True][50].value / found[False][50].value
    report.add("bus: beside a silent unit over alone, p50", ratio, "x", aim=Aim("<=", 1.5))


def timed(seconds: float, *, silent: bool) -> list[float]:
    """Seconds of every reading of the good units."""
    words = ("--fault", "LV-0001=silent") if silent else ()
    still = ("--rigs", str(UNITS), "--exams", "0", "--reboots", "0", "--practice", "0")
    with (
        tempfile.TemporaryDirectory(prefix="kaofen-bench-") as name,
        fleet(Path(name) / "fleet", *still, "--bus", "tcp", "--per-bus", str(UNITS), *words) as rigs,
    ):
        return asyncio.run(_readings(rigs, WARM_UP_S + seconds, seconds))


def beside_a_talker(report: Report, arguments: argparse.Namespace) -> None:
    """The good units' readings on a scripted line; its unit 1 says more bytes behind each answer, or does not."""
    alone = report.latency("bus: reading, scripted units, all good", asyncio.run(heard(arguments.seconds, 0)))
    took = asyncio.run(heard(arguments.seconds, TALKER))
    beside = report.latency(f"bus: the same, unit 1 talks on {1000 * BEHIND_S:.0f} ms later", took, yardsticks=alone)
    for percent in (50, 99):
        ratio = beside[percent].value / alone[percent].value
        # A ninth of the line is the talker's silence: the median does not see it, the tail is as long as it is.
        aim = Aim("<=", 1.5) if percent == 50 else None
        report.add(f"bus: beside a unit that talks on over alone, p{percent}", ratio, "x", aim=aim)


class Line(ScriptedBus):
    """The copper; one unit on it talks on, if any."""

    talker = 0

    def steps(self, request: bytes) -> Answer:
        """Behind the silence that proves the answer: into the turn of whoever is asked next."""
        return [ANSWER_S, *super().steps(request), *((BEHIND_S, MORE) if request[0] == self.talker else ())]


async def heard(seconds: float, talker: int) -> list[float]:
    """Seconds of every reading of the good units."""
    line = Line(*(ScriptedRig(f"LV-{unit:04d}", unit=unit) for unit in range(1, UNITS + 1)))
    line.talker = talker
    async with line.serve_tcp() as port:
        rigs = [{"host": "127.0.0.1", "port": port, "unit": n, "serial": rig.serial} for n, rig in line.units.items()]
        return await _readings(rigs, WARM_UP_S + seconds, seconds)


async def _readings(rigs: list[dict[str, Any]], all_s: float, kept_s: float) -> list[float]:
    """Of the last `kept_s` seconds: before, the breaker learns who is silent."""
    profile = load_profile(PROFILE.read_bytes())
    bus = open_bus(BusPlace("rtu-over-tcp", host=rigs[0]["host"], number=rigs[0]["port"]))
    took: list[float] = []
    chance = random.Random(7)  # noqa: S311 - equal pauses would lock in step with the silence of a bad unit
    end = time.monotonic() + all_s

    async def read(rig: dict[str, Any]) -> None:
        wire = BusWire.of(bus, rig["unit"], profile)
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                if not wire.connected:
                    await wire.connect()
                await wire.read(0, WORDS)
            except AdapterError:
                await asyncio.sleep(AGAIN_S)
                continue
            if rig["serial"] != "LV-0001" and began > end - kept_s:
                took.append(time.monotonic() - began)
            await asyncio.sleep(POLL_S * chance.uniform(0.5, 1.5))

    await asyncio.gather(*map(read, rigs))
    await bus.close()
    return took


def main() -> int:
    """TCP, then both buses."""
    arguments, report = options(), Report("neighbours")
    try:
        over_tcp(report, arguments)
        on_a_bus(report, arguments)
        beside_a_talker(report, arguments)
    except WorldError as error:
        print(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
