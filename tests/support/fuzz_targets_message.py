"""Fuzz target of messages of interface v1 over MQTT; the law besides: what is cut reads again as the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz_targets import Target
from rig_messages import GOLDEN

from device_adapters.errors import DecodeError
from device_adapters.message import decode_message
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from device_adapters.decode import Decoded


def _parse(data: bytes) -> Decoded:
    """Decode, zero the cut, decode again."""
    found = decode_message((RawArea("message", 0, data),))
    shown = bytearray(data)
    for offset, length in found.areas[0].cut:
        shown[offset : offset + length] = bytes(length)
    try:
        again = decode_message((RawArea("message", 0, bytes(shown), found.areas[0].cut),), erased=True)
    except DecodeError as error:
        raise AssertionError(f"does not read again without the person: {error}") from error
    assert (again.fields, again.areas[0].cut, again.personal) == (found.fields, found.areas[0].cut, {})
    return found


TARGETS = [
    Target(
        name="rig-message",
        parse=_parse,
        refusals=(DecodeError,),
        encode=lambda found: found.areas[0].data,
        seeds=lambda: [golden.payload for golden in GOLDEN.values()],
        tokens=(b'"ticket":""', b'"name":"', b"\\u0074", b'"x":[{}],', b"\0", b"null", b"1.0", "考".encode()),
    )
]
