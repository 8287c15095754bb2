"""The reader that a profile asks for; and one without a profile, which shows topics and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.language.shape import Shape
from device_adapters.language.values import PlainShape, SparkShape
from gateway.errors import ConfigError
from gateway.rig.heard.objects import ObjectReader
from gateway.rig.heard.plain import PlainReader
from gateway.rig.heard.sheets import Row, Sheet
from gateway.rig.heard.spark import SparkReader
from gateway.rig.heard.taken import Found, Taken
from gateway.rig.limits import TOPICS_SHOWN_MAX
from gateway.rig.views import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from device_adapters.language.profile import Profile
    from gateway.rig.heard.message import Message
    from gateway.rig.heard.taken import Reader

_SHOWN = 160


def reader_of(profile: Profile, serial: str, *, show: bool = False) -> Reader:
    """Raises ConfigError for a model that is read over Modbus."""
    shape = profile.message
    if not serial:
        raise ConfigError("WHERE: the rig's serial number, as it stands in its topics")
    if isinstance(shape, PlainShape):
        return PlainReader(serial, shape, show=show)
    if isinstance(shape, SparkShape):
        return SparkReader(serial, shape, show=show)
    if isinstance(shape, Shape):
        return ObjectReader(serial, shape, show=show)
    raise ConfigError(f"profile {profile.id} is read over Modbus: give HOST:PORT, without --broker or --listen")


class RawReader:
    """Whatever comes under some topics, as it came: for a profile that is not written yet."""

    serial = ""

    def __init__(self, filters: tuple[str, ...]) -> None:
        self._filters = filters
        self._rows: dict[str, Row] = {}

    def topics(self) -> Iterator[str]:
        """As given."""
        yield from self._filters

    def read(self, message: Message) -> Taken:
        """The newest of every topic."""
        kept = "保留 retained" if message.retained else ""
        if message.topic in self._rows or len(self._rows) < TOPICS_SHOWN_MAX:
            topic = printable(message.topic)
            self._rows[message.topic] = Row(topic, kept, f"{len(message.payload)} B", _shown(message.payload))
        return Taken("value", Sheet("topics", "", tuple(self._rows[name] for name in sorted(self._rows))))

    def late(self) -> tuple[Found, ...]:
        """Nothing is decoded."""
        return ()

    def lost(self) -> None:
        """What was seen was seen."""

    def wants(self) -> str:
        """Nothing."""
        return ""


def _shown(payload: bytes) -> str:
    try:
        text = payload[: _SHOWN * 4].decode()
    except UnicodeDecodeError:
        text = payload[:_SHOWN].hex(" ")
    shown = printable(text[:_SHOWN])
    return f"{shown}…" if len(text) > _SHOWN else shown
