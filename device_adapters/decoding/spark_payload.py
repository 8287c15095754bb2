"""The bytes of one Sparkplug B payload, as the few protobuf wire types that it is made of.

Owns: which bytes are a payload, and where in them each metric and value lies, so that what is personal can be cut out
and the rest be read again. Strict: what protobuf libraries let pass in silence is refused (a field twice, a wrong wire
type, a number longer than it needs, a field that the specification does not have). Pure; never says what a metric
means. Spec: Eclipse Sparkplug 3.0.0, chapter 6; docs/adr/0016-own-sparkplug-decoder.md.

    payload: 1 timestamp, 2 metric *, 3 seq, 4 uuid, 5 body
    metric:  1 name, 2 alias, 3 timestamp, 4 datatype, 5 historical, 6 transient, 7 null, 8 metadata, 9 properties,
             10 to 19 the value
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.errors import DecodeError
from device_adapters.limits import SPARK_BYTES_MAX, SPARK_METRICS_MAX, SPARK_NAME_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from device_adapters.language.jsonspans import Span

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX: Final = 10
_PAYLOAD: Final = {1: VARINT, 2: LENGTH, 3: VARINT, 4: LENGTH, 5: LENGTH}
_METRIC: Final = {
    **dict.fromkeys((2, 3, 4, 5, 6, 7, 10, 11, 14), VARINT),
    **dict.fromkeys((1, 8, 9, 15, 16, 17, 18, 19), LENGTH),
    12: FIXED32,
    13: FIXED64,
}
INT, LONG, FLOAT, DOUBLE, BOOLEAN, STRING = 10, 11, 12, 13, 14, 15
_VALUES: Final = range(10, 20)
_U32_FIELDS: Final = (4, 10)
_FLAGS: Final = (5, 6, 7, 14)


@dataclass(frozen=True, slots=True)
class Part:
    """One field: its number, and the place of its content. `number` is that of a varint."""

    field: int
    span: Span
    number: int = 0


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `value`: its field, where there is one; `erased`: its bytes were zeroed for good."""

    span: Span
    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: int | None = None
    historical: bool = False
    null: bool = False
    value: Part | None = None
    opaque: tuple[Span, ...] = ()
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload. `opaque`: what no specification says the meaning of."""

    data: bytes
    timestamp: int | None
    seq: int | None
    metrics: tuple[Metric, ...]
    opaque: tuple[Span, ...]

    def content(self, part: Part) -> bytes:
        """The bytes of a field."""
        start, length = part.span
        return self.data[start : start + length]


def read_payload(data: bytes, erased: Collection[Span] = ()) -> Payload:
    """The payload that `data` exactly is. Raises DecodeError, which quotes nothing."""
    if len(data) > SPARK_BYTES_MAX:
        raise DecodeError("oversize", f"{len(data)} bytes, at most {SPARK_BYTES_MAX}")
    single: dict[int, Part] = {}
    metrics: list[Metric] = []
    for part in _parts(data, 0, len(data), _PAYLOAD):
        if part.field == 2:  # noqa: PLR2004  (the table above)
            metrics.append(_metric(data, part.span, erased))
        elif part.field in single:
            raise DecodeError("duplicate_key", f"field {part.field} of the payload stands twice")
        else:
            single[part.field] = part
    if len(metrics) > SPARK_METRICS_MAX:
        raise DecodeError("oversize", f"{len(metrics)} metrics, at most {SPARK_METRICS_MAX}")
    opaque = tuple(single[field].span for field in (4, 5) if field in single)
    timestamp, seq = ((single[field].number if field in single else None) for field in (1, 3))
    return Payload(data, timestamp, seq, tuple(metrics), opaque)


def _metric(data: bytes, span: Span, erased: Collection[Span]) -> Metric:
    start, length = span
    if span in erased and data[start : start + length] == bytes(length):
        return Metric(span, erased=True)
    parts: dict[int, Part] = {}
    for part in _parts(data, start, start + length, _METRIC):
        if part.field in parts or (part.field in _VALUES and any(one in _VALUES for one in parts)):
            raise DecodeError("duplicate_key", f"a metric has field {part.field}, or its value, twice")
        parts[part.field] = part
    numbers = {field: parts[field].number for field in (2, 3, 4) if field in parts}
    return Metric(
        span,
        name=_name(data, parts[1]) if 1 in parts else None,
        alias=numbers.get(2),
        timestamp=numbers.get(3),
        datatype=numbers.get(4),
        historical=_flag(parts, 5),
        null=_flag(parts, 7),
        value=next((part for field, part in parts.items() if field in _VALUES), None),
        opaque=tuple(parts[field].span for field in (8, 9) if field in parts),
    )


def _flag(parts: dict[int, Part], field: int) -> bool:
    return field in parts and parts[field].number == 1


def _name(data: bytes, part: Part) -> str:
    start, length = part.span
    if not 0 < length <= SPARK_NAME_BYTES_MAX:
        raise DecodeError("range", f"the name of a metric has {length} bytes, not 1 to {SPARK_NAME_BYTES_MAX}")
    return text_of(data[start : start + length], "the name of a metric")


def text_of(data: bytes, what: str) -> str:
    """UTF-8, strictly."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise DecodeError("not_utf8", f"{what} is not UTF-8") from None


def _parts(data: bytes, at: int, end: int, kinds: dict[int, int]) -> Iterator[Part]:
    while at < end:
        tag, at = _varint(data, at, end)
        field, wire = tag >> 3, tag & 7
        if kinds.get(field) != wire:
            raise DecodeError("wire", f"field {field} of wire type {wire} is not in the specification")
        if wire == VARINT:
            start = at
            number, at = _varint(data, at, end)
            if (field in _U32_FIELDS and kinds is _METRIC and number >> 32) or (
                field in _FLAGS and kinds is _METRIC and number > 1
            ):
                raise DecodeError("range", f"field {field} of a metric is too large")
            yield Part(field, (start, at - start), number)
            continue
        length = {FIXED32: 4, FIXED64: 8}.get(wire, 0)
        if wire == LENGTH:
            length, at = _varint(data, at, end)
        if length > end - at:
            raise DecodeError("length", f"field {field} ends {length - (end - at)} bytes behind the end")
        yield Part(field, (at, length))
        at += length


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(_VARINT_BYTES_MAX):
        if at >= end:
            raise DecodeError("length", "ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004  (the bit that says: more)
            if value >> 64 or (place and not byte):
                raise DecodeError("wire", "a number is longer than it needs, or above 64 bits")
            return value, at
    raise DecodeError("wire", "a number has more than 10 bytes")
