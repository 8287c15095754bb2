"""What of a message may be written into a file (P7). Pure.

Owns: the rule that a value is in clear only if the profile names it, it is nobody's, and the message is one that the
profile can read. Others become stand-ins under which the message still decodes; what cannot be read is hidden whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from device_adapters.decoding.decode import Decoded
from device_adapters.decoding.plain import read_plain
from device_adapters.decoding.spark_payload import STRING, read_payload
from device_adapters.errors import DecodeError
from device_adapters.language.interface_v1 import STATUS
from device_adapters.language.jsonspans import read_object
from device_adapters.language.values import topic_pattern
from device_adapters.observation import Evidence
from gateway.rig.heard.objects import RECORD, ObjectReader
from gateway.rig.heard.plain import PlainReader
from gateway.rig.heard.spark import SparkReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from device_adapters.decoding.spark_payload import Metric, Payload
    from device_adapters.language.jsonspans import Span
    from gateway.rig.heard.message import Message
    from gateway.rig.heard.taken import Reader, Taken

_LIFE: Final = ("bdSeq", "Node Control/Rebirth")
_QUOTE: Final = ord('"')


@dataclass(frozen=True, slots=True)
class Shown:
    """`payload` None: hidden whole, and why. `hidden`: values that stand for something else, or were left out."""

    payload: bytes | None
    hidden: int = 0
    refused: str = ""


def shown_of(reader: Reader, message: Message, taken: Taken) -> Shown:
    """Of a message that `reader` has just read."""
    try:
        if isinstance(reader, ObjectReader):
            return _object(reader, message, taken)
        if isinstance(reader, PlainReader):
            return _plain(reader, message)
        if isinstance(reader, SparkReader):
            return _spark(reader, message, taken)
    except DecodeError as error:
        return Shown(None, refused=error.reason)
    return Shown(None, refused="type")


def _object(reader: ObjectReader, message: Message, taken: Taken) -> Shown:
    for found in taken.found:
        if isinstance(found, Evidence):
            return Shown(None, refused=found.reason)
    if taken.kind == RECORD:
        (record,) = (one for one in taken.found if isinstance(one, Decoded))
        spans: Iterable[Span] = record.areas[0].cut
    else:
        spans = reader.shape.status.rest(read_object(message.payload), STATUS)
    return _stood_in(message.payload, spans)


def _stood_in(data: bytes, spans: Iterable[Span]) -> Shown:
    """From the end, so that earlier places stay."""
    spans = sorted((one for one in spans if one[1]), reverse=True)
    for start, length in spans:
        text = data[start - 1] == _QUOTE and data[start + length] == _QUOTE
        data = data[:start] + (b"x" * length if text else b"null") + data[start + length :]
    return Shown(data, len(spans))


def _plain(reader: PlainReader, message: Message) -> Shown:
    shape = reader.shape
    template = next((one for one in shape.templates() if topic_pattern(one).fullmatch(message.topic)), None)
    if template is None:
        if message.payload in {shape.away.encode(), b"", b"0", b"1", b"true", b"false", b"online", b"offline"}:
            return Shown(message.payload)
        return Shown(None, refused="code")  # any other word says: not away
    values = [shape.said.values[name] for name in shape.names_of(template)]
    for value in values:
        read_plain(value, message.payload)
    if any(value.personal for value in values):
        return Shown(b"x" * len(message.payload), 1)
    return Shown(message.payload)


def _spark(reader: SparkReader, message: Message, taken: Taken) -> Shown:
    """The number of every message is kept, of other devices nothing else: the sequence runs over all of them."""
    payload = read_payload(message.payload)
    kind, own = reader.kind_of(message.topic)
    why = next((one.reason for one in taken.found if isinstance(one, Evidence)), "")
    refused = why if why != "missing_field" else ""  # half a record: its values are read all the same
    readable = own and reader.birth is not None and not refused
    kept, hidden = b"", len(payload.opaque)
    for metric in payload.metrics:
        name = metric.name
        if readable and kind != "death" and reader.birth is not None:
            name = reader.birth.name_of(metric)
        value = reader.value_named(name) if readable else None
        if value is None and name not in _LIFE:
            hidden += 1
            continue
        data, more = _metric(payload, metric, personal=value is not None and value.personal)
        kept, hidden = kept + b"\x12" + _varint(len(data)) + data, hidden + more
    stamp = b"" if payload.timestamp is None else b"\x08" + _varint(payload.timestamp)
    seq = b"" if payload.seq is None else b"\x18" + _varint(payload.seq)
    return Shown(stamp + kept + seq, hidden, refused)


def _metric(payload: Payload, metric: Metric, *, personal: bool) -> tuple[bytes, int]:
    start, length = metric.span
    data, hidden = bytearray(payload.data[start : start + length]), 0
    for at, size in metric.opaque:
        data[at - start : at - start + size] = bytes(size)
        hidden += 1
    if personal and metric.value is not None and metric.value.field == STRING:
        at, size = metric.value.span
        data[at - start : at - start + size] = b"x" * size
        hidden += 1
    return bytes(data), hidden


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004  (protobuf: seven bits a byte)
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))
