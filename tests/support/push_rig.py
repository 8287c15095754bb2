"""A rig that pushes and its gateway, both in this process on virtual time; what is durable is a list.

    gateway = Gateway(["CP-0001"]); await gateway.start()
    rig = Rig(gateway, "CP-0001", count=4, spoil=lambda ask: None); await rig.live()

The rig follows rules W1 to W9 of docs/rig-interface-v1-http.md in the plainest way; `spoil` may put a fault in place
of one of its transactions (push_faults.py). Everything that it is answered is held against what the log has (P1).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.resources import files
from random import Random
from typing import TYPE_CHECKING, Any

from dst_clock import SimClock
from fault_matrix import Story, follow_story
from push_point import secret_of
from rig_messages import GOLDEN, STATUS
from tree import ROOT

from device_adapters.contract import Adapter, Observation, Position
from device_adapters.factory import open_message_adapter
from device_adapters.language.profile import load_profile
from gateway.push.desk import Desk, Place
from gateway.push.listener import PushListener
from gateway.push.settings import push_of
from simulators.push.signing import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dst_loop import SimLoop

    from device_adapters.contract import Ack, Reading

PORT, BOOT = 8441, 3
PATIENCE_S = 20.0  # of a rig that waits for an answer: longer than anything that a gateway may take
PROFILE = load_profile(files("device_adapters").joinpath("profiles/kaofen-interface-v1-http.toml").read_bytes())
LISTENER = {"id": "pc", "listen": f"127.0.0.1:{PORT}", "certificate": "", "key": "", "networks": []}


class Gateway:
    """One listener, its desk, one adapter a rig; `log` outlives its deaths."""

    def __init__(self, serials: list[str], loop: SimLoop) -> None:
        self.clock = SimClock(loop, Random(1))
        self.secrets = {serial: secret_of(serial) for serial in serials}
        self.log: dict[str, list[Observation]] = {serial: [] for serial in serials}
        self.stories: dict[str, list[Story]] = {serial: [] for serial in serials}
        self.store_s = 0.01
        self.before: Callable[[Observation], Awaitable[None]] = _nothing
        self.behind: Callable[[Observation], Awaitable[None]] = _nothing
        self.deaths = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """From the log."""
        self.desk = Desk(self.clock)
        self.set_up()
        self.listener = PushListener(push_of(LISTENER, "[[push]] 1", ROOT), None, self.desk, self.clock, Random(7))
        self.listen()
        for serial in self.secrets:
            self._tasks.append(asyncio.create_task(self._follow(serial)))

    def set_up(self) -> None:
        shape = PROFILE.message
        assert shape is not None
        places = [Place(serial, "pc", shape, text.encode(), True) for serial, text in self.secrets.items()]  # type: ignore[arg-type]
        self.desk.set_up(places)

    def listen(self) -> None:
        self._listening = asyncio.create_task(self.listener.run())

    async def go_deaf(self) -> None:
        """The listener alone ends."""
        assert self._listening is not None
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def die(self) -> None:
        """Whatever was not in the log is gone."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await self.go_deaf()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.deaths += 1

    async def live_again(self) -> None:
        await self.die()
        await asyncio.sleep(0.5)
        await self.start()

    def entry(self, serial: str, digest: bytes) -> bytes | None:
        """Of the entry that holds these bytes."""
        found = (hashlib.sha256(one.raw[0].data).digest() for one in self.log[serial])
        return digest if digest in found else None

    async def _follow(self, serial: str) -> None:
        known = max(self.log[serial], key=lambda one: one.seq, default=None)
        position = Position(BOOT, known.seq if known is not None else 0)
        window = self.desk.window(serial, position)
        adapter = open_message_adapter(PROFILE, window, window.box, position=position, rng=Random(7))

        def note(story: Story) -> bool:
            if story not in self.stories[serial]:
                self.stories[serial].append(story)
            return False

        await follow_story(_Logged(adapter, self, serial), note, 1e6)


@dataclass
class _Logged:
    """An adapter with the log behind it: an ack comes after the append, and with its entry."""

    adapter: Adapter
    gateway: Gateway
    serial: str

    async def connect(self) -> None:
        await self.adapter.connect()

    async def read(self) -> tuple[Reading, Ack]:
        reading, ack = await self.adapter.read()
        if not isinstance(reading, Observation) or not reading.raw:
            return reading, ack

        async def logged(_entry: bytes | None = None) -> None:
            gateway, digest = self.gateway, hashlib.sha256(reading.raw[0].data).digest()
            await gateway.before(reading)
            await asyncio.sleep(gateway.store_s)
            if gateway.entry(self.serial, digest) is None:
                gateway.log[self.serial].append(reading)
            await gateway.behind(reading)
            await ack(digest)

        return reading, logged

    async def set_ready(self, ready: bool) -> None:
        await self.adapter.set_ready(ready)

    async def close(self) -> None:
        await self.adapter.close()


async def _nothing(_observation: Observation) -> None:
    return


@dataclass(frozen=True)
class Ask:
    """One request as it should be. `number` counts those of its rig; `seqs`: the records in it."""

    number: int
    what: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    seqs: tuple[int, ...] = ()

    @property
    def head(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: gw", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @property
    def whole(self) -> bytes:
        return self.head + self.body


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int
    document: dict[str, Any]


@dataclass
class Rig:
    """See the module. `fault(ask)`: what comes in place of a transaction, None: nothing."""

    gateway: Gateway
    serial: str
    count: int
    fault: Callable[[Ask], Any] = lambda _ask: None
    offset_s: float = 1.0
    heard: list[int] = field(default_factory=list)  # status codes; 0: no answer
    acked: int = 0
    asked: int = 0
    answered_s: float = 0.0  # the longest that a good answer took

    def __post_init__(self) -> None:
        self.secret = secret_of(self.serial)
        self.records = {seq: GOLDEN["deduction"].changed(serial=self.serial, **_of(seq)) for seq in self.numbers}
        self.line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._cursor = self._nonces = 0

    @property
    def numbers(self) -> range:
        return range(1, self.count + 1)

    async def live(self) -> None:
        """Until cancelled."""
        await self.say("position", b"")
        while True:
            await self.say("status", self.status())
            while (batch := self._batch()) and await self.say("records", b"\n".join(batch.values()), *batch):
                self._cursor = max(batch)
            await asyncio.sleep(0.5)

    def _batch(self) -> dict[int, bytes]:
        """The first record alone, and then two at a time."""
        due = [seq for seq in self.numbers if seq > max(self._cursor, self.acked)]
        return {seq: self.records[seq] for seq in due[: 1 if due and due[0] == 1 else 2]}

    def status(self) -> bytes:
        oldest = self.acked + 1 if self.acked < self.count else 0
        standing = {"boot": BOOT, "last_seq": self.count, "oldest_seq": oldest, "acked_seq": self.acked}
        return json.dumps({**STATUS, "serial": self.serial, **standing}).encode()

    async def say(self, what: str, body: bytes, *seqs: int) -> bool:
        """One transaction, and what follows from its answer. False: from the cursor on again, later."""
        self.asked += 1
        ask = self.made(what, body, seqs)
        act = self.fault(ask) or plain
        began = asyncio.get_running_loop().time()
        told = await act(self, ask)
        self.heard.append(told.status if told is not None else 0)
        if told is None:
            await asyncio.sleep(0.25)
            return False
        if act is plain:
            self.answered_s = max(self.answered_s, asyncio.get_running_loop().time() - began)
        return self.hear(told)

    def made(self, what: str, body: bytes, seqs: tuple[int, ...] = (), **changes: Any) -> Ask:
        """Signed as it should be, or with another `method`, `path`, `secret`, `created`, `kind`."""
        self._nonces += 1
        method = changes.get("method", "GET" if what == "position" else "POST")
        path = changes.get("path", f"/push/v1/{self.serial}/{what}")
        created = changes.get("created", self.gateway.clock.now_us() / 1e6 + self.offset_s)
        kind = "application/x-ndjson" if len(seqs) > 1 else "application/json"
        secret = Secret(self.serial, changes.get("secret", self.secret))
        proof = secret.headers(method, path, body, created=int(created), nonce=f"nonce-{self._nonces:012}")
        headers = {"Content-Type": changes.get("kind", kind), **proof}
        return Ask(self.asked, what, method, path, headers, body, seqs)

    def again(self, ask: Ask, **changes: Any) -> Ask:
        """The same, signed anew."""
        body = changes.pop("body", ask.body)
        return self.made(ask.what, body, ask.seqs, **changes)

    def hear(self, told: Told) -> bool:
        """What the answer says is so (P1); then the rig does as it is told."""
        said = told.document
        for row in said.get("records", ()):
            if row["outcome"] == "stored":
                assert self.gateway.entry(self.serial, bytes.fromhex(row["record"])), "said to be stored, and is not"
                assert row["entry"] == row["record"], "another record's entry"
        if said.get("ack"):
            seq, digest = said["ack"]["seq"], bytes.fromhex(said["ack"]["record"])
            assert digest == hashlib.sha256(self.records[seq]).digest(), "another record is acknowledged"
            held = {one.seq for one in self.gateway.log[self.serial]}
            assert held.issuperset(range(1, seq + 1)), "acknowledged over a hole"
            self.acked = max(self.acked, seq)
        if said.get("reason") == "clock":
            self.offset_s = said["gateway_time"] - self.gateway.clock.now_us() / 1e6
        if said.get("resend"):
            self._cursor = min(self._cursor, said["resend"] - 1)
        assert told.status == 200 or said["reason"], "refused without a reason"
        return told.status in (200, 422)

    # ------------------------------------------------------------------ the line

    async def send(self, *pieces: bytes | float) -> None:
        """Bytes, and pauses between them. Raises OSError when nobody listens."""
        if self.line is None or self.line[1].transport.is_closing():
            self.line = await asyncio.open_connection("gw", PORT)
        for piece in pieces:
            if isinstance(piece, bytes):
                self.line[1].write(piece)
            else:
                await asyncio.sleep(piece)

    async def reply(self, patience_s: float = PATIENCE_S) -> Told | None:
        """The next answer on the line; None: it is closed, or nothing came."""
        assert self.line is not None
        reader = self.line[0]
        try:
            async with asyncio.timeout(patience_s):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
                body = await reader.readexactly(length)
        except (OSError, EOFError, TimeoutError):
            self.cut()
            return None
        return Told(int(head.split(" ", 2)[1]), json.loads(body))

    def cut(self) -> None:
        if self.line is not None:
            self.line[1].transport.abort()
            self.line = None


async def plain(rig: Rig, ask: Ask) -> Told | None:
    """A transaction as it should be."""
    with suppress(OSError):
        await rig.send(ask.whole)
        return await rig.reply()
    return None


def _of(seq: int) -> dict[str, Any]:
    return {"seq": seq, "boot": BOOT, "at_s": 100 + seq}


def stranger(rig: Rig) -> Rig:
    """Somebody else with a line of its own."""
    return replace(rig, fault=lambda _ask: None, heard=[])
