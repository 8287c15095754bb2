"""What one rig says as Sparkplug metrics, until it is a whole record.

Owns: its birth certificate, the newest value of each metric with the message that it came in, and the record at the
message that has the trigger. Half records are refused, never filled up. Which messages can be believed is the edge
node's business. Knows no library. Spec: docs/formats/profile-values.md rules S1 to S12.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from device_adapters.decoding.sparkplug import (
    BIRTH,
    DATA,
    TOPIC,
    areas_of,
    decode_spark,
    read_birth,
    read_data,
    value_of,
)
from device_adapters.errors import DecodeError
from device_adapters.language.jsonspans import Node
from device_adapters.limits import SPARK_BYTES_MAX, SPARK_DATA_BYTES_MAX, TOPIC_BYTES_MAX
from device_adapters.messages.fates import LET_GO
from device_adapters.observation import Evidence, RawArea
from device_adapters.streaming.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from device_adapters.decoding.spark_payload import Metric, Payload
    from device_adapters.decoding.sparkplug import Birth
    from device_adapters.language.values import SparkShape
    from device_adapters.messages.fates import Settle
    from device_adapters.sparkplug.node import EdgeNode

LIVE = (
    "state",
    "mode",
    "item",
    "ordinal",
    "exam_no",
    "elapsed_s",
    "limit_s",
    "running_score",
    "deduction_count",
    "fault",
)


@dataclass(slots=True)
class _Known:
    """Where the newest value of a metric came: the how-manieth message since the birth, and its bytes."""

    place: int
    data: bytes
    stamp: int | None
    fresh: bool = True


class SparkBox:
    """Of one rig, on one broker."""

    def __init__(self, serial: str, shape: SparkShape, node: EdgeNode) -> None:
        self.serial = serial
        self.shape = shape
        self.node = node
        self.inbox = Inbox(serial, told=True)
        self._birth: Birth | None = None
        self._known: dict[str, _Known] = {}  # by metric
        self._doubtful: set[str] = set()  # metrics of which something is called historical that is not older
        self._place = 0
        self._unborn = False  # told that data came without a birth certificate
        self._hopeless = False  # its certificate is there, and is none that the profile can read
        self.wants_birth = False  # data came that only another certificate can tell the meaning of
        node.join(shape.place(serial)[2], self)

    # ------------------------------------------------------------------ the broker's side

    def routes(self) -> Iterator[tuple[str, Callable[[str, bytes, Settle, bool], object]]]:
        """Those of the edge node."""
        return self.node.routes()

    def wake(self) -> None:
        """Something about the connection changed."""
        self.inbox.wake()

    def lost(self) -> None:
        """The connection is gone: what was said before it may have changed since."""
        self.node.lost()
        self.forget()

    def let_go(self) -> bool:
        """Nothing waits here for other messages."""
        return False

    # ------------------------------------------------------------------ the edge node's side

    def forget(self) -> None:
        """The certificate counts no longer."""
        self._birth = None
        self._known.clear()
        self._doubtful.clear()
        self.inbox.unheard()

    def renew(self) -> None:
        """A life of the edge node begins; certificates follow."""
        self.wants_birth = self._unborn = False

    def away(self) -> None:
        """Its death certificate."""
        self.forget()
        self.inbox.away()

    def be_born(self, topic: str, data: bytes, settle: Settle) -> None:
        """A birth certificate: what the metrics are called from here on."""
        self.forget()
        self.renew()
        try:
            self._birth = read_birth(self.shape, data)
        except DecodeError as error:
            self._hopeless = True
            self.refuse(error.reason, error.detail, topic, data, settle)
            return
        settle(LET_GO)
        self._hopeless = False
        self.inbox.heard()
        self._show(self._birth.payload, self._birth.metrics)
        self._speak_of_last(self._birth)

    def hear(self, topic: str, data: bytes, settle: Settle) -> None:
        """Data, in sequence."""
        birth = self._birth
        if birth is None:
            self.wants_birth = not self._hopeless
            self.inbox.wake()
            self.refuse("sequence", "data without a birth certificate of the rig", topic, data, settle)
            return
        try:
            payload, metrics = read_data(birth, data)
        except DecodeError as error:
            self.refuse(error.reason, error.detail, topic, data, settle)
            self.forget()  # what its aliases mean is not known
            self.wants_birth = True
            return
        self._place += 1
        trigger = metrics.get(self.shape.said.values[self.shape.said.trigger].source)
        if trigger is not None and trigger.historical:
            self._record(topic, birth, [data], data, settle)
            return
        for name, metric in metrics.items():
            if metric.historical:
                self._doubt(name, metric, birth)
            else:
                self._known[name] = _Known(self._place, data, metric.timestamp)
                self._doubtful.discard(name)
        self._show(payload, {name: one for name, one in metrics.items() if not one.historical})
        if trigger is None:
            settle(LET_GO)
        else:
            self._end(topic, birth, data, settle)

    def _doubt(self, name: str, metric: Metric, birth: Birth) -> None:
        """What is historical is older than what holds; else nobody knows what holds."""
        known = self._known.get(name)
        holds = birth.metrics[name].timestamp if known is None else known.stamp
        if holds is None or metric.timestamp is None or metric.timestamp >= holds:
            self._doubtful.add(name)

    # ------------------------------------------------------------------ records

    def _end(self, topic: str, birth: Birth, data: bytes, settle: Settle) -> None:
        """The trigger came: the newest values are a record, or it is refused."""
        values = self.shape.said.values
        places: dict[int, bytes] = {self._place: data}
        old: list[str] = []
        for value in values.values():
            known = self._known.get(value.source)
            if known is not None and (known.fresh or value.stays):
                places[known.place] = known.data
            elif not value.stays and value.name in self._needed():
                old.append(value.name)
        doubtful = [value.name for value in values.values() if value.source in self._doubtful]
        for known in self._known.values():
            known.fresh = False
        if old:
            detail = f"{', '.join(old)} not said since the last record"
            self.refuse("missing_field", detail, topic, data, settle)
            return
        if doubtful:
            detail = f"{', '.join(doubtful)} said as historical, and not older than what holds"
            self.refuse("pair", detail, topic, data, settle)
            return
        self._record(topic, birth, [places[place] for place in sorted(places)], data, settle)

    def _needed(self) -> set[str]:
        return {name for kind in self.shape.said.kinds() for name in self.shape.said.needed(kind)}

    def _record(self, topic: str, birth: Birth, parts: list[bytes], data: bytes, settle: Settle) -> None:
        try:
            if sum(map(len, parts)) > SPARK_DATA_BYTES_MAX:
                raise DecodeError("oversize", f"the messages of one record have more than {SPARK_DATA_BYTES_MAX} bytes")  # noqa: TRY301
            found = decode_spark(self.shape, areas_of(topic, birth.payload.data, parts), rig=self.serial)
        except DecodeError as error:
            self.refuse(error.reason, error.detail, topic, data, settle)
        else:
            self.inbox.arrive(found, settle)

    def refuse(self, reason: str, detail: str, topic: str, data: bytes, settle: Settle) -> None:
        """With what came, cut whole. Of data without a certificate the first is told, the others are the same."""
        if reason == "sequence" and self._unborn:
            settle(LET_GO)
            return
        self._unborn = self._unborn or reason == "sequence"
        kept = data[:SPARK_BYTES_MAX]
        areas = [RawArea(TOPIC, 0, topic.encode()[:TOPIC_BYTES_MAX])]
        birth = self._birth.payload.data[: 2 * SPARK_BYTES_MAX - TOPIC_BYTES_MAX - len(kept)] if self._birth else b""
        areas += [RawArea(name, 0, one, ((0, len(one)),)) for name, one in ((BIRTH, birth), (f"{DATA}.1", kept)) if one]
        self.inbox.arrive(
            Evidence(self.serial, reason, detail, self._number(data), self._epoch(), tuple(areas)), settle
        )

    def _number(self, data: bytes) -> int | None:
        """Number of a refused record, where that can be told."""
        if self._birth is None:
            return None
        said = self.shape.said.values["seq"]
        try:
            payload, metrics = read_data(self._birth, data)
            return _whole(value_of(payload, metrics[said.source], said))
        except (DecodeError, KeyError):
            return None

    def _epoch(self) -> int | None:
        fixed = self.shape.said.fixed.get("boot")
        return fixed if isinstance(fixed, int) else None

    def _speak_of_last(self, birth: Birth) -> None:
        """A certificate tells the number of the newest record: one that never came is lost, and not made up from it."""
        said = self.shape.said
        if said.trigger != "seq":
            return
        try:
            seq = _whole(value_of(birth.payload, birth.metrics[said.values["seq"].source], said.values["seq"]))
            epoch = self._epoch()
            if epoch is None:
                boot = said.values["boot"]
                epoch = _whole(value_of(birth.payload, birth.metrics[boot.source], boot))
        except DecodeError:
            return
        if seq is not None and epoch is not None:
            self.inbox.last = (epoch, seq)

    def _show(self, payload: Payload, metrics: Mapping[str, Metric]) -> None:
        """The live state, of metrics that one shows; not evidence."""
        changed: dict[str, Any] = {}
        for name in LIVE:
            value = self.shape.said.values.get(name)
            metric = metrics.get(value.source) if value is not None else None
            if value is None or metric is None:
                continue
            try:
                found = value_of(payload, metric, value)
            except DecodeError:
                continue
            if isinstance(found, Node):
                changed[name] = found.value
        self.inbox.show(replace(self.inbox.live, **changed))


def _whole(found: object) -> int | None:
    return found.value if isinstance(found, Node) and isinstance(found.value, int) else None
