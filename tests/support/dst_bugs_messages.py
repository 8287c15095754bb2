"""Bugs planted between the broker and the message adapter of a simulated gateway (see dst_bugs.py)."""
# ruff: noqa: D106  # as there

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

from dst_broker import MessageRig
from dst_bugs import Bug, Wrapped, planted

if TYPE_CHECKING:
    from dst_broker import SimPost


@planted
class AckOnArrival(Bug):
    """The gateway acknowledges a message to its rig as soon as it is there (H5)."""

    name, needs, broken = "message acked on arrival", "", "I7"

    def post(self, post: SimPost) -> SimPost:
        arrive = post.arrive

        def acked(serial: str, last: str, payload: bytes) -> None:
            arrive(serial, last, payload)
            if last == "record" and post.trouble is None:
                said = json.loads(payload)
                digest = hashlib.sha256(payload).hexdigest()
                document = {"v": 1, "boot": said["boot"], "seq": said["seq"], "record": digest, "entry": None}
                words = serial, "ack", json.dumps(document).encode()
                asyncio.get_running_loop().call_later(0.003, post.broker.to_rig, *words)

        post.arrive = acked  # type: ignore[method-assign]  # before anything has come
        return post


@planted
class AckOnce(Bug):
    """An acknowledgement is said once and never again; one in four is lost on its way, as anything of QoS 0 may be."""

    name, needs, broken = "an ack over the broker is said once", "", "I14"

    class Memory(Wrapped):
        async def tell(self, seq: int, connection: int) -> None:
            rig = self.real.rig
            told = rig.__dict__.setdefault("told_once", set())
            if isinstance(rig, MessageRig) and (rig.boot, seq) in told:
                return
            told.add((rig.boot, seq))
            if not isinstance(rig, MessageRig) or rig.rng.random() >= 0.25:
                await self.real.tell(seq, connection)

    def memory(self, memory: Any) -> Any:
        return self.Memory(memory)


@planted
class AnotherBoot(Bug):
    """What a broker or a rig gives again is taken for a record of another boot, and not for the one that is due."""

    name, needs, broken = "a message that comes again is another record", "", "I14"

    def post(self, post: SimPost) -> SimPost:
        arrive, seen = post.arrive, self.world.bug.__dict__.setdefault("seen", set())

        def again(serial: str, last: str, payload: bytes) -> None:
            if last == "record" and payload in seen:
                said = json.loads(payload)
                payload = json.dumps({**said, "boot": said["boot"] - 1}, separators=(",", ":")).encode()
            elif last == "record":
                seen.add(payload)
            arrive(serial, last, payload)

        post.arrive = again  # type: ignore[method-assign]  # before anything has come
        return post
