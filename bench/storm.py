"""What overload and a fleet that comes back at once cost: goodput, waits and tries, beside the peak of the same run.

peak       32 gateways, each sends its next entry as soon as the last has its receipt
overload   160 gateways do so: five times what fills the server
after      how long a lone gateway still feels it
storm      200 gateways busy, the server killed and started again: all of them back at once
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop
from kit.cpu import Span
from kit.figures import Aim, Report, at
from kit.upload_server import UploadServer
from kit.uploads import small
from sample_uploads import SampleLog
from service import WorldError
from storm_fleet import Member, Tally, Target

from certs.contexts import gateway_client_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kit.figures import Figure

PEAK: Final = 32
OVERLOAD: Final = 160
FLEET: Final = 200
PROBE_EVERY_S: Final = 0.05
PROBES: Final = 40
AFTER_S: Final = 12.0
PROBE_UPLOADS: Final = PROBES + int(AFTER_S / PROBE_EVERY_S) + 1  # it must not run out of them while it looks
NORMAL: Final = 3.0  # times the median before
LATEST: Final = 10
STORM_WITHIN_S: Final = 120.0
WARM_S: Final = 1.0


def options() -> argparse.Namespace:
    """The command line; `--help` is its page."""
    parser = argparse.ArgumentParser(prog="script/bench storm", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="length of the peak and of the overload (default 6)")
    return parser.parse_args()


def main() -> int:
    """One server, all rounds."""
    arguments = options()
    report = Report("storm")
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as folder:
        uploads = max(200, int(arguments.seconds * 100))
        server = UploadServer(Path(folder))
        logs = [small(f"gw-{number:03d}", uploads if number < PEAK else uploads // 3, 1) for number in range(FLEET)]
        logs.append(small(f"gw-{FLEET:03d}", PROBE_UPLOADS, 1))
        server.enrol(logs)
        target = Target(0)
        members = [
            Member(
                SampleLog(log.gateway_id), context_of(server, log.gateway_id), target, draw(log.gateway_id), log.bodies
            )
            for log in logs
        ]
        try:
            server.start()
            target.port = server.ports["gateways"]
            uvloop.run(rounds(report, server, target, members, arguments.seconds))
        except WorldError as error:
            print(f"FAILED: {error}")
            return 1
        finally:
            server.service.stop()
    return 0


def draw(name: str) -> random.Random:
    """A gateway's own; the same waits in every run."""
    return random.Random(name)  # noqa: S311


def context_of(server: UploadServer, gateway_id: str):  # noqa: ANN201  # ssl.SSLContext
    """The gateway's."""
    folder = server.folder / gateway_id
    return gateway_client_context(folder / "cert.pem", folder / "cert.key", folder / "ca.pem")


@dataclass(slots=True)
class Round:
    """What some gateways met in some seconds, and what the server used for it."""

    tally: Tally
    span: Span

    @property
    def rate(self) -> float:
        """Receipts per second."""
        return self.tally.receipts / self.span.wall_s

    @property
    def took(self) -> list[float]:
        """Seconds of each receipt."""
        return [seconds for _, seconds in self.tally.took]

    @property
    def note(self) -> str:
        """Every status, and how often."""
        return ", ".join(f"{count} × {status or 'no answer'}" for status, count in sorted(self.tally.statuses.items()))


async def rounds(report: Report, server: UploadServer, target: Target, members: list[Member], seconds: float) -> None:
    """Peak, overload, after it, storm."""
    *fleet, probe = members
    await loaded(server, fleet[:PEAK], WARM_S)
    before = await probed(probe, PROBES)
    peak = await loaded(server, fleet[:PEAK], seconds)
    top = report.add("peak, 32 gateways, receipts", peak.rate, "/s", cpu_us=cpu(peak), note=peak.note)
    report.latency("upload at the peak", peak.took)
    over = await loaded(server, fleet[:OVERLOAD], seconds)
    overloaded(report, over, top)
    await after(report, probe, before)
    await storm(report, server, target, fleet)
    for each in members:
        await each.hang_up()


def overloaded(report: Report, over: Round, top: Figure) -> None:
    """Bar B13."""
    good = report.add(
        "overload, 160 gateways, receipts", over.rate, "/s", cpu_us=cpu(over), yardstick=top, note=over.note
    )
    report.add("goodput under overload, of the peak", 100 * good.value / top.value, "%", aim=Aim(">=", 90))
    report.latency("upload under overload, accepted", over.took, aims={99: 1000})
    tries(report, "tries per receipt under overload", over.tally)


def tries(report: Report, name: str, tally: Tally) -> None:
    """How often a receipt was asked for, and whether every other answer was one that says when to come back."""
    if tally.unexplained:
        raise WorldError(f"an answer that no overload explains: {tally.unexplained[0]}")
    asked = tally.tries - tally.statuses[0] - tally.statuses[409]
    report.add(name, asked / max(1, tally.receipts), "x", aim=Aim("<=", 1.1), note="without lost connections and 409")


def cpu(one: Round) -> float:
    """Of the server, per receipt."""
    return one.span.cpu_us(max(1, one.tally.receipts))


async def loaded(server: UploadServer, members: Sequence[Member], seconds: float) -> Round:
    """All of them, one upload after the other each, for so long."""
    await asyncio.gather(*(member.step(Tally()) for member in members))  # every connection has its first answer
    tally = Tally()
    span = Span.begin((server.pid,))
    running = [asyncio.create_task(member.run(tally)) for member in members]
    await asyncio.wait(running, timeout=seconds)
    span.end()
    for task in running:
        task.cancel()
    for result in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(result, Exception):
            raise WorldError(f"a gateway's bodies were used up or its line failed: {result!r}")
    for member in members:
        await member.hang_up()  # its upload was under way: the next answer would be of that one
    return Round(tally, span)


async def probed(probe: Member, count: int) -> float:
    """The median of a lone gateway's uploads."""
    tally = Tally()
    for _ in range(count):
        await probe.step(tally)
        await asyncio.sleep(PROBE_EVERY_S)
    return at(sorted(seconds for _, seconds in tally.took), 0.5)


async def after(report: Report, probe: Member, before: float) -> None:
    """Until ten uploads in a row, by their median, take no longer than thrice what they took before the overload."""
    tally, began, last = Tally(), time.monotonic(), 0.0
    while (since := time.monotonic() - began) < AFTER_S:
        wait_s = await probe.step(tally)
        if tally.unexplained:
            raise WorldError(f"an answer that no overload explains: {tally.unexplained[0]}")
        if wait_s or at(sorted(seconds for _, seconds in tally.took[-LATEST:]), 0.5) > NORMAL * before:
            last = since
        await asyncio.sleep(wait_s or PROBE_EVERY_S)
    report.add(
        "back to normal after overload", last, "s", aim=Aim("<=", 10), note=f"median before {1000 * before:.1f} ms"
    )


async def storm(report: Report, server: UploadServer, target: Target, fleet: Sequence[Member]) -> None:
    """All busy, the server killed and started: until each has its first receipt again."""
    tally, first = Tally(), {}
    running = [asyncio.create_task(each.run(tally)) for each in fleet]
    await asyncio.sleep(WARM_S)
    await asyncio.to_thread(server.service.kill)
    tally.took.clear()
    tally.statuses.clear()
    stood = [each.next for each in fleet]
    await asyncio.to_thread(server.start)
    target.port = server.ports["gateways"]
    span, began = Span.begin((server.pid,)), time.monotonic()
    while len(first) < len(fleet) and time.monotonic() - began < STORM_WITHIN_S:
        for number, each in enumerate(fleet):
            if each.next > stood[number]:
                first.setdefault(number, time.monotonic() - began)
        await asyncio.sleep(0.01)
    span.end()
    for task in running:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*running, return_exceptions=True)
    if len(first) < len(fleet):
        raise WorldError(f"only {len(first)} of {len(fleet)} gateways came back within {STORM_WITHIN_S:.0f} s")
    met = Round(tally, span)
    report.add("storm of 200 gateways, all served again", max(first.values()), "s", cpu_us=cpu(met), note=met.note)
    report.latency("storm, upload accepted", met.took)
    tries(report, "tries per receipt in the storm", tally)


if __name__ == "__main__":
    sys.exit(main())
