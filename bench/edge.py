"""The edge: rigs read by a real gateway that sends to a real server, beside bare readers of the same fleet.

    script/bench edge [--rigs 100 500] [--seconds 20] [--period-ms 100]

A fleet of simulated Modbus rigs takes exams, sped up so that each rig latches a record about every 3 s; every rig is
read every 100 ms, whatever its state. The two latencies begin at the reading that first showed the record (the
status block), are taken by the gateway itself and come out of its metrics: to the entry, signed and fsynced; to the
server's receipt, verified and kept. At the end the rigs' truth file is compared with the gateway's log: every record
is there once, and a number that is missing there is inside a `sequence.gap`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kit import readers
from kit.cpu import cpu_s, rss_mb
from kit.figures import Aim, Report
from kit.histograms import Scrape
from kit.yardsticks import raw_disk
from world import PROFILE, ROOT, World, WorldError

from gateway.recording.readonly import open_read_only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit.figures import Figure

SPEED: Final = 30  # exam seconds per second: a record of each rig about every 3 s
PORTS_FROM: Final = 12_000  # below those that the system gives out, which the server waits for
PORTS_SPREAD: Final = 15_000
YARDSTICK_S: Final = 4.0
WARM_UP_S: Final = 6.0
BY_STATE: Final = "{ idle = 250, open = 100, running = 100, finished = 100, fault = 1000 }"
DURABLE: Final = "kaofen_first_read_to_durable_seconds"
RECEIPT: Final = "kaofen_first_read_to_receipt_seconds"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="script/bench edge", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rigs", type=int, nargs="+", default=[10, 100, 500], help="fleets (default 10, 100, 500)")
    parser.add_argument("--seconds", type=float, default=20, help="measured time of each fleet (default 20)")
    parser.add_argument("--period-ms", type=int, default=100, help="how often a rig is read (default 100)")
    parser.add_argument("--folder", type=Path, help="where the databases stand (default: a temporary folder)")
    parser.add_argument("--bare", action="store_true", help="without the yardsticks, for a profile")
    return parser.parse_args()


@dataclass(frozen=True, slots=True)
class Moment:
    """What the processes had used, read and counted at one instant."""

    wall_s: float
    cpu: dict[str, float]
    requests: int
    latched: int
    metrics: Scrape

    @classmethod
    def now(cls, world: World) -> Moment:
        """Take it; the metrics come last, they cost the gateway a little."""
        rigs = world.press(cmd="rigs")["rigs"]
        cpu = {name: cpu_s(pid) for name, pid in pids(world).items()}
        requests, latched = sum(rig["requests"] for rig in rigs), sum(rig["last_seq"] for rig in rigs)
        return cls(time.monotonic(), cpu, requests, latched, Scrape.of(f"http://127.0.0.1:{world.local_port}/metrics"))


def pids(world: World) -> dict[str, int]:
    """The processes of a world."""
    services = {"gateway": world.gateway, "server": world.server, "fleet": world.fleet}
    return {name: service.process.pid for name, service in services.items() if service.process is not None}


@contextmanager
def hall(arguments: argparse.Namespace, rigs: int) -> Iterator[World]:
    """Server, fleet and a gateway that is not started yet; read at one pace in every state."""
    folder = Path(tempfile.mkdtemp(prefix="kaofen-bench-", dir=arguments.folder))
    world = World(folder)
    try:
        world.build_server()
        found = world.start_fleet(
            "--rigs", str(rigs), "--exams", str(rigs * 4), "--practice", "0", "--reboots", "0",
            "--speed", str(SPEED), "--stay", "--quiet", "--port-base", str(PORTS_FROM + os.getpid() % PORTS_SPREAD),
        )  # fmt: skip
        world.build_gateway(found)
        _set_pace(world, arguments.period_ms)
        yield world
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)


def _set_pace(world: World, period_ms: int) -> None:
    text = (ROOT / "device_adapters" / "profiles" / f"{PROFILE}.toml").read_text("utf-8")
    states = ", ".join(f"{state} = {period_ms}" for state in ("idle", "open", "running", "finished", "fault"))
    if BY_STATE not in text:
        raise WorldError(f"the profile {PROFILE} has another pace than {BY_STATE}")
    (world.gateway_config.parent / "paced.toml").write_text(text.replace(BY_STATE, f"{{ {states} }}"), "utf-8")
    config = world.gateway_config.read_text("utf-8")
    world.gateway_config.write_text(config.replace(f'profile = "{PROFILE}"', 'profile = "paced.toml"'), "utf-8")


def bare_readers(report: Report, world: World, rigs: int, period_s: float) -> dict[str, Figure]:
    """What bare clients cost at the same fleet and pace; the rigs wait for a gateway meanwhile."""
    found = {}
    for kind, name in readers.KINDS.items():
        answer = readers.run(kind, world.ready, period_s, YARDSTICK_S)
        found[kind] = report.add(
            f"{rigs} rigs: {name}, reads",
            answer["reads"] / answer["wall_s"],
            "/s",
            cpu_us=1e6 * answer["cpu_s"] / answer["reads"],
            note=f"asked {rigs / period_s:,.0f}/s",
        )
    return found


def measure(report: Report, arguments: argparse.Namespace, rigs: int, disk: Figure) -> None:
    """One fleet."""
    period_s = arguments.period_ms / 1000
    with hall(arguments, rigs) as world:
        bare = {} if arguments.bare else bare_readers(report, world, rigs, period_s)
        world.server.start()
        world.wait("the server answers", world.serving, 60)
        world.gateway.start()
        world.wait("the gateway runs", (world.boxes[0].data / "run.json").exists, 60, needs=world.gateway)
        time.sleep(WARM_UP_S + rigs / 100)
        unasked_mb = rss_mb(pids(world)["gateway"])
        before = Moment.now(world)
        time.sleep(arguments.seconds)
        after = Moment.now(world)
        _rates(report, rigs, rigs / period_s, (before, after), bare)
        _latencies(report, rigs, before, after, disk)
        _memory(report, rigs, world, unasked_mb)
        _losses(report, rigs, world)


def _rates(report: Report, rigs: int, asked: float, span: tuple[Moment, Moment], bare: dict[str, Figure]) -> None:
    before, after = span
    wall = after.wall_s - before.wall_s
    requests, latched = after.requests - before.requests, after.latched - before.latched
    used = {name: after.cpu[name] - before.cpu[name] for name in after.cpu}
    each = 1e6 * used["gateway"] / requests
    report.add(
        f"{rigs} rigs: gateway, requests to rigs",
        requests / wall,
        "/s",
        cpu_us=each,
        yardstick=bare.get("pymodbus"),
        aim=Aim(">=", asked),
        note=f"asked {asked:,.0f} status reads/s, beside them each record twice and its acknowledgement; "
        f"{latched / wall:.0f} records/s; CPU of recording, signing and sending included",
    )
    if bare:
        for kind in ("pymodbus", "uvloop"):
            yardstick = bare[kind]
            if yardstick.cpu_us:
                note = "everything the gateway does, over one bare read"
                report.add(
                    f"{rigs} rigs: CPU per request, of {yardstick.name}", each / yardstick.cpu_us, "x", note=note
                )
    for name, seconds in used.items():
        report.add(f"{rigs} rigs: {name}, CPU of one core", 100 * seconds / wall, "%")


def _latencies(report: Report, rigs: int, before: Moment, after: Moment, disk: Figure) -> None:
    one_sync = report.add(f"{rigs} rigs: one raw fdatasync", 1000 / disk.value, "ms", note="mean, before the fleet ran")
    ways = (("durable and signed", DURABLE, {50: 1.5, 99: 8.0}), ("verified receipt", RECEIPT, {50: 15.0, 99: 60.0}))
    for name, metric, aims in ways:
        spread = after.metrics.since(before.metrics, metric)
        for percent, most in aims.items():
            report.add(
                f"{rigs} rigs: first read to {name}, p{percent}",
                1000 * spread.at(percent / 100),
                "ms",
                yardstick=one_sync,
                aim=Aim("<=", most) if rigs <= 100 else None,
                note=f"{spread.count} records",
                curve=spread.curve() if percent == 50 else (),
            )


def _memory(report: Report, rigs: int, world: World, unasked_mb: float) -> None:
    aim = rigs >= 500
    report.add(f"{rigs} rigs: gateway RSS", unasked_mb, "MB", aim=Aim("<=", 90) if aim else None, note="no page asked")
    for _ in range(5):
        for path in ("/", "/status", "/metrics"):
            with urllib.request.urlopen(f"http://127.0.0.1:{world.local_port}{path}", timeout=10) as answer:
                answer.read()
    with_page = rss_mb(pids(world)["gateway"])
    report.add(f"{rigs} rigs: gateway RSS, local page asked", with_page, "MB", aim=Aim("<=", 110) if aim else None)


def _losses(report: Report, rigs: int, world: World) -> None:
    """Every record that a rig latched before the gateway was told to stop is in its log once, or inside a gap."""
    end_us = time.time_ns() // 1000 - 2_000_000
    world.gateway.stop()
    truth = [json.loads(line) for line in world.truth.read_text("utf-8").splitlines()]
    due = {(row["serial"], row["boot"], row["seq"]) for row in truth if row.get("latched_at_us", end_us) < end_us}
    with open_read_only(world.boxes[0].data / "log") as log:
        entries = [json.loads(entry) for entry in log.entries(0, log.size)]
        unsent = log.size - log.receipted_size
    kept = [(one["rig"], one["epoch"], one["seq"]) for one in entries if one.get("raw") and "seq" in one]
    gone = sum(one["to"] - one["from"] + 1 for one in entries if one["type"] == "sequence.gap")
    report.add(f"{rigs} rigs: results lost", len(due - set(kept)), "", aim=Aim("<=", gone), note=_told(due, gone))
    report.add(f"{rigs} rigs: results twice in the log", len(kept) - len(set(kept)), "", aim=Aim("<=", 0))
    refused = sum(one["type"] == "reading.refused" for one in entries)
    report.add(f"{rigs} rigs: readings refused", refused, "", aim=Aim("<=", 0))
    report.add(f"{rigs} rigs: entries without a receipt after the stop", unsent, "", aim=Aim("<=", 0))


def _told(due: set[Any], gone: int) -> str:
    return f"of {len(due)} latched; {gone} inside gap entries"


def main() -> int:
    """Every fleet that was asked for."""
    arguments = options()
    report = Report("edge")
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-", dir=arguments.folder) as name:
        disk = raw_disk(report, Path(name))
    try:
        for rigs in arguments.rigs:
            measure(report, arguments, rigs, disk)
    except WorldError as error:
        print(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
