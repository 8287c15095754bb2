"""A backlog drained in order: entries made by the journal, sent by the real uploader to a real server.

    script/bench drain [--entries N]        default 60,000; the whole aim is --entries 430000 (about two minutes)

The entries are deductions and ends of items of about 700 bytes, appended by the journal itself (no rig, no network),
each with a checkpoint at least every 256. Then a process that holds nothing but the uploader and the HTTPS client of
the gateway sends them to a server process of its own over mTLS until the last receipt is verified and kept.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kit.cpu import Span, cpu_s, rss_mb
from kit.figures import Aim, Report
from kit.yardsticks import raw_disk
from world import World, WorldError

from gateway.identity import mirror_verifier
from gateway.meters import Meters
from gateway.recording.freeze import Freezer
from gateway.recording.opening import signer_of
from gateway.sending.transport import HttpsClient
from gateway.sending.uploader import Uploader
from gateway.settings.config import parse_config
from scorelog.format.entry import EntryKey, build_entry
from scorelog.journal.clock import SystemClock, read_time
from scorelog.journal.sqlite import open_log
from scorelog.journal.store import AppendRequest

if TYPE_CHECKING:
    from gateway.settings.config import Config
    from scorelog.journal.log import SqliteLog

DEFAULT_ENTRIES: Final = 60_000
GROUP: Final = 256
RIGS: Final = 100
PROFILE_HASH: Final = "5e" * 32


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="script/bench drain", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--entries", type=int, default=DEFAULT_ENTRIES, help="how many wait (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the databases stand (default: a temporary folder)")
    return parser.parse_args()


def request(number: int, clock: SystemClock) -> AppendRequest:
    """One deduction as a rig of interface v1 latches it: fields, raw words, a committed ticket with its opening."""
    rig, seq = f"LV-{number % RIGS + 1:04d}", number // RIGS + 1
    content = f"{number:064x}"
    document = {
        "v": 1, "type": "deduction", "salt": os.urandom(16).hex(), "read": read_time(clock).to_json(),
        "rig": rig, "station": f"A-{number % RIGS + 1:02d}", "epoch": 1, "seq": seq, "ordinal": 0,
        "content": content, "profile": PROFILE_HASH, "guarantee": "latched", "source": "simulator",
        "rig_time": None, "attempt": f"{number // 40:032x}", "binding": "rig", "mode": "practice",
        "raw": [{"area": "event", "at": 4096 + 48 * (seq % 512), "bytes": _words(rig, number)}],
        "fields": {"item": "K21", "ordinal": 2, "line": 4, "points": 750, "at_s": 201, "veto": False, "exam_no": 12},
    }  # fmt: skip
    key = EntryKey(rig, 1, seq, "deduction", 0)
    return AppendRequest(lambda _: build_entry(document), key, content)


def _words(rig: str, number: int) -> str:
    """An event record's 96 bytes: mostly texts and zeros, the personal words cut out."""
    record = number.to_bytes(4, "big") + b"\0\3\0\x30" + rig.encode().ljust(16, b"\0") + bytes(68) + os.urandom(4)
    return base64.b64encode(record).decode()


async def fill(log: SqliteLog, entries: int, clock: SystemClock) -> None:
    """Append them in groups."""
    for start in range(0, entries, GROUP):
        await log.append_many([request(number, clock) for number in range(start, min(entries, start + GROUP))])


async def drain(config: Config, log: SqliteLog, clock: SystemClock) -> list[int]:
    """Send until everything has its receipt; the sizes that were receipted, in order."""
    client = HttpsClient(config.server, clock, config.pace.request_timeout_s)
    uploader = Uploader(
        log,
        client,
        mirror_verifier(config.server.mirror_vkey),
        clock=clock,
        rng=random.SystemRandom(),
        freezer=Freezer(config.data),
        meters=Meters(),
        backoff_cap_s=1,
    )
    sizes = [log.receipted_size]
    task = asyncio.create_task(uploader.run())
    try:
        while not uploader.done:
            await asyncio.sleep(0.02)
            if task.done():
                task.result()
            if log.receipted_size != sizes[-1]:
                sizes.append(log.receipted_size)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()
    return sizes


async def measure(report: Report, world: World, entries: int) -> None:
    """Fill, drain, and say what it took on both sides."""
    config, clock = parse_config(world.gateway_config.read_bytes(), world.gateway_config.parent), SystemClock()
    log = open_log(config.log_directory, signer_of(config), clock, config.state_file)
    span = Span.begin()
    await fill(log, entries, clock)
    span.end()
    report.add("log filled, 256 a commit", span.rate(entries), "/s", cpu_us=span.cpu_us(entries))
    server = world.server.process
    assert server is not None  # noqa: S101  # it was started
    span, used = Span.begin(), cpu_s(server.pid)
    sizes = await drain(config, log, clock)
    span.end()
    used = cpu_s(server.pid) - used
    report.add(
        "backlog drained in order", span.rate(entries), "/s", cpu_us=span.cpu_us(entries),
        aim=Aim(">=", 5000), note=f"{entries:,} entries; CPU of the sending side",
    )  # fmt: skip
    report.add("server, entries a second of CPU", entries / used, "/s", cpu_us=1e6 * used / entries)
    report.add("receipts out of order", sum(b < a for a, b in itertools.pairwise(sizes)), "", aim=Aim("<=", 0))
    report.add("entries without a receipt", log.size - log.receipted_size, "", aim=Aim("<=", 0))
    report.add("sending process, RSS", rss_mb(os.getpid()), "MB")
    await log.close()


def main() -> int:
    """A world of server and an enrolled box whose gateway does not run."""
    arguments = options()
    folder = Path(tempfile.mkdtemp(prefix="kaofen-bench-", dir=arguments.folder))
    world = World(folder)
    try:
        report = Report("drain")
        raw_disk(report, folder)
        world.build_server()
        world.build_gateway([{"serial": "LV-0001", "station": "A-01", "host": "127.0.0.1", "port": 1, "unit": 1}])
        world.server.start()
        world.wait("the server answers", world.serving, 60)
        asyncio.run(measure(report, world, arguments.entries))
    except WorldError as error:
        print(f"FAILED: {error}")
        return 1
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
