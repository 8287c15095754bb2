"""Hours of exams: what memory, descriptors, threads and write-ahead logs do, and that nothing is lost.

    script/bench soak --minutes 10 [--write]
    script/bench soak --hours 24 --csv soak.csv

A whole exam point as processes: server, broker, two gateways, rigs on both wires whose candidates never end, a live
page that comes back every second, an operator who asks the API. The second gateway is stopped, killed and stalled in
turn. In the end nobody comes any more, and rigs, logs and server are compared record by record. Slopes are least
squares with a 95 % bound, without the first part of the time, in which everything is still warming up (kit/slopes.py).
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import demo
from broker import Broker
from kit import soak_page
from kit.figures import Aim, Report
from kit.people import cookie
from kit.samples import Samples, read
from kit.slopes import slope
from kit.soaking import Crowd, Disturber, Reader, ask_at_once, judge, look, watched
from world import OPERATOR, PASSWORD, World, WorldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kit.samples import Sample

EVERY_S: Final = 2.0
TICK_S: Final = 0.5
WARM: Final = 0.5  # this share of the time does not count: pools and page caches fill
DISTURBED_EVERY_S: Final = 45.0
READER_STAYS_S: Final = 1.0
KB_PER_1000: Final = 50  # B16
WAL_MIB_MAX: Final = 64  # B16
GROWING: Final = (("descriptors", "descriptors", ""), ("threads", "threads", ""), ("wal_mb", "write-ahead logs", "MiB"))


def options() -> argparse.Namespace:
    """The command line; `--help` is its page."""
    parser = argparse.ArgumentParser(prog="script/bench soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=0, help="how long (default 10)")
    parser.add_argument("--hours", type=float, default=0, help="more of it")
    parser.add_argument("--modbus", type=int, default=8, help="rigs on Modbus TCP (default 8)")
    parser.add_argument("--mqtt", type=int, default=4, help="rigs on MQTT (default 4)")
    parser.add_argument("--speed", type=float, default=600, help="exam seconds per second (default 600)")
    parser.add_argument("--seed", type=int, default=7, help="seed of candidates and items (default 7)")
    parser.add_argument("--csv", type=Path, help="keep the samples here")
    parser.add_argument("--write", action="store_true", help="make docs/soak.md and its plot anew")
    given = parser.parse_args()
    given.seconds = 60 * given.minutes + 3600 * given.hours or 600
    return given


def build(world: World, arguments: argparse.Namespace) -> None:
    """As the demo does, with rigs that stay."""
    numbers = {"modbus": arguments.modbus, "mqtt": arguments.mqtt, "candidates": arguments.modbus + arguments.mqtt}
    told = SimpleNamespace(**numbers, seed=arguments.seed, speed=arguments.speed, once=False, wires="two", rough=False)
    demo.build(world, told, lambda said: print(said, flush=True))  # type: ignore[arg-type]  # only what it reads


def run(world: World, seconds: float, samples: Samples) -> dict[str, int]:
    """Let it go on for so long, then to its end; what was done."""
    crowd = Crowd(world)
    reader = Reader(world, cookie(world.ca, world.people_port, OPERATOR, PASSWORD), READER_STAYS_S)
    disturber = Disturber(world.boxes[1].service, DISTURBED_EVERY_S)
    for _ in range(3):
        ask_at_once(world)
    begun, sampled, turn = time.monotonic(), 0.0, 0
    try:
        while time.monotonic() - begun < seconds:
            crowd.tick()
            disturber.tick()
            look(world, turn)
            turn += 1
            if time.monotonic() - sampled >= EVERY_S:
                sampled = time.monotonic()
                samples.take(watched(world, disturber.life), crowd.records)
            time.sleep(TICK_S)
    finally:
        disturber.end()
        reader.close()
    crowd.settle()
    done = {"seconds": round(seconds), "records": crowd.records, "reconnects of the live page": reader.connects}
    return {**done, "events read": reader.events, "restarts, kills and stalls": disturber.done, "questions": turn}


def figures(report: Report, taken: dict[str, list[Sample]]) -> None:
    """The slopes of each process that lived all the time, and the largest write-ahead log of each."""
    for process, samples in taken.items():
        if samples[-1].life == 1:
            slopes(report, process, samples)
        wal = max(one.wal_mb for one in samples)
        report.add(f"{process}: write-ahead logs, at most", wal, "MiB", aim=Aim("<=", WAL_MIB_MAX))


def slopes(report: Report, process: str, samples: Sequence[Sample]) -> None:
    """Of one process."""
    warm = [one for one in samples if one.at_s >= samples[0].at_s + WARM * (samples[-1].at_s - samples[0].at_s)]
    hours = [one.at_s / 3600 for one in warm]
    cpu = 1e6 * (warm[-1].cpu_s - warm[0].cpu_s) / max(1, warm[-1].records - warm[0].records)
    memory = slope([one.records / 1000 for one in warm], [one.rss_mb * 1024 for one in warm])
    report.add(
        f"{process}: RSS per 1,000 records",
        memory.value,
        "KiB",
        cpu_us=cpu,
        aim=Aim("<=", KB_PER_1000),
        note=f"± {memory.bound:.1f}; RSS {warm[-1].rss_mb:.1f} MiB at the end, CPU per record",
    )
    memory = slope(hours, [one.rss_mb for one in warm])
    report.add(f"{process}: RSS per hour", memory.value, "MiB", note=f"± {memory.bound:.2f}")
    for name, told, unit in GROWING:
        grown = slope(hours, [float(getattr(one, name)) for one in warm])
        # Nothing may grow for sure: the lower end of the 95 % bound is at or below zero. A write-ahead log may, up to
        # its checkpoint: what counts there is how large it gets.
        report.add(
            f"{process}: {told} per hour, lower 95 % bound",
            grown.value - grown.bound,
            unit,
            aim=None if unit else Aim("<=", 0),
            note=f"{grown.value:.2f} ± {grown.bound:.2f}; {getattr(warm[-1], name):g} at the end",
        )


def soak(world: World, arguments: argparse.Namespace, csv: Path) -> int:
    """Build, run, judge, tell; the exit status."""
    build(world, arguments)
    samples = Samples(csv)
    try:
        done = run(world, arguments.seconds, samples)
    finally:
        samples.close()
    verdict = judge(world)
    report, taken = Report("soak"), read(csv)
    figures(report, taken)
    for name, count in {**done, **verdict.counts}.items():
        print(f"{count:10,d}  {name}")
    for fault in verdict.faults[:40]:
        print(f"     WRONG  {fault}")
    if arguments.write:
        soak_page.write(report.figures, taken, {**done, **verdict.counts}, verdict.faults)
    return 0 if verdict.ok else 1


def main() -> int:
    """Stop everything whatever happened."""
    arguments = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the finally below, also in the middle of a day
    with tempfile.TemporaryDirectory(prefix="kaofen-soak-") as name:
        folder = Path(name)
        world = World(folder, backoff_cap_s=2, gateways=demo.GATEWAYS)
        if arguments.mqtt:
            world.broker = Broker(folder)
        try:
            return soak(world, arguments, arguments.csv or folder / "soak.csv")
        except WorldError as error:
            print(f"FAILED: {error}")
            return 1
        finally:
            world.close()


if __name__ == "__main__":
    sys.exit(main())
