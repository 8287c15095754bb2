"""A record that a rig sent, in whichever form its profile describes. Pure: the server decodes again with it (P4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.decoding.message import decode_message
from device_adapters.decoding.plain import decode_plain
from device_adapters.decoding.sparkplug import decode_spark
from device_adapters.language.values import PlainShape, SparkShape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_adapters.decoding.decode import Decoded
    from device_adapters.language.shape import Shape
    from device_adapters.observation import RawArea


def decode_sent(
    raw: Sequence[RawArea], *, shape: Shape | PlainShape | SparkShape, rig: str | None = None, erased: bool = False
) -> Decoded:
    """Decode a record's raw areas. Raises DecodeError only."""
    if isinstance(shape, PlainShape):
        return decode_plain(shape, raw, rig=rig, erased=erased)
    if isinstance(shape, SparkShape):
        return decode_spark(shape, raw, rig=rig, erased=erased)
    return decode_message(raw, rig=rig, erased=erased, shape=shape)
