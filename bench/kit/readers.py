"""Yardsticks of reading rigs: what bare clients cost that read the same fleet at the same pace and do nothing else.

python bench/kit/readers.py KIND READY_FILE PERIOD_S SECONDS      prints one JSON object
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import uvloop
from pymodbus.client import AsyncModbusTcpClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KINDS: Final = {"pymodbus": "bare pymodbus", "asyncio": "bare asyncio", "uvloop": "bare asyncio on uvloop"}
WORDS: Final = 48  # the status block of interface v1


def run(kind: str, ready: Path, period_s: float, seconds: float) -> dict[str, float]:
    """One yardstick in a process of its own: reads, wall_s, cpu_s."""
    words = [sys.executable, __file__, kind, str(ready), str(period_s), str(seconds)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=seconds + 60)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


class Bare(asyncio.Protocol):
    """The least that reads registers: no check of what comes but its length."""

    def __init__(self) -> None:
        self.waiting: asyncio.Future[bytes] | None = None
        self.transport: Any = None
        self._held = b""
        self._tid = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """The reply, whole."""
        self._held += data
        if len(self._held) >= 9 + 2 * WORDS and self.waiting is not None:
            self.waiting.set_result(self._held)
            self._held = b""

    async def read(self) -> bytes:
        """One request and its reply."""
        self._tid = self._tid % 0xFFFF + 1
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(self._tid.to_bytes(2, "big") + b"\0\0\0\6\1\3\0\0" + WORDS.to_bytes(2, "big"))
        return await self.waiting


async def bare(rig: dict[str, Any]) -> Callable[[], Awaitable[object]]:
    """A reader of one rig."""
    _, protocol = await asyncio.get_running_loop().create_connection(Bare, rig["host"], rig["port"])
    return protocol.read


async def pymodbus(rig: dict[str, Any]) -> Callable[[], Awaitable[object]]:
    """The same through the library."""
    client = AsyncModbusTcpClient(rig["host"], port=rig["port"])
    await client.connect()
    return lambda: client.read_holding_registers(0, count=WORDS, device_id=rig["unit"])


async def paced(read: Callable[[], Awaitable[object]], period_s: float, begin: float, end: float) -> int:
    """Read every period; a read that is late does not make the next one early."""
    done, at = 0, begin
    while at < end:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        await read()
        done += 1
        at = max(at + period_s, time.monotonic())
    return done


async def measure(kind: str, rigs: list[dict[str, Any]], period_s: float, seconds: float) -> dict[str, float]:
    """All rigs at once."""
    readers = [await (pymodbus if kind == "pymodbus" else bare)(rig) for rig in rigs]
    chance, begin, cpu = Random(1), time.monotonic(), time.process_time()  # noqa: S311  # phases, not keys
    starts = [begin + chance.uniform(0, period_s) for _ in rigs]
    reads = await asyncio.gather(
        *(paced(read, period_s, at, begin + seconds) for read, at in zip(readers, starts, strict=True))
    )
    return {"reads": sum(reads), "wall_s": time.monotonic() - begin, "cpu_s": time.process_time() - cpu}


def main(arguments: list[str]) -> int:
    """Measure one kind."""
    kind, ready, period_s, seconds = arguments
    rigs = json.loads(Path(ready).read_text("utf-8"))["rigs"]
    factory = uvloop.new_event_loop if kind == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        print(json.dumps(runner.run(measure(kind, rigs, float(period_s), float(seconds)))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
