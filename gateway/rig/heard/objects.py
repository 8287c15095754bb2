"""JSON messages by field paths: a rig of interface v1, or a maker's own, over MQTT or pushed over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.decoding.message import read_status, take_message
from device_adapters.errors import BadReading, DecodeError
from gateway.rig.heard.sheets import Sheet, json_rows
from gateway.rig.heard.taken import Found, Numbers, Taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from device_adapters.language.shape import Shape
    from gateway.rig.heard.message import Message

RECORD, STATUS, WILL, OTHER = "record", "status", "will", "other"


class ObjectReader:
    """Of one rig. `show`: names and tickets, too."""

    def __init__(self, serial: str, shape: Shape, *, show: bool = False) -> None:
        self.serial = serial
        self.shape = shape
        self._show = show
        self._numbers = Numbers()
        self._statuses = 0
        topics = shape.topics
        self._kinds = {topics.of(topics.record, serial): RECORD, topics.of(topics.status, serial): STATUS}

    def topics(self) -> Iterator[str]:
        """Of records and of the status."""
        yield from self._kinds

    def read(self, message: Message) -> Taken:
        """A record, a status, or the will."""
        kind = self._kinds.get(message.topic, OTHER)
        if kind == RECORD:
            return self._record(message)
        return self._status(message) if kind == STATUS else Taken(OTHER, Sheet(OTHER, message.topic))

    def late(self) -> tuple[Found, ...]:
        """Every message is whole."""
        return ()

    def lost(self) -> None:
        """A status of before says nothing now."""
        self._statuses = 0

    def wants(self) -> str:
        """A gateway believes nothing of a rig that shows no live status (G3)."""
        return "" if self._statuses else "没有实时状态 no live status yet: a gateway would wait for one"

    def _record(self, message: Message) -> Taken:
        try:
            found = take_message(message.payload, serial=self.serial, retained=message.retained, shape=self.shape)
        except BadReading as error:
            return Taken(RECORD, self._sheet(RECORD, message, str(error)), (error.evidence,))
        return Taken(RECORD, self._sheet(RECORD, message, ""), (found,), self._numbers.note(found))

    def _status(self, message: Message) -> Taken:
        try:
            said = read_status(message.payload, serial=self.serial, shape=self.shape)
        except BadReading as error:
            return Taken(STATUS, self._sheet(STATUS, message, str(error)), (error.evidence,))
        if said.standing is None:
            return Taken(WILL, self._sheet(WILL, message, ""))
        self._statuses += not message.retained
        return Taken(STATUS, self._sheet(STATUS, message, ""))

    def _sheet(self, name: str, message: Message, fault: str) -> Sheet:
        status = name != RECORD
        layout = self.shape.status if status else self.shape.record
        try:
            rows, unnamed = json_rows(message.payload, layout, status=status, show=self._show)
        except DecodeError as error:
            return Sheet(name, message.topic, fault=fault or str(error))
        return Sheet(name, message.topic, rows, fault, unnamed)
