"""A record that came as plain values, each under its own topic.

Owns: the raw areas of such a record (`topic`: of the message that ended it; one per topic, as it came) and what they
say. Pure: gateway and server decode with it (P4). Spec: docs/formats/profile-values.md rules V10 to V14.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from device_adapters.decoding.values import GONE, compose, from_text
from device_adapters.errors import DecodeError
from device_adapters.language.values import NUMBER, Value, topic_pattern
from device_adapters.limits import PLAIN_BYTES_MAX, TOPIC_BYTES_MAX
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_adapters.decoding.decode import Decoded
    from device_adapters.decoding.values import Said
    from device_adapters.language.values import PlainShape

TOPIC: Final = "topic"


def read_plain(value: Value, payload: bytes) -> Said:
    """What one payload says. Raises DecodeError, which quotes nothing."""
    if len(payload) > PLAIN_BYTES_MAX:
        raise DecodeError("oversize", f"{value.name} has {len(payload)} bytes, at most {PLAIN_BYTES_MAX}")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecodeError("not_utf8", f"byte {error.start} of {value.name} is not UTF-8") from None
    return from_text(value, text)


def areas_of(shape: PlainShape, topic: str, payloads: Mapping[str, bytes], kind: str) -> tuple[RawArea, ...]:
    """The raw areas of a record of this kind; `payloads` by area."""
    names = needed_areas(shape, kind)
    return (RawArea(TOPIC, 0, topic.encode()), *(_area(shape, name, payloads[name]) for name in names))


def decode_plain(shape: PlainShape, raw: Sequence[RawArea], *, rig: str | None = None, erased: bool = False) -> Decoded:
    """The record that these areas are. Raises DecodeError only."""
    serial, number, payloads = _opened(shape, raw)
    if rig is not None and serial != rig:
        raise DecodeError("serial", "the topic is not one of this rig")
    gone = {area.area for area in raw if erased and area.cut}
    kind = _kind(shape, payloads)
    areas = needed_areas(shape, kind)
    if set(payloads) != set(areas) or len(raw) != len(areas) + 1:
        raise DecodeError("area", f"not the values that {kind} is made of")
    said: dict[str, Said] = {}
    if number is not None:
        said["seq"] = from_text(Value("seq", ""), number)
    for name in shape.said.needed(kind):
        if (area := shape.area_of(name)) in gone:
            said[name] = GONE
        else:
            said[name] = read_plain(shape.said.values[name], payloads[area])
    areas_read = (raw[0], *(_area(shape, area.area, area.data) for area in raw[1:]))
    return compose(said, shape.said, serial).decoded(serial, areas_read, erased=erased)


def _opened(shape: PlainShape, raw: Sequence[RawArea]) -> tuple[str, str | None, dict[str, bytes]]:
    """Serial and, where the topic has it, number; and the payloads by their area."""
    if not raw or raw[0].area != TOPIC or any(area.at for area in raw) or len(raw[0].data) > TOPIC_BYTES_MAX:
        raise DecodeError("area", "no topic at hand")
    topic = raw[0].data.decode("utf-8", "replace")
    ends = shape.templates() if shape.said.by == NUMBER else (shape.said.values[shape.said.trigger].source,)
    found = next((match for one in ends if (match := topic_pattern(one).fullmatch(topic))), None)
    if found is None:
        raise DecodeError("area", "the topic is not one that ends a record")
    return found["serial"], found["seq"] if shape.said.by == NUMBER else None, {one.area: one.data for one in raw[1:]}


def _kind(shape: PlainShape, payloads: Mapping[str, bytes]) -> str:
    """Which record it is, before anything else: others may be made of other values."""
    fixed = shape.said.fixed.get("type")
    if fixed is not None:
        return str(fixed)
    payload = payloads.get(shape.area_of("type"))
    if payload is None:
        raise DecodeError("missing_field", "no type")
    word = read_plain(shape.said.values["type"], payload)
    return str(getattr(word, "value", ""))


def needed_areas(shape: PlainShape, kind: str) -> tuple[str, ...]:
    """Areas of the values that such a record needs, in the order of the profile."""
    return tuple(dict.fromkeys(shape.area_of(name) for name in shape.said.needed(kind)))


def _area(shape: PlainShape, name: str, payload: bytes) -> RawArea:
    """A payload; one that says anything of a person is cut whole."""
    both = shape.names_of(shape.said.values[name].source)
    personal = any(shape.said.values[one].personal for one in both)
    return RawArea(name, 0, payload, ((0, len(payload)),) if personal and payload else ())
