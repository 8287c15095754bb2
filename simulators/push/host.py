"""One rig that pushes: status, records in order, and what the answers say (docs/rig-interface-v1-http.md, W1 to W9).

    rig latches ─▶ round: status ─▶ records above the cursor, in batches ─▶ [faults of messages] ─▶ gateway
    every answer ─▶ ack (M7) ─▶ rig.write_ack      ready ─▶ rig.write_ready      resend, 409 ─▶ cursor goes back

Owns the connection and the cursor. What a record says and what is held, the rig and its memory know.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import secrets
import time
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from simulators.device.plug import Host
from simulators.faults.base import Publication
from simulators.limits import BROKER_PAUSE_S, EVENT_SLOTS, IN_FLIGHT_MAX, PUSH_BATCH_BYTES_MAX, STATUS_EVERY_US, U32_MAX
from simulators.mqtt.payloads import offline, status
from simulators.push.line import Line, LineBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulators.device.rig import Rig
    from simulators.push.desk import Desk
    from simulators.push.line import Reply

_LOOK_S = 0.02
_OK, _UNPROVEN, _ORDER = 200, 401, 409


def _silent(_rig: str, _text: str) -> None:
    """Nobody listens."""


class PushHost(Host):
    """A rig that is a PC."""

    wire = "http"

    def __init__(
        self,
        rig: Rig,
        desk: Desk,
        *,
        seed: int = 0,
        say: Callable[[str, str], None] = _silent,
        now_s: Callable[[], float] = time.time,
        **more: Any,
    ) -> None:
        super().__init__(rig, seed=seed, **more)
        self.desk = desk
        self.connections = 0
        self._secret = desk.secret(rig.serial)
        self._say = say
        self._now_s = now_s
        self._offset_s = 0  # the gateway's time against ours
        self._rng = random.Random(f"{seed}/{rig.serial}/pauses")  # noqa: S311 - reproducible, not secret
        self._line: Line | None = None
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()
        self._cursor = 0  # records up to here were handed in
        self._status_us = 0
        rig.on_change = self._changed.set

    def where(self) -> dict[str, Any]:
        """The listener."""
        return {"push": self.desk.place}

    async def start(self) -> None:
        """Check what was given, then push for as long as there is power."""
        self.desk.tls()
        await super().start()
        self._spawn(self._stay())

    async def _appear(self) -> None:
        self._wanted.set()

    def _vanish(self) -> None:
        self._wanted.clear()
        self.break_connection()

    def break_connection(self) -> None:
        """Pull the cable."""
        if self._line is not None:
            self._line.close()

    async def _leave(self) -> None:
        """A last word, that it goes."""
        body = self._last_word()
        if self._line is not None and self._wanted.is_set():
            try:
                async with asyncio.timeout(1):
                    await self._ask("status", body)
            except (LineBroken, TimeoutError):
                pass
        self._vanish()

    def _status_body(self) -> bytes:
        return status(self.rig.status())

    def _last_word(self) -> bytes:
        return offline(self.rig.serial, self.rig.memory.boot)

    async def _stay(self) -> None:
        """One connection after the other."""
        pause = BROKER_PAUSE_S[0]
        while True:
            await self._wanted.wait()
            try:
                self._line = await Line.open(self.desk.host, self.desk.port, self.desk.tls())
                self.connections += 1
                self._cursor, self._status_us = 0, 0
                while self._wanted.is_set():
                    await self._round()
                    pause = BROKER_PAUSE_S[0]
            except LineBroken as broken:
                self._complain(str(broken))
                pause = min(BROKER_PAUSE_S[1], 2 * pause)
            finally:
                if self._line is not None:
                    self._line.close()
                self._line = None
            await self.rig.time.sleep_bus(pause * self._rng.uniform(0.5, 1))

    async def _round(self) -> None:
        """Status when it is due or something changed, then what is held and not handed in, oldest first."""
        held = self.rig.memory.held
        fresh = held[bisect_right(held, self._cursor) :]
        due = self.rig.time.bus_us() - self._status_us >= STATUS_EVERY_US
        if not (self._changed.is_set() or fresh or due):
            await self.rig.time.sleep_bus(_LOOK_S)
            return
        if self._changed.is_set() or due:
            self._changed.clear()
            self._status_us = self.rig.time.bus_us()
            await self._settle(await self._ask("status", self._status_body()), ())
        if fresh:
            await self._hand_in(fresh)

    async def _hand_in(self, fresh: Sequence[int]) -> None:
        """With a fault set, one by one; else as many as fit."""
        if self.plan.active:
            for seq in fresh[:IN_FLIGHT_MAX]:
                await self._hand_in_spoilt(seq)
                if self._cursor < seq:
                    return  # an answer says from where on again
            return
        batch: list[int] = []
        size = 0
        for seq in fresh[:IN_FLIGHT_MAX]:
            size += len(self._payload(seq)) + 1
            if batch and size > PUSH_BATCH_BYTES_MAX:
                break
            batch.append(seq)
        body = b"\n".join(map(self._payload, batch))
        self._cursor = batch[-1]
        await self._settle(await self._ask("records", body, "application/x-ndjson"), batch)

    async def _hand_in_spoilt(self, seq: int) -> None:
        self._cursor = max(self._cursor, seq)
        for one in self.plan.publications(Publication("record", "", self._payload(seq))):
            if one.cut == "before":
                raise LineBroken("the fault broke it before the request")
            if one.delay_s:
                await self.rig.time.sleep_bus(one.delay_s)
            if one.cut == "after":
                await self._send("records", one.payload)
                raise LineBroken("the fault lost the answer")
            await self._settle(await self._ask("records", one.payload), (seq,))

    def _payload(self, seq: int) -> bytes:
        return self.rig.memory.event(seq % EVENT_SLOTS)

    # ---- one request ----

    async def _send(self, what: str, body: bytes) -> None:
        path, headers = self._head(what, body, "application/json")
        await self._here.send("POST", path, headers, body)

    async def _ask(self, what: str, body: bytes, kind: str = "application/json") -> Reply:
        path, headers = self._head(what, body, kind)
        return await self._here.exchange("POST", path, headers, body)

    def _head(self, what: str, body: bytes, kind: str) -> tuple[str, dict[str, str]]:
        path = f"/push/v1/{self.rig.serial}/{what}"
        created, nonce = int(self._now_s()) + self._offset_s, secrets.token_urlsafe(18)
        proof = self._secret.headers("POST", path, body, created=created, nonce=nonce)
        return path, {"Content-Type": kind, **proof}

    @property
    def _here(self) -> Line:
        if self._line is None:
            raise LineBroken("not connected")
        return self._line

    # ---- one answer ----

    async def _settle(self, reply: Reply, batch: Sequence[int]) -> None:
        """Every answer may carry an acknowledgement; what it does not say is asked again (W8)."""
        if not self.rig.powered:
            return
        self.requests += 1
        said = _object(reply.body)
        if reply.status == _UNPROVEN and said.get("reason") == "clock" and isinstance(said.get("gateway_time"), int):
            self._offset_s = said["gateway_time"] - int(self._now_s())
            self._cursor = 0
            return
        self._heard(said)
        if reply.status == _OK:
            self.trouble = None
            return
        self._complain(f"the gateway answers {reply.status} {said.get('reason', '')}: {said.get('detail', '')}")
        back = [said["resend"]] if isinstance(said.get("resend"), int) else []
        rows = said.get("records") if isinstance(said.get("records"), list) else []
        unknown = [
            seq for seq, row in zip(batch, rows or (), strict=False) if row.get("outcome") in ("unknown", "order")
        ]
        if not rows:
            unknown = list(batch)
        self._cursor = min([self._cursor, *(seq - 1 for seq in (*back, *unknown))])
        wait = reply.headers.get("retry-after", "0")
        if reply.status != _ORDER and wait.isdecimal():
            await self.rig.time.sleep_bus(min(5, int(wait)))

    def _heard(self, said: dict[str, Any]) -> None:
        ready, ack, resend = said.get("ready"), said.get("ack"), said.get("resend")
        if isinstance(ready, int):
            before = self.rig.gateway_fresh
            self.rig.write_ready(ready)
            if before != self.rig.gateway_fresh:
                self._changed.set()
        if isinstance(ack, dict):
            self._acknowledged(ack.get("seq"), ack.get("record"))
        if isinstance(resend, int) and 0 < resend <= U32_MAX:
            self._cursor = min(self._cursor, resend - 1)

    def _acknowledged(self, seq: object, digest: object) -> None:
        """M7: only an acknowledgement of this very record frees it and those before."""
        memory = self.rig.memory
        if not isinstance(seq, int) or not memory.acked_seq < seq <= memory.last_seq or seq not in memory.held:
            return
        if hashlib.sha256(self._payload(seq)).hexdigest() == digest:
            self.rig.write_ack(seq)

    def _complain(self, text: str) -> None:
        if text != self.trouble:
            self._say(self.rig.serial, text)
        self.trouble = text


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
