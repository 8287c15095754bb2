"""Fuzz target of messages of interface v1 over MQTT; the law besides: what is cut reads again as the same."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from fuzz_targets import Target
from rig_messages import GOLDEN
from tree import ROOT

from device_adapters.decoding.message import decode_message
from device_adapters.errors import DecodeError
from device_adapters.language.profile import load_profile
from device_adapters.language.shape import INTERFACE_V1, Shape
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from device_adapters.decoding.decode import Decoded


def _parse(data: bytes, shape: Shape = INTERFACE_V1) -> Decoded:
    """Decode, zero the cut, decode again."""
    found = decode_message((RawArea("message", 0, data),), shape=shape)
    shown = bytearray(data)
    for offset, length in found.areas[0].cut:
        shown[offset : offset + length] = bytes(length)
    try:
        again = decode_message((RawArea("message", 0, bytes(shown), found.areas[0].cut),), erased=True, shape=shape)
    except DecodeError as error:
        raise AssertionError(f"does not read again without the person: {error}") from error
    assert (again.fields, again.areas[0].cut, again.personal) == (found.fields, found.areas[0].cut, {})
    return found


def _maker() -> tuple[Shape, bytes]:
    """A profile with field paths, and its golden payload."""
    folder = ROOT / "tests" / "vectors" / "profile"
    shape = load_profile((folder / "maker-json.toml").read_bytes()).message
    assert shape is not None
    golden = tomllib.loads((folder / "maker-json.golden.toml").read_text(encoding="utf-8"))
    return shape, golden["message"][0]["payload"].encode()


MAKER, MAKER_SEED = _maker()
TARGETS = [
    Target(
        name="rig-message",
        parse=_parse,
        refusals=(DecodeError,),
        encode=lambda found: found.areas[0].data,
        seeds=lambda: [golden.payload for golden in GOLDEN.values()],
        tokens=(b'"ticket":""', b'"name":"', b"\\u0074", b'"x":[{}],', b"\0", b"null", b"1.0", "考".encode()),
    ),
    Target(
        name="rig-message-paths",
        parse=lambda data: _parse(data, MAKER),
        refusals=(DecodeError,),
        encode=lambda found: found.areas[0].data,
        seeds=lambda: [MAKER_SEED],
        tokens=(b'"device":{', b'"person":{}', b'"faults":[]', b'"sn":', b"\0", b"null", b"920", "考".encode()),
    ),
]
