"""A record that came as Sparkplug metrics: a birth certificate, and the data that followed it.

Owns: the raw areas of such a record (`topic`, `birth`, `data.1` to `data.n`, of which the last one has the trigger)
and what they say. Aliases are looked up in that birth certificate and nowhere else. Pure: gateway and server decode
with it (P4). Spec: docs/formats/profile-values.md rules S1 to S12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.spark_payload import (
    BOOLEAN,
    DOUBLE,
    FLOAT,
    INT,
    LONG,
    STRING,
    Metric,
    Payload,
    read_payload,
    text_of,
)
from device_adapters.decoding.values import GONE, compose, from_text, from_whole, moment
from device_adapters.errors import DecodeError
from device_adapters.language.jsonspans import Node
from device_adapters.language.packed import hundredths
from device_adapters.language.shape import NOWHERE
from device_adapters.language.values import DATATYPES, Value
from device_adapters.limits import MESSAGE_HIDDEN_MAX, TOPIC_BYTES_MAX
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from device_adapters.decoding.decode import Decoded
    from device_adapters.decoding.values import Said
    from device_adapters.language.jsonspans import Span
    from device_adapters.language.values import SparkShape

TOPIC, BIRTH, DATA = "topic", "birth", "data"
_SIGNED: Final = {"Int8": 8, "Int16": 16, "Int32": 32, "Int64": 64}
_UNSIGNED: Final = {"UInt8": 8, "UInt16": 16, "UInt32": 32, "UInt64": 64, "DateTime": 64}
_FIELDS: Final = {
    **dict.fromkeys(("Int8", "Int16", "Int32", "UInt8", "UInt16"), (INT,)),
    "UInt32": (INT, LONG),  # makers' libraries differ
    **dict.fromkeys(("Int64", "UInt64", "DateTime"), (LONG,)),
    "Float": (FLOAT,),
    "Double": (DOUBLE,),
    "Boolean": (BOOLEAN,),
    **dict.fromkeys(("String", "Text", "UUID"), (STRING,)),
}


@dataclass(frozen=True, slots=True)
class Birth:
    """A birth certificate: what the metrics of later data are. `names` by alias."""

    payload: Payload
    names: Mapping[int, str]
    metrics: Mapping[str, Metric]

    def name_of(self, metric: Metric) -> str:
        """Of a metric of the data. Raises DecodeError for one that this certificate does not name."""
        if metric.name is not None:
            if metric.name not in self.metrics:
                raise DecodeError("code", "a metric is not in the birth certificate")
            return metric.name
        name = self.names.get(-1 if metric.alias is None else metric.alias)
        if name is None:
            raise DecodeError("code", "an alias is not in the birth certificate")
        return name


def read_birth(shape: SparkShape, data: bytes, erased: Collection[Span] = ()) -> Birth:
    """A birth certificate that has every metric of the profile, in its type. Raises DecodeError."""
    payload = read_payload(data, erased)
    names: dict[int, str] = {}
    metrics: dict[str, Metric] = {}
    for metric in payload.metrics:
        if metric.erased:
            continue
        if metric.name is None:
            raise DecodeError("missing_field", "a metric of the birth certificate has no name")
        if metric.name in metrics or (metric.alias is not None and metric.alias in names):
            raise DecodeError("duplicate_key", "a name or an alias stands twice in the birth certificate")
        metrics[metric.name] = metric
        if metric.alias is not None:
            names[metric.alias] = metric.name
    for value in shape.said.values.values():
        if value.source not in metrics:
            raise DecodeError("missing_field", f"{value.name} is not in the birth certificate")
        if metrics[value.source].datatype != DATATYPES[value.datatype]:
            raise DecodeError("wrong_kind", f"{value.name} is no {value.datatype} in the birth certificate")
    return Birth(payload, names, metrics)


def read_data(birth: Birth, data: bytes, erased: Collection[Span] = ()) -> tuple[Payload, dict[str, Metric]]:
    """A payload of data and its metrics by their name. Raises DecodeError."""
    payload, found = read_payload(data, erased), {}
    for metric in payload.metrics:
        if metric.erased:
            continue
        name = birth.name_of(metric)
        if name in found:
            raise DecodeError("duplicate_key", "a metric stands twice in one message")
        if metric.datatype is not None and metric.datatype != birth.metrics[name].datatype:
            raise DecodeError("wrong_kind", "a metric has another type than in the birth certificate")
        found[name] = metric
    return payload, found


def value_of(payload: Payload, metric: Metric, value: Value, erased: Collection[Span] = ()) -> Said:
    """What a metric says. Raises DecodeError, which quotes nothing."""
    part, name = metric.value, value.name
    if metric.null or part is None:
        raise DecodeError("missing_field", f"{name} is null")
    if part.field not in _FIELDS[value.datatype]:
        raise DecodeError("wrong_kind", f"{name} is not sent as a {value.datatype}")
    if part.field == STRING:
        if part.span in erased and payload.content(part) == bytes(part.span[1]):
            return GONE
        return from_text(value, text_of(payload.content(part), name))
    if part.field == BOOLEAN:
        return from_text(value, str(part.number))
    if part.field in {FLOAT, DOUBLE}:
        return _float(payload.content(part), value)
    return from_whole(value, _whole(part.number, value))


def _float(data: bytes, value: Value) -> Node:
    try:
        number = hundredths(data[::-1], value.hundredths)  # on the wire the lowest byte comes first
    except DecodeError as error:
        raise DecodeError(error.reason, f"{value.name} {error.detail}") from None
    return Node(number, NOWHERE)


def _whole(number: int, value: Value) -> int:
    """Signed ones are two's complement, in their own width or in that of the field."""
    bits = _UNSIGNED.get(value.datatype)
    if bits is not None:
        if number >> bits:
            raise DecodeError("range", f"{value.name} is too large for a {value.datatype}")
        return number
    bits = _SIGNED[value.datatype]
    for width in (bits, 32 if bits <= 32 else 64):  # noqa: PLR2004
        signed = number - (1 << width) if number >> (width - 1) == 1 else number
        if -(1 << bits - 1) <= signed < 1 << bits - 1:
            return signed
    raise DecodeError("range", f"{value.name} is outside a {value.datatype}")


def areas_of(topic: str, birth: bytes, data: Sequence[bytes]) -> tuple[RawArea, ...]:
    """The raw areas of a record, before anything is cut."""
    numbered = (RawArea(f"{DATA}.{number}", 0, one) for number, one in enumerate(data, 1))
    return (RawArea(TOPIC, 0, topic.encode()), RawArea(BIRTH, 0, birth), *numbered)


def decode_spark(shape: SparkShape, raw: Sequence[RawArea], *, rig: str | None = None, erased: bool = False) -> Decoded:
    """The record that these areas are. Raises DecodeError only."""
    serial = _serial(shape, raw)
    if rig is not None and serial != rig:
        raise DecodeError("serial", "the topic is not one of this rig")
    gone = [frozenset(area.cut) if erased else frozenset() for area in raw]
    birth = read_birth(shape, raw[1].data, gone[1])
    said, stamp = _said(shape, birth, raw[1:], gone[1:])
    if shape.stamps:
        said["time"] = Node(_stamp(stamp), NOWHERE)
    cut = (_cut(shape, birth, area, away) for area, away in zip(raw[1:], gone[1:], strict=True))
    return compose(said, shape.said, serial).decoded(serial, (raw[0], *cut), erased=erased)


def _serial(shape: SparkShape, raw: Sequence[RawArea]) -> str:
    """By the topic; and that the areas are those of such a record."""
    names = [TOPIC, BIRTH, *(f"{DATA}.{number}" for number in range(1, len(raw) - 1))]
    wrong = [area.area for area in raw] != names or len(raw) < 3 or any(area.at for area in raw)  # noqa: PLR2004
    if wrong or len(raw[0].data) > TOPIC_BYTES_MAX:
        raise DecodeError("area", "not a topic, a birth certificate and data")
    before, _, after = shape.topic("\0").partition("\0")
    topic = raw[0].data.decode("utf-8", "replace")
    serial = topic[len(before) : len(topic) - len(after)]
    if not serial or "/" in serial or topic != f"{before}{serial}{after}":
        raise DecodeError("area", "the topic is not one that has data of such a rig")
    return serial


def _said(
    shape: SparkShape, birth: Birth, areas: Sequence[RawArea], gone: Sequence[Collection[Span]]
) -> tuple[dict[str, Said], int | None]:
    """The newest value of each metric, and the time of the trigger; values that stay come from the birth too."""
    values, last = shape.said.values, len(areas) - 1
    said: dict[str, Said] = {}
    trigger, stamp = None, None
    for place, (area, cut) in enumerate(zip(areas[1:], gone[1:], strict=True), 1):
        payload, metrics = read_data(birth, area.data, cut)
        if place == last:
            trigger = metrics.get(values[shape.said.trigger].source)
            if trigger is None:
                raise DecodeError("missing_field", f"{shape.said.trigger} is not in the last message")
            stamp = trigger.timestamp if trigger.timestamp is not None else payload.timestamp
            said = {} if trigger.historical else said
        for value in values.values():
            metric = metrics.get(value.source)
            if metric is None or (trigger is None and metric.historical):
                continue
            _check_moment(value, metric, trigger)
            said[value.name] = value_of(payload, metric, value, cut)
    if trigger is not None and not trigger.historical:
        for value in values.values():
            kept = birth.metrics[value.source]
            if value.stays and value.name not in said and kept.value is not None and not kept.null:
                said[value.name] = value_of(birth.payload, kept, value, gone[0])
    kind = shape.said.fixed.get("type") or getattr(said.get("type"), "value", None)
    needed = shape.said.needed(kind) if isinstance(kind, str) else ("type",)
    missing = [name for name in needed if name not in said]
    if missing:
        raise DecodeError("missing_field", f"no {', '.join(missing)}")
    return {name: one for name, one in said.items() if name in needed}, stamp


def _check_moment(value: Value, metric: Metric, trigger: Metric | None) -> None:
    """What is historical counts only where all of the record is, and of one moment."""
    if trigger is None:
        return
    if metric.historical != trigger.historical:
        raise DecodeError("pair", f"{value.name} and the end of the record are not both historical")
    if trigger.historical and metric.timestamp != trigger.timestamp:
        raise DecodeError("pair", f"{value.name} is of another moment than the end of the record")


def _stamp(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return moment(Value("time", "", clock="unix-ms"), milliseconds)


def _cut(shape: SparkShape, birth: Birth, area: RawArea, gone: Collection[Span]) -> RawArea:
    """Metrics that the profile does not name, personal values, and what nobody says the meaning of."""
    payload = read_payload(area.data, gone)
    ours = {value.source: value for value in shape.said.values.values()}
    hidden: list[Span] = list(payload.opaque)
    for metric in payload.metrics:
        value = None if metric.erased else ours.get(birth.name_of(metric))
        if value is None:
            hidden.append(metric.span)
            continue
        hidden += metric.opaque
        if value.personal and metric.value is not None:
            hidden.append(metric.value.span)
    cuts = tuple(sorted(span for span in hidden if span[1]))
    if len(cuts) > MESSAGE_HIDDEN_MAX:
        raise DecodeError("oversize", f"{len(cuts)} values that must not be shown, at most {MESSAGE_HIDDEN_MAX}")
    return RawArea(area.area, 0, area.data, cuts)
