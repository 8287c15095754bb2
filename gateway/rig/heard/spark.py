"""Sparkplug B: certificates of birth and death, data by aliases, and what the gateway's box makes of them.

Owns: what is shown of an edge node and of one rig below it. Other devices of the node are heard, since the sequence
runs over all of it, and never shown. A rebirth is asked for only by whoever calls `ask`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.spark_payload import read_payload
from device_adapters.decoding.sparkplug import read_birth, read_data, value_of
from device_adapters.errors import DecodeError
from device_adapters.language.values import DATATYPES
from device_adapters.messages.fates import LET_GO
from device_adapters.observation import Evidence
from device_adapters.sparkplug.box import SparkBox
from device_adapters.sparkplug.node import EdgeNode
from gateway.rig.heard.plain import said_text
from gateway.rig.heard.sheets import Row, Sheet, shortened
from gateway.rig.heard.taken import Found, Numbers, Taken
from gateway.rig.looking import HIDDEN
from gateway.rig.views import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from device_adapters.decoding.spark_payload import Metric, Payload
    from device_adapters.decoding.sparkplug import Birth
    from device_adapters.language.values import SparkShape, Value
    from device_adapters.messages.fates import Fate
    from device_adapters.messages.message_memory import Post
    from gateway.rig.heard.message import Message

BIRTH, DATA, DEATH, NODE, OTHER = "birth", "data", "death", "node", "other"
_TYPES: Final = {number: name for name, number in DATATYPES.items()}
_VALUE_BYTES_SHOWN: Final = 16


class SparkReader:
    """Of one rig. The sheet of data has the newest of every metric."""

    def __init__(self, serial: str, shape: SparkShape, *, show: bool = False) -> None:
        self.serial = serial
        self.shape = shape
        group, name, self.device = shape.place(serial)
        self._show = show
        self._numbers = Numbers()
        self._node = EdgeNode(group, name, lambda: time.time_ns() // 1_000_000)
        self._box = SparkBox(serial, shape, self._node)
        self.birth: Birth | None = None  # that of the rig, if the profile can read it
        self._rows: dict[str, Row] = {}
        self._ours = {value.source: value for value in shape.said.values.values()}

    def topics(self) -> Iterator[str]:
        """All of the edge node."""
        for topic, _ in self._node.routes():
            yield topic

    def read(self, message: Message) -> Taken:
        """A certificate, data, or something of another device."""
        kind, own = self.kind_of(message.topic)
        self._node.take(message.topic, message.payload, _nothing, message.retained)
        found = self.late()
        sheet = self._sheet(kind, message) if own else Sheet(NODE, message.topic)
        fault = next((f"{one.reason}: {one.detail}" for one in found if isinstance(one, Evidence)), sheet.fault)
        sheet = Sheet(sheet.name, sheet.topic, sheet.rows, fault, sheet.unnamed)
        return Taken(kind if own else OTHER, sheet, found, self._numbers.of(found))

    def kind_of(self, topic: str) -> tuple[str, bool]:
        """`birth`, `data` or `death`, and whether of this rig; the node's own are, where the rig is the node."""
        _, _, kind, _, *rest = topic.split("/")
        return kind[1:].lower(), (rest[0] if rest else None) == self.device

    def value_named(self, metric: str | None) -> Value | None:
        """What the profile says of a metric."""
        return self._ours.get(metric or "")

    def late(self) -> tuple[Found, ...]:
        """What the box found."""
        arrived = self._box.inbox.arrived
        found = []
        while arrived:
            one = arrived.popleft()
            one.settle(LET_GO)
            found.append(one.found)
        return tuple(found)

    def lost(self) -> None:
        """What the aliases mean is not known any more."""
        self._box.lost()
        self.birth = None
        self._rows.clear()

    def wants(self) -> str:
        """Without a birth certificate nothing can be believed."""
        if self._box.inbox.offline:
            return "设备已离线 the rig is away, says its edge node, or the node's will"
        if not self._box.inbox.here:
            return "没有出生证书 no birth certificate heard yet; --rebirth asks the edge node for one"
        return ""

    async def ask(self, post: Post) -> None:
        """For the birth certificates, as the gateway would and no more often."""
        await self._node.chores(post)

    # ------------------------------------------------------------------ sheets

    def _sheet(self, kind: str, message: Message) -> Sheet:
        if kind == DEATH:
            return Sheet(DEATH, message.topic)
        try:
            return self._of_birth(message) if kind == BIRTH else self._of_data(message)
        except DecodeError as error:
            return Sheet(kind, message.topic, fault=str(error))

    def _of_birth(self, message: Message) -> Sheet:
        """Every metric by its name: an integrator looks here for what the profile should say."""
        self.birth, self._rows = None, {}
        payload, fault = read_payload(message.payload), ""
        try:
            self.birth = read_birth(self.shape, message.payload)
        except DecodeError as error:
            fault = str(error)
        rows = tuple(self._born(payload, metric) for metric in payload.metrics)
        return Sheet(BIRTH, message.topic, rows, fault)

    def _born(self, payload: Payload, metric: Metric) -> Row:
        name = printable(metric.name or "?")
        where = f"{_TYPES.get(metric.datatype or 0, metric.datatype)} #{'-' if metric.alias is None else metric.alias}"
        if metric.name not in self._ours:
            value = "未列入 not in the profile"
            return Row(name, where, self._raw(payload, metric) if self._show else "", value)
        return self._row(payload, metric, metric.name, where)

    def _of_data(self, message: Message) -> Sheet:
        if self.birth is None:
            raise DecodeError("sequence", "without a birth certificate its aliases mean nothing")
        payload, metrics = read_data(self.birth, message.payload)
        unnamed = 0
        for name, metric in metrics.items():
            if name in self._ours:
                where = "历史 historical" if metric.historical else ""
                self._rows[name] = self._row(payload, metric, name, where)
            else:
                unnamed += 1
        rows = tuple(self._rows[source] for source in self._ours if source in self._rows)
        return Sheet(DATA, message.topic, rows, unnamed=unnamed)

    def _row(self, payload: Payload, metric: Metric, name: str | None, where: str) -> Row:
        value = self._ours[name or ""]
        label = f"{value.name} = {printable(name or '')}"
        if value.personal and not self._show:
            return Row(label, where, "", HIDDEN)
        raw = self._raw(payload, metric)
        try:
            return Row(label, where, raw, said_text(value, value_of(payload, metric, value)))
        except DecodeError as error:
            null = "空 null" if metric.null else ""
            return Row(label, where, raw, null, "" if null else printable(error.detail))

    def _raw(self, payload: Payload, metric: Metric) -> str:
        if metric.value is None:
            return ""
        return shortened(payload.content(metric.value)[:_VALUE_BYTES_SHOWN].hex(" "))


def _nothing(_fate: Fate) -> None:
    """QoS 0 has no answer."""
