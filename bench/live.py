"""A thousand open live pages: how long an event is under way to each, and what it costs, beside the barest hub.

    script/bench live [--streams 1000] [--rate 20] [--seconds 20] [--scores 160]

First part: the real server as a process, real heartbeats over mTLS, and in another process as many logged-in streams
over TLS; then the same streams at a hub that does nothing but send (kit/sse_hub.py), with as many events of as many
bytes. Second part: an exam point with three simulated rigs, and one stream that sees each score that a rig latches.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from kit.beats import Beats, beating
from kit.cpu import Span, descriptors, rss_mb
from kit.figures import Aim, Report
from kit.latched import LiveReader, Stages
from kit.people import cookie
from kit.streams import opened
from kit.upload_server import KIT, ports_of, served
from kit.uploads import DOMAIN
from latch_round import Round, build_hall
from service import Service, command
from world import OPERATOR, PASSWORD, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit.figures import Figure
    from kit.streams import Streams

QUIET_S: Final = 1.0
UNSEEN_S: Final = 4.0
LOGINS: Final = 8
HEARD, SENT = 0, 1
OURS: Final = (r'"heard_ms":(\d+)', r'"score":(\d{16})')
BARE: Final = (r'"heard_us":(\d+)',)


def options() -> argparse.Namespace:
    """The command line; `--help` is its page."""
    parser = argparse.ArgumentParser(prog="script/bench live", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--streams", type=int, default=1000, help="open live pages (default 1000)")
    parser.add_argument("--rate", type=float, default=20, help="events a second (default 20)")
    parser.add_argument("--seconds", type=float, default=20, help="how long they are measured (default 20)")
    parser.add_argument("--scores", type=int, default=160, help="scores to latch; 0 leaves that part out (default 160)")
    return parser.parse_args()


@dataclass(frozen=True, slots=True)
class Run:
    """One measured time: what was made, what arrived, what it took."""

    streams: Streams
    events: int
    span: Span
    since_us: int
    until_us: int
    rss_mb: float
    descriptors: int
    unseen_cpu_us: float = 0.0  # of an event that nobody looks at

    @property
    def expected(self) -> int:
        """Events times streams."""
        return self.events * self.streams.count

    @property
    def deliveries(self) -> int:
        """Those that arrived, as far as the streams that were looked at tell of all."""
        seen = len(self.late_s(*((SENT, 1) if self.unseen_cpu_us else (0, 1))))
        return seen * self.streams.count // self.streams.read

    def late_s(self, marker: int, unit_us: int) -> list[float]:
        """Of all that were looked at."""
        return self.streams.late_s(marker, unit_us, self.since_us, self.until_us)

    @property
    def event_bytes(self) -> int:
        """On the wire, per event and stream, inside TLS."""
        return self.streams.bytes // self.expected


def our_server(arguments: argparse.Namespace, folder: Path) -> tuple[Run, list[float]]:
    """The product: heartbeats in, events out; and how long the heartbeats waited for their answers."""
    with served(folder, ()) as server:
        gateways = beating()
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        command("kaofen-server", "operator", server.config, OPERATOR, "--password-file", password)
        server.enrol(gateways)  # type: ignore[arg-type]  # gateways that never upload
        ca, port = server.tls / "ca.pem", server.ports["people"]
        cookies = [cookie(ca, port, OPERATOR, PASSWORD) for _ in range(LOGINS)]
        beats = Beats(folder, DOMAIN, server.ports["gateways"])
        beats.run(arguments.rate, 1)  # every gateway and rig is known before it counts
        alone = Span.begin((server.pid,))
        unseen = beats.run(arguments.rate, UNSEEN_S)
        alone.end()
        with opened(folder, ca, port, count=arguments.streams, markers=OURS, cookies=cookies) as streams:
            beats.run(arguments.rate, 1)
            beats.answered_s.clear()
            span, since_us = Span.begin((server.pid,)), time.time_ns() // 1000
            events = beats.run(arguments.rate, arguments.seconds)
            until_us = time.time_ns() // 1000
            span.end()
            held = rss_mb(server.pid), descriptors(server.pid)
            time.sleep(QUIET_S)
        beats.close()
    made = Run(streams, events, span, since_us, until_us, *held, unseen_cpu_us=alone.cpu_us(unseen))
    return made, beats.answered_s


def bare_hub(arguments: argparse.Namespace, folder: Path, length: int) -> Run:
    """The yardstick."""
    with hub_served(folder, arguments.rate, length) as (port, pid):
        ca = folder / "tls" / "ca.pem"
        with opened(folder, ca, port, count=arguments.streams, markers=BARE) as streams:
            time.sleep(QUIET_S)
            span, since_us = Span.begin((pid,)), time.time_ns() // 1000
            time.sleep(arguments.seconds)
            until_us = time.time_ns() // 1000
            span.end()
            held = rss_mb(pid), descriptors(pid)
            time.sleep(QUIET_S)
    events = round(arguments.rate * arguments.seconds)
    return Run(streams, events, span, since_us, until_us, *held)


@contextmanager
def hub_served(folder: Path, rate: float, length: int) -> Iterator[tuple[int, int]]:
    """(port, pid) of the barest hub."""
    words = ("python", str(KIT / "sse_hub.py"), str(folder / "tls"), str(rate), str(length))
    service = Service("hub", words, folder / "hub.log")
    ports = ports_of(service)
    try:
        yield ports["people"], service.process.pid if service.process else 0
    finally:
        service.stop()


def fan_out(report: Report, arguments: argparse.Namespace, folder: Path) -> None:
    """First part."""
    ours, answered_s = our_server(arguments, folder)
    bare = bare_hub(arguments, folder, ours.event_bytes)
    told = f"{arguments.streams} streams, {arguments.rate:g} events/s"
    yardsticks = report.latency(
        f"bare hub, {told}", bare.late_s(0, 1), cpu_us=bare.span.cpu_us(bare.deliveries), note="never put together"
    )
    heard = ours.late_s(HEARD, 1000)
    report.latency(
        f"event at the server → client, {told}",
        heard,
        cpu_us=ours.span.cpu_us(ours.deliveries),
        yardsticks=yardsticks,
        aims={99: 100},
        note=f"{ours.event_bytes} bytes an event",
    )
    report.latency("heartbeat sent → client", ours.late_s(SENT, 1))
    report.latency("heartbeat sent → its answer, meanwhile", answered_s)
    rates(report, ours, bare)


def rates(report: Report, ours: Run, bare: Run) -> None:
    """What goes out, and what it takes."""
    there = ours.deliveries / ours.expected
    report.add("events that reached every stream", 100 * there, "%", aim=Aim(">=", 100))
    own = ours.span.cpu_us(ours.deliveries) - ours.unseen_cpu_us / ours.streams.count
    report.add("server, CPU of an event that nobody looks at", ours.unseen_cpu_us, "µs", note="heartbeat and two rows")
    bare_cpu = report.add("bare hub, CPU of a delivery", bare.span.cpu_us(bare.deliveries), "µs")
    report.add("server, CPU that a delivery adds", own, "µs", yardstick=bare_cpu)
    sends = ours.streams.receives / ours.streams.bytes * ours.event_bytes
    report.add("TLS records per event and stream", sends, "", note=f"{ours.event_bytes} bytes an event")
    beside: Figure = report.add("bare hub, deliveries", bare.deliveries / bare.span.wall_s, "/s")
    report.add("deliveries", ours.deliveries / ours.span.wall_s, "/s", yardstick=beside)
    load = report.add("bare hub, CPU", 100 * bare.span.cpu_s / bare.span.wall_s, "% core")
    report.add("server, CPU", 100 * ours.span.cpu_s / ours.span.wall_s, "% core", yardstick=load, note="all of it")
    memory = report.add("bare hub, RSS", bare.rss_mb, "MiB")
    report.add("server, RSS", ours.rss_mb, "MiB", yardstick=memory, note=f"{ours.descriptors} descriptors")


def latched(report: Report, count: int, folder: Path) -> None:
    """Second part: from a rig's latch to the row in the stream."""
    world = World(folder)
    try:
        build_hall(world)
        given = cookie(world.ca, world.people_port, OPERATOR, PASSWORD)
        with LiveReader(world.ca, world.people_port, given) as reader:
            work = Round(world, Random(7))  # noqa: S311 - presses, not keys
            work.run(count, reader.wait_deduction)
            reader.wait_scores(count)
            Stages(world, work, reader.scores()).add_to(report, "SSE client", aims={99: 250})
    finally:
        world.close()


def main() -> int:
    """Both parts."""
    arguments = options()
    report = Report("live")
    with tempfile.TemporaryDirectory(prefix="kaofen-bench-") as name:
        folder = Path(name)
        if arguments.streams:
            fan_out(report, arguments, folder)
        if arguments.scores:
            (folder / "hall").mkdir()
            latched(report, arguments.scores, folder / "hall")
    return 0


if __name__ == "__main__":
    sys.exit(main())
