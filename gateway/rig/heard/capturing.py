"""`rig capture` for rigs that are heard: every message into a file, or into memory. Says nothing to the rig."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from device_adapters.decoding.decode import Decoded
from device_adapters.limits import MESSAGE_BYTES_MAX, TOPIC_BYTES_MAX
from device_adapters.observation import Evidence
from gateway.errors import ConfigError
from gateway.rig.heard.hiding import Shown, shown_of
from gateway.rig.heard.recording import MQTT, Head, Line, head_line, message_line
from gateway.rig.limits import CAPTURE_BYTES_MAX, CAPTURE_S_MAX
from scorelog.format.text import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from device_adapters.language.profile import Profile
    from gateway.rig.heard.ear import Opener
    from gateway.rig.heard.message import Message
    from gateway.rig.heard.taken import Reader
    from scorelog.journal.clock import Clock

_STEP_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and whether names and tickets are kept."""

    seconds: float = 60.0
    with_personal: bool = False
    rebirth: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if not 0 < self.seconds <= CAPTURE_S_MAX:
            raise ConfigError(f"--seconds {self.seconds:g}: above 0, at most {CAPTURE_S_MAX:g}")


@dataclass(slots=True)
class Writer:
    """See `ear.Hearer`: what comes is written. The counts are what a capture came to."""

    reader: Reader
    clock: Clock
    write: Callable[[str], object]
    with_personal: bool
    began_us: int = 0
    messages: int = 0
    records: int = 0
    refused: int = 0
    hidden: int = 0
    whole: int = 0  # hidden whole
    lost_count: int = 0
    full: bool = False
    _size: int = field(default=0)

    def begin(self, head: Head) -> None:
        """Now is 0."""
        self.began_us = self.clock.mono_us()
        self.write(head_line(head))

    def topics(self) -> Iterable[str]:
        """Those of the rig."""
        return self.reader.topics()

    def take(self, message: Message, verdict: str = "") -> None:
        """One line."""
        taken = self.reader.read(message)
        self.messages += 1
        self.records += sum(isinstance(one, Decoded) for one in taken.found)
        self.refused += sum(isinstance(one, Evidence) for one in taken.found)
        if len(message.payload) > MESSAGE_BYTES_MAX or len(message.topic) > TOPIC_BYTES_MAX:
            shown = Shown(None, refused="oversize")  # or its line could not be read again
        else:
            shown = Shown(message.payload) if self.with_personal else shown_of(self.reader, message, taken)
        self.hidden += shown.hidden
        self.whole += shown.payload is None
        size = len(message.payload) if shown.payload is None else 0
        at_ms = max(0.0, (message.at_us - self.began_us) / 1000)
        self._line(
            Line(
                at_ms,
                message.topic[:TOPIC_BYTES_MAX],
                shown.payload,
                message.retained,
                shown.hidden,
                shown.refused,
                size,
                verdict.partition(":")[0],
            )
        )

    def lost(self) -> None:
        """A reader of the file must know that messages may be missing here."""
        self.reader.lost()
        if self.messages:
            self.lost_count += 1
            self._line(Line((self.clock.mono_us() - self.began_us) / 1000, lost="the connection to the broker broke"))

    def _line(self, line: Line) -> None:
        text = message_line(line)
        self._size += len(text.encode())
        self.full = self.full or self._size > CAPTURE_BYTES_MAX
        if not self.full:
            self.write(text)


def head_of(profile: Profile, serial: str, plan: Plan, clock: Clock, wire: str = MQTT) -> Head:
    """Of a capture that begins now."""
    personal = "kept" if plan.with_personal else "hidden"
    return Head(wire, serial, utc_text(clock.now_us()), personal, profile.id, profile.sha256)


async def capture(opener: Opener, head: Head, writer: Writer, plan: Plan) -> str:
    """Until the time is over, or the file is full. Why nobody could be heard at the end, empty if one could."""
    clock = writer.clock
    writer.begin(head)
    until_us = clock.mono_us() + int(plan.seconds * 1_000_000)
    async with opener(writer, clock) as ear:
        while clock.mono_us() < until_us and not writer.full:
            if plan.rebirth:
                await ear.ask(writer.reader)
            await clock.sleep(_STEP_S)
        return ear.reason
