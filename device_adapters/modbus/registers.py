"""A rig's memory read out of registers: status block, ring, acknowledgement word. See `memory.RigMemory`.

Owns: which words are read and written. Whatever the wire says that is no record becomes a DecodeError with the bytes
as evidence. Spec: docs/formats/profile.md.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.decode import STATUS_NUMBERS, shown_by
from device_adapters.decoding.records import Reopened, places_of
from device_adapters.decoding.unchanged import Unchanged
from device_adapters.errors import BackOff, DecodeError, NotConnected
from device_adapters.language.rules_once import READ_ONCE
from device_adapters.modbus.coil_ack import CoilAck
from device_adapters.modbus.once import NOTHING_CAME, OnceRead
from device_adapters.modbus.reading import marked, read_record
from device_adapters.modbus.wire import ExceptionReply, OddReply, Watching
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from device_adapters.decoding.decode import Decoded, Standing
    from device_adapters.decoding.records import Opened, Places
    from device_adapters.language.handshake import Word
    from device_adapters.language.profile import Profile
    from device_adapters.latching.pace import Rest
    from device_adapters.modbus.wire import Wire
    from device_adapters.observation import Observation, RigStatus

# What a status says, but for its heartbeat and the time that runs: two that agree in these stand alike.
_TICKING: Final = frozenset({"heartbeat", "elapsed_s"})
SAID: Final = (
    "state",
    "mode",
    "item",
    "boot",
    "oldest_seq",
    *(each for each in STATUS_NUMBERS if each not in _TICKING),
)

# By the hash of the profile, so never stale: hundreds of rigs of one model share these.
_places: dict[str, Places] = {}
_unchanged: dict[str, Unchanged] = {}


class RegisterMemory:
    """One rig's registers."""

    def __init__(self, profile: Profile, wire: Wire, serial: str) -> None:
        self._profile = profile
        self._wire = wire
        self._serial = serial
        places = _places.setdefault(profile.sha256, places_of(profile.status))
        self._status = Reopened(profile.status, serial, places)
        self._said = itemgetter(*(name for name in SAID if name in profile.status.fields))
        self._unchanged = _unchanged.setdefault(profile.sha256, Unchanged(profile.status, SAID, "elapsed_s"))
        self._last: Opened | None = None
        self._last_words = b""  # as they came
        self._once = OnceRead(profile, wire, serial) if profile.guarantee == READ_ONCE else None
        self.tells_at_once = self._once is not None  # another reading does not give the same
        self._boot: int | None = None  # of the last status
        self._recognised = -1  # the connection on which that came
        coil = profile.coil
        self._coil = CoilAck(coil, profile, wire, serial) if coil is not None else None
        self._watching = wire if isinstance(wire, Watching) else None
        self.poll = profile.poll

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""
        return self._wire.connected

    @property
    def connection(self) -> int:
        """Number of the wire's connection."""
        return self._wire.connection

    async def connect(self) -> None:
        """A new socket."""
        await self._wire.connect()

    def drop(self) -> None:
        """Close the socket."""
        self._wire.drop()

    async def wait(self, until: float) -> None:
        """A rig of registers says nothing by itself."""
        wait = until - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)

    async def look(self, *, again: bool) -> tuple[RigStatus, Standing]:  # noqa: ARG002  (every reading is newer)
        """Read the status block."""
        block, connection = self._profile.status, self._wire.connection
        return self._shown(await self._heard(self._wire.read(block.at, block.words)), connection)

    async def watch(self, when: float, rest: Rest) -> tuple[RigStatus, Standing]:
        """`wait` and `look`, until the status says something else than last time or `rest` has no next time for it."""
        if self._watching is None:
            await self.wait(when)
            return await self.look(again=False)
        block, last, connection = self._profile.status, self._last, self._wire.connection
        words, ran = int.from_bytes(self._last_words, "big"), self._unchanged.ran
        opened: Opened | None = None

        def judge(found: bytes) -> float | None:
            nonlocal opened
            opened = None
            ticks = ran(words, found) if last is not None else None
            if ticks is None:
                try:
                    opened = self._status.open(found)
                except DecodeError:
                    return None  # `_shown` says why
                if last is None or self._said(opened.values) != self._said(last.values):
                    return None
                ticks = opened.values.get("elapsed_s") != last.values.get("elapsed_s")
            return rest(ticks)

        found = await self._heard(self._watching.watch(block.at, block.words, when, judge))
        return self._shown(found, connection, opened)

    async def _heard(self, reading: Awaitable[bytes]) -> bytes:
        try:
            return await reading
        except (ExceptionReply, OddReply) as error:
            raise _reply_refused(error) from None

    def _shown(self, found: bytes, connection: int, proven: Opened | None = None) -> tuple[RigStatus, Standing]:
        """What these words say. `proven`: they were opened already."""
        block = self._profile.status
        try:
            self._last = opened = proven or self._status.open(found)
            self._last_words = found
            live, standing = shown_by(self._profile, opened, self._serial)
        except DecodeError as error:
            areas = marked(self._profile, error.reason, [RawArea(block.name, block.at, found)])
            raise DecodeError(error.reason, error.detail, areas) from None
        self._boot, self._recognised = standing.boot, connection
        return live, standing if self._once is None else self._once.held(standing)

    async def fetch(self, seq: int, boot: int, floor: int) -> Decoded:  # noqa: ARG002  (one memory, one record)
        """Read record `seq` twice, compare, prove, decode; or once, where a reading clears it."""
        try:
            if self._once is not None:
                return await self._once.fetch(seq, boot)
            return await read_record(self._wire, self._profile, self._serial, seq, boot, connection=self._recognised)
        except (ExceptionReply, OddReply) as error:
            raise _reply_refused(error) from None
        except NotConnected as error:  # a rig that falls silent at one record only would hold all others back
            raise DecodeError("wire", error.reason, NOTHING_CAME if self._once is not None else ()) from None

    async def tell(self, seq: int, connection: int) -> None:
        """By coil, or by a word. One that must echo is read back: the rig has taken what stands there."""
        if self._coil is not None:
            await self._coil.tell(seq, connection, self._boot)
            return
        word = self._profile.ack
        await self._write(word, seq, connection)
        if word is not None and word.echo:
            await self._check_echo(word, word.encode(seq))

    async def write_ready(self, counter: int, connection: int) -> None:
        """Write the ready word."""
        await self._write(self._profile.ready, counter, connection)

    def confirms(self, standing: Standing, again: Standing) -> bool:
        """Two readings right after each other are equal, but for an acknowledgement between them."""
        return replace(again, acked_seq=0) == replace(standing, acked_seq=0)

    def stored(self, observation: Observation, entry: bytes | None) -> None:  # noqa: ARG002  (no message answers it)
        """Only `tell` tells a rig of registers. What it cleared is let go."""
        if self._once is not None and observation.raw:
            self._once.stored(observation.seq)

    def stray(self, following: int, holes: Collection[int], boot: int) -> None:  # noqa: ARG002
        """Nothing comes unasked."""
        return

    def repeated(self) -> int:
        """Nothing comes unasked."""
        return 0

    async def _check_echo(self, word: Word, told: list[int]) -> None:
        try:
            found = await self._wire.read(word.at, word.words)
        except OddReply as error:
            raise NotConnected(error.detail) from None
        except ExceptionReply as error:
            raise BackOff(self._profile.transport.busy_wait_ms / 1000, error.detail) from None
        if found != b"".join(value.to_bytes(2, "big") for value in told):
            raise BackOff(self._profile.transport.busy_wait_ms / 1000, "the acknowledgement word did not stay")

    async def _write(self, word: Word | None, value: int, connection: int) -> None:
        if word is None:
            return
        try:
            await self._wire.write(word.at, word.encode(value), connection)
        except OddReply as error:
            raise NotConnected(error.detail) from None
        except ExceptionReply as error:
            raise BackOff(self._profile.transport.busy_wait_ms / 1000, error.detail) from None


def _reply_refused(error: ExceptionReply | OddReply) -> DecodeError:
    """A reply that is no record, as evidence."""
    odd = isinstance(error, OddReply)
    cut = ((0, len(error.frame)),) if odd and error.frame else ()
    return DecodeError("wire" if odd else "exception", error.detail, (RawArea("reply", 0, error.frame, cut),))
