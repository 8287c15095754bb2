"""Many open streams in a process of their own (kit/sse_load.py), and what arrived at them."""

from __future__ import annotations

import array
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from service import WorldError

from kit.cpu import cpu_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOAD: Final = Path(__file__).with_name("sse_load.py")


@dataclass(slots=True)
class Streams:
    """Open streams; after the `with` block, what they brought."""

    count: int
    pid: int
    read: int = 0  # how many of them were looked at for markers
    arrivals: list[tuple[int, int, int]] = field(default_factory=list)  # marker, its digits, arrival in us
    bytes: int = 0
    receives: int = 0
    ended: int = 0

    def late_s(self, marker: int, unit_us: int, since_us: int, until_us: int) -> list[float]:
        """Seconds from the moment that the marker names to its arrival, of moments in this span."""
        return [
            (at_us - told * unit_us) / 1e6
            for which, told, at_us in self.arrivals
            if which == marker and since_us <= told * unit_us <= until_us
        ]

    def used_s(self) -> float:
        """CPU of the load process so far."""
        return cpu_s(self.pid)


@contextmanager
def opened(
    folder: Path, ca: Path, port: int, *, count: int, markers: Sequence[str], cookies: Sequence[str] = ()
) -> Iterator[Streams]:
    """So many streams at this port, all open."""
    spec, out = folder / "streams.json", folder / "streams.out"
    document: dict[str, Any] = {
        "host": "127.0.0.1", "port": port, "ca": str(ca), "cookies": list(cookies), "streams": count,
        "path": "/live/events", "markers": list(markers), "out": str(out),
    }  # fmt: skip
    spec.write_text(json.dumps(document), "utf-8")
    words = [sys.executable, str(LOAD), str(spec)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline().strip() if process.stdout else ""
            if said != "open":
                raise WorldError(f"the streams are not open: {said!r}")
            streams = Streams(count, process.pid)
            yield streams
            told, _ = process.communicate("", timeout=120)
        finally:
            process.kill()
    counted = json.loads(told)
    streams.read, streams.bytes = counted["read"], counted["bytes"]
    streams.receives, streams.ended = counted["receives"], counted["ended"]
    flat = array.array("q", out.read_bytes())
    streams.arrivals = list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))
