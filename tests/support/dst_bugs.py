"""The simulation's teeth: bugs planted at the seams, in tests only. A bug that no seed finds is a hole in the net.

Each wraps what passes one seam of every process of a world and does what careless code there would do. `needs` is the
fault without which it does no harm, `broken` the invariant that it breaks (tests/dst/test_dst_planted.py).
"""
# ruff: noqa: D106  # what a wrapper does wrong stands in its bug's docstring

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from dst_life import LIFE
from dst_parts import MIRROR

from device_adapters.errors import DecodeError
from device_adapters.observation import Observation, RawArea
from gateway.errors import Unreachable
from gateway.sending.transport import HeartbeatAnswer, UploadAnswer
from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.tree import leaf_hash
from scorelog.format.upload import parse_size_answer, parse_upload
from scorelog.journal.errors import LogFailed
from scorelog.journal.store import Appended
from server.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dst_world import World

    from scorelog.journal.store import AppendRequest
    from server.evidence.store import Bundle, Cosigned


class Bug:
    """No bug: changes nothing. The seams are as open as duck typing makes them: any of them may return a wrapper."""

    name: ClassVar[str] = "none"
    needs: ClassVar[str] = ""
    broken: ClassVar[str] = ""
    lying_disk: ClassVar[bool] = False
    long: ClassVar[bool] = False  # it takes many virtual minutes to be found

    def __init__(self, world: World) -> None:
        self.world = world

    def log(self, log: Any) -> Any:
        return log

    def client(self, client: Any) -> Any:
        return client

    def memory(self, memory: Any) -> Any:
        return memory

    def post(self, post: Any) -> Any:
        return post

    def adapter(self, adapter: Any) -> Any:
        return adapter

    def store(self, store: Any) -> Any:
        return store

    def mirror(self, mirror: Any) -> Any:
        return mirror

    def evidence(self, store: Any) -> Any:
        """As the projector sees it."""
        return store


class Wrapped:
    """Everything as the wrapped one does it, but for what a subclass defines."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


BUGS: dict[str, type[Bug]] = {}


def planted(bug: type[Bug]) -> type[Bug]:
    """Add to the list."""
    BUGS[bug.name] = bug
    return bug


async def _nothing(entry: bytes | None = None) -> None:
    return


@planted
class EarlyAck(Bug):
    """The rig is told as soon as its record was read (P1)."""

    name, needs, broken = "ack before durable", "", "I7"

    class Adapter(Wrapped):
        async def read(self) -> Any:
            reading, ack = await self.real.read()
            await ack()
            return reading, _nothing

    def adapter(self, adapter: Any) -> Any:
        return self.Adapter(adapter)


@planted
class OneMore(Bug):
    """The acknowledged number is the next one, not the last one."""

    name, needs, broken = "ack one too far", "", "I7"

    class Memory(Wrapped):
        async def tell(self, seq: int, connection: int) -> None:
            further = 0 if self.real.tells_at_once else 1  # a rig with messages is told by the bytes of a record, too
            await self.real.tell(min(seq + further, self.real.rig.last_seq), connection)

    def memory(self, memory: Any) -> Any:
        return self.Memory(memory)


@planted
class WriteErrorSwallowed(Bug):
    """A failed write is tried again, and the second try says that all is well (reliability finding 1)."""

    name, needs, broken = "retry after a failed fsync", "box_disk", "I7"

    class Log(Wrapped):
        failed = None

        async def wait_grown(self, size: int) -> None:
            try:
                await self.real.wait_grown(size)
            except LogFailed:
                await asyncio.get_running_loop().create_future()

        async def append_many(self, requests: Sequence[AppendRequest]) -> list[Appended]:
            try:
                return await self.real.append_many(requests)  # type: ignore[no-any-return]
            except LogFailed:
                size, generation = self.real.size, self.real.generation
                leaves = [leaf_hash(one.build(None)) for one in requests]
                return [Appended(size + at, leaf, False, None, generation) for at, leaf in enumerate(leaves)]

    def log(self, log: Any) -> Any:
        return self.Log(log)


@planted
class EpochIgnored(Bug):
    """A record is known by rig, number and type: after a rig's memory was changed the new ones pass for the old."""

    name, needs, broken = "idempotency key without the epoch", "rig_forgets", "I7"

    class Log(Wrapped):
        def __init__(self, real: Any) -> None:
            super().__init__(real)
            self._known: dict[tuple[str, int, str], Appended] = {}

        async def append_many(self, requests: Sequence[AppendRequest]) -> list[Appended]:
            names = [one.key and (one.key.rig, one.key.seq, one.key.type) for one in requests]
            if requests and all(name in self._known for name in names):
                return [replace(self._known[name], existing=True) for name in names if name]
            found: list[Appended] = await self.real.append_many(requests)
            self._known.update({name: one for name, one in zip(names, found, strict=True) if name})
            return found

    def log(self, log: Any) -> Any:
        return self.Log(log)


@planted
class NoKeys(Bug):
    """The content is taken with the time of its reading: a record that comes again is never known again."""

    name, needs, broken = "no idempotency at all", "rig_noise", "I1"

    class Log(Wrapped):
        async def append_many(self, requests: Sequence[AppendRequest]) -> list[Appended]:
            found: list[Appended] = await self.real.append_many(requests)
            if any(one.existing for one in found):
                return await self.real.append_many([_unlike(one) for one in requests])  # type: ignore[no-any-return]
            return found

    def log(self, log: Any) -> Any:
        return self.Log(log)


def _unlike(request: AppendRequest) -> AppendRequest:
    """The same record with another content."""
    if request.content is None:
        return request
    old, new = request.content, hashlib.sha256(request.content.encode()).hexdigest()
    build = request.build
    return replace(request, content=new, build=lambda before: build(before).replace(old.encode(), new.encode()))


@planted
class TimeoutIsDelivered(Bug):
    """What was sent is taken for received: a receipt that the server never gave (P2)."""

    name, needs, broken = "receipt not verified", "line_down", "P2"

    class Client(Wrapped):
        async def upload(self, body: bytes) -> UploadAnswer:
            try:
                answer: UploadAnswer = await self.real.upload(body)
            except Unreachable:
                pass
            else:
                if answer.status in (200, 409) and not answer.body.startswith(b"<html>"):
                    return answer
            checkpoint = parse_checkpoint(parse_upload(body).checkpoint)[0]
            return UploadAnswer(200, MIRROR.cosign(checkpoint.body(), 1_795_416_200))

    def client(self, client: Any) -> Any:
        return self.Client(client)


@planted
class NeverBack(Bug):
    """The gateway's position never goes back, whatever the server says after it was put back."""

    name, needs, broken = "receipt state kept across a restore", "server_restored", "I14"

    class Client(Wrapped):
        most = 0

        async def upload(self, body: bytes) -> UploadAnswer:
            answer: UploadAnswer = await self.real.upload(body)
            if answer.status == 409 and parse_size_answer(answer.body) < self.most:
                return UploadAnswer(500, b"")
            if answer.status == 200:
                self.most = max(self.most, parse_upload(body).size)
            return answer

        async def heartbeat(self, beat: Mapping[str, Any]) -> HeartbeatAnswer:
            answer: HeartbeatAnswer = await self.real.heartbeat(beat)
            return replace(answer, size=max(answer.size, self.most))

    def client(self, client: Any) -> Any:
        return self.Client(client)


@planted
class ContradictionIgnored(Bug):
    """A server that holds another history is asked again and again, and the log is never given up."""

    name, needs, broken = "422 taken for a passing trouble", "box_rolled_back", "I14"
    long = True

    class Client(Wrapped):
        async def upload(self, body: bytes) -> UploadAnswer:
            answer: UploadAnswer = await self.real.upload(body)
            return replace(answer, status=503, retry_after=5.0) if answer.status == 422 else answer

    def client(self, client: Any) -> Any:
        return self.Client(client)


@planted
class GapSwallowed(Bug):
    """Records that the rig lost are passed over in silence."""

    name, needs, broken = "a gap is not recorded", "rig_overflows", "R8"

    class Adapter(Wrapped):
        async def read(self) -> Any:
            while True:
                reading, ack = await self.real.read()
                if not (isinstance(reading, Observation) and reading.type == "sequence.gap"):
                    return reading, ack
                await ack()

    def adapter(self, adapter: Any) -> Any:
        return self.Adapter(adapter)


@planted
class TornAccepted(Bug):
    """A record that fails its checksum is taken as it is (P5)."""

    name, needs, broken = "torn record accepted", "rig_torn", "P5"

    class Memory(Wrapped):
        async def fetch(self, seq: int, boot: int, floor: int) -> Any:
            try:
                return await self.real.fetch(seq, boot, floor)
            except DecodeError:
                rig = self.real.rig
                hidden, rig.unreadable = rig.unreadable, set()
                whole = await self.real.fetch(seq, boot, floor)
                rig.unreadable = hidden
                if whole is None:  # of a rig with messages: it was asked for it again
                    return None
                area: RawArea = whole.areas[0]
                return replace(whole, areas=(replace(area, data=area.data[:-2] + b"\xff\xff"),))

    def memory(self, memory: Any) -> Any:
        return self.Memory(memory)


@planted
class PoisonBlocks(Bug):
    """The server refuses an entry whose content cannot be true, and with it whatever comes after (P8)."""

    name, needs, broken = "stops at a poison entry", "", "I14"

    class Store(Wrapped):
        async def append_many(
            self, bundles: Sequence[Bundle], cosigned: Sequence[Cosigned] = (), again: Sequence[Cosigned] = ()
        ) -> list[bool]:
            if any(b"1125899906842624" in entry for bundle in bundles for entry in bundle.entries):
                raise Busy("a score that cannot be", 1)
            return await self.real.append_many(bundles, cosigned, again)  # type: ignore[no-any-return]

    def store(self, store: Any) -> Any:
        return self.Store(store)


@planted
class ReplyBeforeCommit(Bug):
    """The server cosigns while its transaction is still on the way to the disk (I6)."""

    name, needs, broken = "receipt before the commit", "", "I6"

    class Store(Wrapped):
        async def append_many(
            self, bundles: Sequence[Bundle], cosigned: Sequence[Cosigned] = (), again: Sequence[Cosigned] = ()
        ) -> list[bool]:
            life = LIFE.get()
            if bundles and life is not None:
                life.spawn(self.real.append_many(bundles, cosigned, again), "behind")
                await asyncio.sleep(0)
                return [True] * (len(bundles) + len(again))
            return await self.real.append_many(bundles, cosigned, again)  # type: ignore[no-any-return]

    def store(self, store: Any) -> Any:
        return self.Store(store)


@planted
class CosignTimeBack(Bug):
    """Cosignatures carry what the server's clock says, also after it was set back (S9)."""

    name, needs, broken = "cosignature time goes back", "box_clock", "S9"

    class Mirror(Wrapped):
        def __init__(self, real: Any, world: World) -> None:
            super().__init__(real)
            self._world = world

        def cosign(self, text: bytes | str, _time_s: int) -> bytes:
            return self.real.cosign(text, self._world.server.clock.now_us() // 1_000_000)  # type: ignore[no-any-return]

    def mirror(self, mirror: Any) -> Any:
        return self.Mirror(mirror, self.world)


@planted
class LyingDisk(Bug):
    """The disk says that it has written, and has not: what a missing fsync comes to (G3)."""

    name, needs, broken = "no fsync", "box_killed", "I4"
    lying_disk = True
