"""The load: a process of its own that sends finished uploads over kept mTLS connections and takes the time of each.

    python upload_load.py SPEC.json

Each connection belongs to one gateway and has one upload under way, as a gateway has. Says `begin` when every
connection has its first answer, `end` when the time is over or an upload could not be sent, then one line of JSON:
uploads, seconds, how many were told to come back, sorted latencies. Anything but 200 ends it with what was answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import uvloop

from certs.contexts import gateway_client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

COME_BACK_S = 0.2


def requests(path: Path) -> list[bytes]:
    """What kit/uploads.py wrote."""
    return list(_cut(path.read_bytes()))


def _cut(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : end]
        at = end


class Sender(asyncio.Protocol):
    """One connection: the next request as soon as the answer is whole."""

    def __init__(self, load: Load, waiting: list[bytes]) -> None:
        self._load = load
        self._waiting = iter(waiting)
        self._begun = 0.0
        self._got = b""
        self._sent = b""
        self._first = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first request."""
        self._transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        """The next request, or the end of the measurement."""
        request = next(self._waiting, None)
        if request is None:
            self._load.end()
            return
        self._sent = request
        self._again()

    def _again(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        """An answer, which is whole when its body has the length that it says."""
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r", 1)[0]):
            return
        status, self._got = self._got[9:12], b""
        if status in {b"429", b"503"}:  # as many as this machine can: come back, sooner than a gateway would
            self._load.sent_away += 1
            asyncio.get_running_loop().call_later(COME_BACK_S, self._again)
        elif status != b"200":
            self._load.end(f"{head.decode()} {body[:300]!r}")
        else:
            first, self._first = self._first, False
            if self._load.answered(time.perf_counter() - self._begun, first=first):
                self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Only at the end."""
        self._load.end(f"the connection was lost: {exc}")


class Load:
    """All connections of one measurement."""

    def __init__(self, seconds: float, connections: int) -> None:
        self._seconds = seconds
        self._warming = connections
        self._begun = 0.0
        self.latencies: list[float] = []
        self.sent_away = 0
        self.over = asyncio.Event()
        self.took_s = 0.0
        self.trouble = ""

    def answered(self, latency: float, *, first: bool) -> bool:
        """Count it, once every connection has its first; whether the measurement goes on."""
        now = time.perf_counter()
        if self._warming:
            self._warming -= first
            if not self._warming:
                print("begin", flush=True)
                self._begun = time.perf_counter()
            return True
        self.latencies.append(latency)
        if now - self._begun >= self._seconds:
            self.end()
        return not self.over.is_set()

    def end(self, trouble: str = "") -> None:
        """Once."""
        if not self.over.is_set():
            self.took_s, self.trouble = time.perf_counter() - self._begun, trouble
            print("end", flush=True)
            self.over.set()


async def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Connect all, send, wait for the end."""
    loop = asyncio.get_running_loop()
    loaded = [(Path(each["folder"]), requests(Path(each["requests"]))) for each in spec["gateways"]]
    load = Load(spec["seconds"], len(loaded))
    for folder, waiting in loaded:
        context: ssl.SSLContext = gateway_client_context(folder / "cert.pem", folder / "cert.key", folder / "ca.pem")
        await loop.create_connection(
            lambda waiting=waiting: Sender(load, waiting),  # type: ignore[misc]
            "127.0.0.1", spec["port"], ssl=context, server_hostname="localhost",
        )  # fmt: skip
    await asyncio.wait_for(load.over.wait(), spec["seconds"] + 60)
    answer: dict[str, Any] = {"uploads": len(load.latencies), "seconds": load.took_s, "sent_away": load.sent_away}
    answer["latencies"] = sorted(load.latencies)
    return answer | ({"trouble": load.trouble} if load.trouble else {})


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(json.loads(Path(sys.argv[1]).read_text("utf-8"))))), flush=True)
    sys.stdout.flush()
