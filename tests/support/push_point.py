"""A gateway's push listener in this process, over real HTTP, and rigs that push to it; rules W1 to W9 of the page.

async with push_point(["CP-0001"]) as point:
rig = point.rig("CP-0001"); rig.open()
rig.latch(score=9200); …; await rig.acked(1)
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mqtt_rig import MqttRig
from tree import ROOT

from device_adapters.factory import open_message_adapter
from device_adapters.language.profile import load_profile
from device_adapters.language.shape import Shape
from gateway.push.desk import Desk, Place
from gateway.push.listener import PushListener
from gateway.push.settings import push_of
from scorelog.journal.clock import SystemClock
from simulators.push.line import Line, LineBroken, Reply
from simulators.push.signing import Secret

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from device_adapters.contract import Adapter, Position
    from device_adapters.http.window import Window

_NONCES = itertools.count()


def secret_of(serial: str) -> str:
    return f"{serial}-".ljust(40, "x")


def hurried() -> bytes:
    """The shipped profile with short times."""
    text = files("device_adapters").joinpath("profiles/kaofen-interface-v1-http.toml").read_bytes()
    text = text.replace(b"status_every_ms = 2000", b"status_every_ms = 200")
    return text.replace(b"resend_every_ms = 3000", b"resend_every_ms = 600")


def proven(
    serial: str, path: str, body: bytes, method: str = "POST", *, created: float | None = None, signed: bool = True
) -> dict[str, str]:
    """Headers of a good request."""
    at = int(time.time() if created is None else created)
    return Secret(serial, secret_of(serial), signed).headers(
        method, path, body, created=at, nonce=f"nonce-{next(_NONCES):012}"
    )


class PushRig(MqttRig):
    """The same rig with another way to say things: one loop that asks, and hears by the answers."""

    def __init__(self, serial: str, port: int, *, signed: bool = True, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(None, serial)  # type: ignore[arg-type]
        self.port, self.signed, self.tls = port, signed, tls
        self.replies: list[Reply] = []
        self._urgent: list[bytes] = []
        self._cursor = self._offset_s = 0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self, *, wait: bool = True) -> None:
        self._task = asyncio.create_task(self._push())

    async def shut(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def cut(self) -> None:
        self._urgent.append(self._will())
        self._news.set()

    def reboot(self) -> None:
        self.cut()
        self.boot += 1

    def say_status(self) -> None:
        self._news.set()

    def _say(self, seq: int) -> None:
        self._news.set()

    def say_again(self) -> None:
        self._cursor = 0
        self._news.set()

    async def acked(self, seq: int, seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while self.acked_seq < seq:
                await asyncio.sleep(0.01)

    async def ask(self, line: Line, what: str, body: bytes, kind: str = "application/json") -> Reply:
        path = f"/push/v1/{self.serial}/{what}"
        at = time.time() + self._offset_s
        headers = {"Content-Type": kind, **proven(self.serial, path, body, signed=self.signed, created=at)}
        reply = await line.exchange("POST", path, headers, body)
        self.replies.append(reply)
        said = json.loads(reply.body)
        if said.get("reason") == "clock":
            self._offset_s = said["gateway_time"] - int(time.time())
            return await self.ask(line, what, body, kind)
        if isinstance(said.get("ack"), dict):
            self._take_ack(said["ack"])
        if isinstance(said.get("resend"), int):
            self._cursor = min(self._cursor, said["resend"] - 1)
        if said.get("ready") is not None:
            self.ready.append(said["ready"])
        return reply

    async def _push(self) -> None:
        while True:
            with contextlib.suppress(LineBroken):
                line = await Line.open("localhost" if self.tls else "127.0.0.1", self.port, self.tls)
                try:
                    while True:
                        await self._round(line)
                finally:
                    line.close()
            await asyncio.sleep(0.05)

    async def _round(self, line: Line) -> None:
        self._news.clear()
        while self._urgent:
            await self.ask(line, "status", self._urgent.pop(0))
        await self.ask(line, "status", self._status())
        for seq in [seq for seq in sorted(self.records) if seq > self._cursor and seq not in self.withheld]:
            payload = self.records[seq]
            if seq in self.spoiled:
                payload = payload.replace(b'"mode": "exam"', b'"mode": "exan"')
            self._cursor = seq
            reply = await self.ask(line, "records", payload)
            if reply.status in (409, 503):
                self._cursor = min(self._cursor, seq - 1)
                break
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._status_s / 2):
                await self._news.wait()


class Noted:
    """The window as the adapter sees it, with a note of every `ready` that was written."""

    def __init__(self, window: Window, written: list[int]) -> None:
        self._window, self._written = window, written

    @property
    def connection(self) -> int:
        return self._window.connection

    @property
    def trouble(self) -> str | None:
        return self._window.trouble

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        await self._window.publish(topic, payload, qos)
        if topic == "ready":
            self._written.append(json.loads(payload)["counter"])


class PushPoint:
    """One listener, its desk, and adapters."""

    def __init__(
        self, folder: Path, serials: Sequence[str], table: dict[str, Any], tls: Any, *, signed: bool, profile: bytes
    ) -> None:
        self.profile = load_profile(profile)
        assert isinstance(self.profile.message, Shape)
        self.signed = signed
        self.written: dict[str, list[int]] = {}
        self.desk = Desk(SystemClock())
        whole = {"id": "pc", "listen": "127.0.0.1:0", "certificate": "", "key": "", "networks": [], **table}
        config = push_of(whole, "[[push]] 1", folder)
        self.listener = PushListener(config, tls, self.desk, SystemClock(), random.Random(7))
        shape = self.profile.message
        self.desk.set_up(Place(one, "pc", shape, secret_of(one).encode(), signed, 200) for one in serials)

    def ready_of(self, serial: str) -> list[bool]:
        """What was written for this rig; it sees the last of it with its next answer."""
        counters = [value for value in self.written[serial] if value]
        assert len(set(counters)) == len(counters), "the counter did not change"
        return [bool(value) for value in self.written[serial]]

    def rig(self, serial: str, **more: Any) -> PushRig:
        return PushRig(serial, self.listener.port, signed=self.signed, **more)

    def adapter(self, serial: str, position: Position | None = None) -> Adapter:
        window = self.desk.window(serial, position)
        post = Noted(window, self.written.setdefault(serial, []))
        return open_message_adapter(self.profile, post, window.box, position=position, rng=random.Random(7))

    async def line(self) -> Line:
        return await Line.open("127.0.0.1", self.listener.port, None)


@contextlib.asynccontextmanager
async def push_point(
    serials: Sequence[str],
    *,
    table: dict[str, Any] | None = None,
    tls: Any = None,
    signed: bool = True,
    profile: bytes | None = None,
) -> AsyncIterator[PushPoint]:
    """Listening. `profile`: another than the shipped one of interface v1."""
    point = PushPoint(ROOT, serials, table or {}, tls, signed=signed, profile=profile or hurried())
    running = asyncio.create_task(point.listener.run())
    try:
        async with asyncio.timeout(10):
            while not point.listener.to_json()["listening"]:
                await asyncio.sleep(0.005)
        yield point
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
