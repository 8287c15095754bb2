"""`rig capture`: every request to a rig and every answer, into a file. Reads only.

    rig ──> TapWire (times, answers) ──> one round ──> what is proven is shown, the rest hidden ──> file

Owns: what is asked, and the rule of P7: a word is written in clear only if a proven record says that it is nobody's.
The checksum over hidden words is made anew over their zeros, so that a replay decodes; `hidden` names it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from device_adapters.decoding.decode import decode_status
from device_adapters.decoding.records import open_record
from device_adapters.errors import DecodeError
from device_adapters.language.checksums import CHECKSUMS
from device_adapters.language.spaces import SPACES, TABLE, on_wire
from device_adapters.modbus.reading import RefusedRecordError, marked, read_record
from device_adapters.modbus.wire import ExceptionReply
from device_adapters.observation import RawArea
from gateway.errors import ConfigError
from gateway.recording.cutting import zeroed
from gateway.rig.limits import CAPTURE_BYTES_MAX, CAPTURE_S_MAX, EVERY_S_MAX, EVERY_S_MIN, HELD_READ_MAX
from gateway.rig.looking import untouchable
from gateway.rig.place import ReadOnlyWire, open_wire, transport_of
from gateway.rig.probing import LAST_REGISTER, NO_ANSWER
from gateway.rig.recording import Exchange, Head, exchange_line, head_line, runs_of
from scorelog.format.text import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from device_adapters.language.profile import Profile, Record
    from device_adapters.modbus.wire import Wire
    from gateway.rig.place import Place
    from scorelog.journal.clock import Clock

READ_MAX = 125
_TABLES: Final = (*SPACES, "coils")  # of the last two, one writes otherwise
# By profile address: the word as it may be written, and whether it only stands in for a hidden one.
Clear: TypeAlias = dict[int, tuple[int, bool]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to capture. Without a profile `reads` says which words, and nobody knows which are personal."""

    profile: Profile | None = None
    unit: int | None = None
    reads: tuple[tuple[int, int], ...] = ()
    every_s: float = 0.25
    seconds: float = 60.0
    with_personal: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if self.profile is None and not self.reads:
            raise ConfigError("nothing to capture: give --profile NAME, or --read ADDRESS:WORDS with --with-personal")
        if self.reads and not self.with_personal:
            raise ConfigError("which words are personal only a profile says: without one give --with-personal, too")
        for at, words in self.reads:
            if not (1 <= words <= READ_MAX and on_wire(at) <= LAST_REGISTER + 1 - words):
                raise ConfigError(
                    f"--read {on_wire(at)}:{words}: 1 to {READ_MAX} words from an address below {LAST_REGISTER + 1}"
                )
        if not EVERY_S_MIN <= self.every_s <= EVERY_S_MAX:
            raise ConfigError(f"--every {self.every_s:g}: {EVERY_S_MIN:g} to {EVERY_S_MAX:g} seconds")
        if not 0 < self.seconds <= CAPTURE_S_MAX:
            raise ConfigError(f"--seconds {self.seconds:g}: above 0, at most {CAPTURE_S_MAX:g}")


@dataclass(slots=True)
class Tally:
    """What a capture came to."""

    rounds: int = 0
    exchanges: int = 0
    hidden_words: int = 0
    unproven: int = 0
    faults: int = 0
    full: bool = False


class TapWire(ReadOnlyWire):
    """Keeps every request and its end; never writes."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        super().__init__(wire)
        self._clock = clock
        self._began_us = clock.mono_us()
        self.round = 0
        self.heard: list[Exchange] = []

    async def connect(self) -> None:
        """Close the old connection, open a new one. One that fails stands in the capture like a request."""
        asked_us = self._clock.mono_us()
        try:
            await super().connect()
        except NO_ANSWER as error:
            self._keep(asked_us, 0, 1, failed=str(error))
            raise

    async def read(self, at: int, words: int) -> bytes:
        """`words` holding registers from `at`."""
        asked_us = self._clock.mono_us()
        try:
            reply = await super().read(at, words)
        except ExceptionReply as error:
            self._keep(asked_us, at, words, exception=error.code)
            raise
        except NO_ANSWER as error:
            self._keep(asked_us, at, words, failed=str(error))
            raise
        self._keep(asked_us, at, words, reply=reply)
        return reply

    def _keep(
        self,
        asked_us: int,
        at: int,
        words: int,
        *,
        reply: bytes | None = None,
        exception: int | None = None,
        failed: str = "",
    ) -> None:
        at_ms, took_ms = (asked_us - self._began_us) / 1000, (self._clock.mono_us() - asked_us) / 1000
        space = _TABLES[at // TABLE]
        self.heard.append(
            Exchange(self.round, at_ms, took_ms, on_wire(at), words, reply, exception, failed, space=space)
        )


async def capture(place: Place, plan: Plan, clock: Clock, write: Callable[[str], object]) -> Tally:
    """Until the time is over, or the file is full."""
    transport = transport_of(plan.profile, plan.unit)
    tally, size = Tally(), 0
    taps: list[TapWire] = []

    def tap(wire: Wire) -> Wire:
        taps.append(TapWire(wire, clock))
        return taps[-1]

    async with open_wire(place, plan.profile, transport, tap) as wire:
        write(head_line(_head_of(plan, transport.unit, transport.address_offset, clock)))
        look = _Looking(plan, wire)
        until_us = clock.mono_us() + int(plan.seconds * 1_000_000)
        while not tally.full:
            tally.rounds += 1
            taps[-1].round, taps[-1].heard = tally.rounds, []
            tally.faults += await look.once()
            tally.unproven += look.unproven
            for one in taps[-1].heard:
                shown = one if plan.with_personal else hide(one, look.clear, transport.address_offset)
                line = exchange_line(shown)
                size += len(line)
                tally.full = size > CAPTURE_BYTES_MAX
                if tally.full:
                    break
                tally.exchanges += 1
                tally.hidden_words += sum(words for _, words in shown.hidden)
                write(line)
            if clock.mono_us() + plan.every_s * 1_000_000 > until_us:
                break
            await clock.sleep(plan.every_s)
    return tally


def _head_of(plan: Plan, unit: int, offset: int, clock: Clock) -> Head:
    began, personal = utc_text(clock.now_us()), "kept" if plan.with_personal else "hidden"
    if plan.profile is None:
        return Head(unit, began, personal)
    return Head(unit, began, personal, plan.profile.id, plan.profile.sha256, offset)


class _Looking:
    """One look after the other; `clear` is what of it may be written."""

    def __init__(self, plan: Plan, wire: Wire) -> None:
        self._plan = plan
        self._wire = wire
        self._seen = 0
        self.clear: Clear = {}
        self.unproven = 0

    async def once(self) -> int:
        """1 when the rig did not answer as it should."""
        self.clear, self.unproven = {}, 0
        try:
            if not self._wire.connected:
                await self._wire.connect()
            for at, words in self._plan.reads:
                await self._wire.read(at, words)
            if self._plan.profile is not None:
                await self._records(self._plan.profile)
        except NO_ANSWER:
            return 1
        return 0

    async def _records(self, profile: Profile) -> None:
        status = profile.status
        data = await self._wire.read(status.at, status.words)
        try:
            serial = str(open_record(status, data, rig=None, seq=None).values.get("serial", ""))
            _, standing = decode_status(profile, data, rig=serial)
        except DecodeError as error:
            self._refused(profile, marked(profile, error.reason, [RawArea(status.name, status.at, data)]))
            return
        self._show(profile, [RawArea(status.name, status.at, data)])
        if untouchable(profile) is not None:
            return
        if standing.last_seq < self._seen:  # its memory began anew
            self._seen = 0
        first = max(self._seen + 1, standing.oldest_seq or standing.last_seq, standing.last_seq - HELD_READ_MAX + 1)
        for seq in range(max(1, first), standing.last_seq + 1):
            try:
                found = await read_record(self._wire, profile, serial, seq, standing.boot)
            except RefusedRecordError as error:
                self._refused(profile, error.raw)
            else:
                self._show(profile, found.areas)
            self._seen = seq

    def _refused(self, profile: Profile, areas: Iterable[RawArea]) -> None:
        self.unproven += 1
        self._show(profile, areas)

    def _show(self, profile: Profile, areas: Iterable[RawArea]) -> None:
        records = {profile.status.name: profile.status, **profile.records}
        for area in areas:
            whole = area.cut == ((0, len(area.data)),)
            shown = stand_ins(records[area.area], area)
            hidden = {at // 2 for start, size in area.cut for at in range(start, start + size)}
            record = records[area.area]
            words = len(shown) // 2
            if record.tail is not None:  # its bits lie elsewhere
                words = record.block_words
                if not whole:
                    self.clear[record.tail.at] = (1, False)
            for number in range(words if not whole else 0):
                word = int.from_bytes(shown[number * 2 : number * 2 + 2], "big")
                self.clear[area.at + number] = (word, number in hidden)


def stand_ins(record: Record, area: RawArea) -> bytes:
    """The area without its personal words: zeros, or `x` where a text may not be empty, under a right checksum."""
    if not area.cut:
        return area.data
    data, words = bytearray(zeroed(area)[0]), len(area.data) // 2
    for field in record.fields.values():
        if field.personal is not None and field.type == "text" and field.low:
            start = (field.at if field.at >= 0 else words + field.at) * 2
            data[start : start + field.low] = b"x" * field.low
    if record.crc is not None and record.crc_kind is not None:
        field = record.fields[record.crc]
        start = (field.at if field.at >= 0 else words + field.at) * 2
        value = CHECKSUMS[record.crc_kind](bytes(data[record.crc_from * 2 : start])).to_bytes(field.words * 2, "big")
        data[start : start + field.words * 2] = bytes(value[ord(letter) - ord("A")] for letter in field.order)
    return bytes(data)


def hide(one: Exchange, clear: Clear, offset: int) -> Exchange:
    """What may be written of it."""
    if one.reply is None:
        return one
    first = one.base + one.at - offset
    if one.of_bits:  # all of a proven record, or none
        if first in clear:
            return one
        return replace(one, reply=bytes(len(one.reply)), hidden=((one.at, one.words),))
    found = [clear.get(first + number, (0, True)) for number in range(one.words)]
    hidden = runs_of(one.at + number for number, (_, is_hidden) in enumerate(found) if is_hidden)
    return replace(one, reply=b"".join(word.to_bytes(2, "big") for word, _ in found), hidden=hidden)


def parse_read(text: str) -> tuple[int, int]:
    """`ADDRESS:WORDS`, or `input:ADDRESS:WORDS`. Raises ConfigError."""
    at, colon, words = text.removeprefix("input:").partition(":")
    if not colon or not at.isdecimal() or not words.isdecimal() or int(at) > LAST_REGISTER:
        raise ConfigError(f"--read {text}: ADDRESS:WORDS, such as 0:48, or input:0:48")
    return int(at) + (SPACES["input"] if text.startswith("input:") else 0), int(words)
