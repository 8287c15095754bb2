"""Rigs of interface v1 that push over HTTP and do nothing else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kit.publishing import Rig, record
from simulators.push.line import Line
from simulators.push.signing import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOGETHER: Final = 4  # records of one request: a rig may ask 20 times a second (D1 of the interface)
STATUS_S: Final = 0.5
PATIENCE_S: Final = 120.0
_OK: Final = 200


def secret_of(serial: str) -> str:
    """The same at both ends."""
    return serial.ljust(40, "x")


class _Pushing:
    """One rig, on one connection."""

    def __init__(self, port: int, serial: str, records: int) -> None:
        self._port, self._secret = port, Secret(serial, secret_of(serial))
        self._rig, self._count = Rig(serial, records), 0
        self.took: list[float] = []

    async def run(self) -> None:
        line = await Line.open("127.0.0.1", self._port, None)
        rig, said_at = self._rig, float("-inf")
        try:
            while rig.acked < rig.records:
                if time.monotonic() - said_at > STATUS_S or rig.said == rig.acked:
                    rig.said = min(rig.records, rig.acked + TOGETHER)
                    said_at = time.monotonic()
                    await self._ask(line, "status", rig.status(), "application/json")
                await self._hand_in(line)
        finally:
            line.close()

    async def _hand_in(self, line: Line) -> None:
        rig, began = self._rig, time.monotonic()
        body = b"\n".join(record(rig.serial, seq) for seq in range(rig.acked + 1, rig.said + 1))
        if await self._ask(line, "records", body, "application/x-ndjson") == _OK:
            self.took += [time.monotonic() - began] * (rig.said - rig.acked)
            rig.acked = rig.said
        else:
            await asyncio.sleep(0.05)

    async def _ask(self, line: Line, what: str, body: bytes, kind: str) -> int:
        self._count += 1
        path = f"/push/v1/{self._rig.serial}/{what}"
        nonce = f"bench-{self._count:012}"
        proof = self._secret.headers("POST", path, body, created=int(time.time()) + 1, nonce=nonce)
        return (await line.exchange("POST", path, {"Content-Type": kind, **proof}, body)).status


def push(port: int, names: Sequence[str], records: int) -> list[float]:
    """Seconds of each record from its request to the answer that it is stored. Raises TimeoutError."""

    async def all_of_them() -> list[float]:
        rigs = [_Pushing(port, name, records) for name in names]
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(rig.run() for rig in rigs))
        return [took for rig in rigs for took in rig.took]

    return asyncio.run(all_of_them())


@contextmanager
def answering() -> Iterator[tuple[int, int]]:
    """The bare handler as a process: its pid and port."""
    words = [sys.executable, str(Path(__file__).with_name("push_answers.py"))]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None  # noqa: S101  (it was asked for)
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()
