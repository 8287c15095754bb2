"""How fast uploads become receipts at the real server over mTLS, one entry each and in batches, beside their parts."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from kit.figures import Aim, Report
from kit.upload_parts import certificate_lookup, group_commit, read_and_grown, signed, verified
from kit.upload_server import Loaded, UploadServer, noop_served, send, served
from kit.uploads import exams, small
from kit.yardsticks import bare_sqlite, raw_disk
from service import WorldError

if TYPE_CHECKING:
    from kit.figures import Figure
    from kit.uploads import Uploads

GATEWAYS: Final = 32
BATCHING: Final = 8
BATCH: Final = 256
SINGLES: Final = 500  # of each gateway: the most that a round sends
NOOPS_S: Final = 2.0
CATCH_UP_S: Final = 3.0
SHARE: Final = 70.0


def options() -> argparse.Namespace:
    """The command line; `--help` is its page."""
    parser = argparse.ArgumentParser(prog="script/bench ingest", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one round (default 4)")
    parser.add_argument("--only", choices=("singles", "batches", "exams"), help="one of the rounds")
    return parser.parse_args()


def main() -> int:
    """Every round, each with a fresh server."""
    arguments = options()
    report = Report("ingest")
    rounds = {"singles": singles, "batches": batches, "exams": whole_exams}
    try:
        for name, step in rounds.items():
            if arguments.only in (None, name):
                with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as folder:
                    step(report, Path(folder), arguments.seconds)
    except WorldError as error:
        print(f"FAILED: {error}")
        return 1
    return 0


def singles(report: Report, folder: Path, seconds: float) -> None:
    """One entry an upload: what a score costs the moment it exists."""
    disk = raw_disk(report, folder)
    bare_sqlite(report, folder, disk)
    made = [small(f"gw-{number:02d}", SINGLES, 1) for number in range(GATEWAYS)]
    with served(folder, made) as server:
        with noop_served(folder, server.tls) as (port, pid):
            noop = send(folder, port, pid, made, NOOPS_S)
        stack = report.add("no-op handler, same TLS stack", noop.rate, "/s", cpu_us=noop.cpu_us, yardstick=disk)
        before = server.metrics()
        loaded = server.load(made, seconds)
        after = server.metrics()
    group = (after["uploads_accepted"] - before["uploads_accepted"]) / (
        after["upload_commits"] - before["upload_commits"]
    )
    parts = [
        stack,
        certificate_lookup(report, folder),
        read_and_grown(report, made[0]),
        verified(report),
        signed(report),
        group_commit(report, folder, made, max(1, round(group))),
    ]
    whole = 1 / sum(1 / each.value for each in parts)
    total = report.add("sum of these parts, one after the other", whole, "/s", cpu_us=_cpu(parts), yardstick=stack)
    note = f"{GATEWAYS} gateways, {group:.0f} uploads a commit, {_core(loaded)}"
    stored = report.add(
        "uploads of 1 entry, durable reply", loaded.rate, "/s",
        cpu_us=loaded.cpu_us, yardstick=total, aim=Aim(">=", 2000), note=note,
    )  # fmt: skip
    report.add("share of the sum of parts", 100 * stored.value / total.value, "%", aim=Aim(">=", SHARE))
    by_cpu = 100 * (total.cpu_us or 0) / loaded.cpu_us
    report.add(
        "the same by CPU time", by_cpu, "%", note="the server's CPU includes its projector's and its second process's"
    )
    report.latency("upload of 1 entry, sent to receipt", loaded.latencies, note=note)
    _projected(report, "after uploads of 1 entry", before, after, loaded)


def batches(report: Report, folder: Path, seconds: float) -> None:
    """A backlog: the server on one core, its projector running."""
    many = int(seconds * 300 / BATCHING)
    made = [small(f"gw-{number:02d}", many, BATCH) for number in range(BATCHING)]
    _batches(report, folder, seconds, made, what="small entries", aim=Aim(">=", 20_000))


def whole_exams(report: Report, folder: Path, seconds: float) -> None:
    """The same with entries of whole exams, 1.2 KB and 2 openings each."""
    many = int(seconds * 80 / BATCHING)
    made = [exams(f"gw-{number:02d}", many, BATCH) for number in range(BATCHING)]
    _batches(report, folder, seconds, made, what="exam entries", aim=None)


def _batches(report: Report, folder: Path, seconds: float, made: list[Uploads], *, what: str, aim: Aim | None) -> None:
    with served(folder, made) as server:
        _pin(server)
        before = server.metrics()
        loaded = server.load(made, seconds)
        after = server.metrics()
        time.sleep(CATCH_UP_S)
        later = server.metrics()
    size = sum(map(len, made[0].bodies)) / made[0].entries
    report.add(
        f"{what} in batches of {BATCH}, stored", BATCH * loaded.rate, "/s",
        cpu_us=loaded.cpu_us / BATCH, aim=aim, note=f"{size:,.0f} bytes each, one core: {_core(loaded)}",
    )  # fmt: skip
    report.latency(f"batch of {BATCH} {what}, sent to receipt", loaded.latencies)
    _projected(report, f"beside {what}", before, after, loaded)
    caught_up = (later["projected_entries"] - after["projected_entries"]) / CATCH_UP_S
    report.add(f"projected after {what}", caught_up, "/s", note="nothing else running")


def _projected(report: Report, name: str, before: dict[str, float], after: dict[str, float], loaded: Loaded) -> None:
    rate = (after["projected_entries"] - before["projected_entries"]) / loaded.seconds
    report.add(f"projected {name}", rate, "/s", note="ingest goes first")


def _pin(server: UploadServer) -> None:
    """The server and all its threads on one core, the load on the others."""
    cores = sorted(os.sched_getaffinity(0))
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores[:1])


def _core(loaded: Loaded) -> str:
    away = f", {loaded.sent_away} told to come back" if loaded.sent_away else ""
    return f"{100 * loaded.span.cpu_s / loaded.span.wall_s:.0f} % of a core{away}"


def _cpu(parts: list[Figure]) -> float:
    return sum(each.cpu_us or 0 for each in parts)


if __name__ == "__main__":
    sys.exit(main())
