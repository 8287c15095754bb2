"""Values that come one by one, each under its own topic: what each says, and what the gateway's box makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from device_adapters.decoding.plain import read_plain
from device_adapters.errors import DecodeError
from device_adapters.language.jsonspans import Node
from device_adapters.language.values import topic_filter, topic_pattern
from device_adapters.messages.fates import LET_GO
from device_adapters.mqtt.plain_box import PlainBox
from gateway.rig.heard.sheets import Row, Sheet, shortened, value_text
from gateway.rig.heard.taken import Found, Numbers, Taken
from gateway.rig.looking import HIDDEN
from gateway.rig.views import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from device_adapters.language.values import PlainShape, Value
    from device_adapters.messages.fates import Fate
    from gateway.rig.heard.message import Message

VALUE, PRESENCE, OTHER = "value", "presence", "other"
_SHEET: Final = "values"


class PlainReader:
    """Of one rig. The sheet has the newest of every value."""

    def __init__(self, serial: str, shape: PlainShape, *, show: bool = False) -> None:
        self.serial = serial
        self.shape = shape
        self._show = show
        self._numbers = Numbers()
        self._box = PlainBox(serial, shape)
        self._routes = dict(self._box.routes())
        self._patterns = [(topic_filter(one, serial), topic_pattern(one), one) for one in shape.templates()]
        self._rows: dict[str, Row] = {}

    def topics(self) -> Iterator[str]:
        """Of all values, and of the rig's presence."""
        yield from self._routes

    def read(self, message: Message) -> Taken:
        """One value, and the record that it may have made whole."""
        template = self._template(message.topic)
        if template is None:
            return self._presence(message)
        self._routes[topic_filter(template, self.serial)](message.topic, message.payload, _nothing, message.retained)
        for name in self.shape.names_of(template):
            self._rows[name] = self._row(self.shape.said.values[name], message)
        found = self.late()
        rows = tuple(self._rows[name] for name in self.shape.said.values if name in self._rows)
        return Taken(VALUE, Sheet(_SHEET, message.topic, rows), found, self._numbers.of(found))

    def late(self) -> tuple[Found, ...]:
        """What the box found, at once or after it waited for the broker's kept values."""
        arrived = self._box.inbox.arrived
        found = []
        while arrived:
            one = arrived.popleft()
            one.settle(LET_GO)
            found.append(one.found)
        return tuple(found)

    def lost(self) -> None:
        """What was said before may have changed since."""
        self._box.lost()
        self._rows.clear()

    def wants(self) -> str:
        """Nothing: a rig of values is there as soon as it says one."""
        return "设备已离线 the rig, or its will, says that it is away" if self._box.inbox.offline else ""

    def _template(self, topic: str) -> str | None:
        for _, pattern, template in self._patterns:
            match = pattern.fullmatch(topic)
            if match is not None and match.groupdict().get("serial", self.serial) == self.serial:
                return template
        return None

    def _presence(self, message: Message) -> Taken:
        take = self._routes.get(message.topic)
        if take is None:
            return Taken(OTHER, Sheet(OTHER, message.topic))
        take(message.topic, message.payload, _nothing, message.retained)
        away = message.payload == self.shape.away.encode()
        row = Row("", message.topic, shortened(_text(message.payload)), "离线 away" if away else "在线 here")
        return Taken(PRESENCE, Sheet(PRESENCE, message.topic, (row,)))

    def _row(self, value: Value, message: Message) -> Row:
        if value.personal and not self._show:
            return Row(value.name, message.topic, "", HIDDEN)
        raw = shortened(_text(message.payload))
        try:
            said = read_plain(value, message.payload)
        except DecodeError as error:
            return Row(value.name, message.topic, raw, "", printable(error.detail))
        kept = " 保留 retained" if message.retained else ""
        return Row(value.name, message.topic, raw, said_text(value, said) + kept)


def said_text(value: Value, said: object) -> str:
    """As a person reads it."""
    return value_text(value.name, said.value if isinstance(said, Node) else said)


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", "backslashreplace")


def _nothing(_fate: Fate) -> None:
    """The broker was answered when it came."""
