"""Fuzz targets of rigs that publish single values; the law besides: what is cut reads again as the same."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from fuzz_targets import Target
from tree import ROOT

from device_adapters.decoding.plain import areas_of, decode_plain, needed_areas
from device_adapters.decoding.spark_payload import read_payload
from device_adapters.decoding.sparkplug import areas_of as areas_of_spark
from device_adapters.decoding.sparkplug import decode_spark
from device_adapters.errors import DecodeError
from device_adapters.language.profile import load_profile
from device_adapters.language.values import PlainShape, SparkShape
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from device_adapters.decoding.decode import Decoded

KIND = "item_finished"
VALUES = (b"18", b"87.5", b"ok", b"K21", b"17", b"S20261123-0001", b"180", b"17", b"1763870525", b"1")


def _plain() -> PlainShape:
    shape = load_profile((ROOT / "tests/vectors/profile/plain-values.toml").read_bytes()).message
    assert isinstance(shape, PlainShape)
    return shape


PLAIN = _plain()


def parse_plain(data: bytes) -> Decoded:
    """One line a payload, in the order of the areas; decode, zero the cut, decode again."""
    names, lines = needed_areas(PLAIN, KIND), data.split(b"\n")
    if len(lines) != len(names):
        raise DecodeError("area", "another number of payloads")
    areas = areas_of(PLAIN, "bench/B-7/count", dict(zip(names, lines, strict=True)), KIND)
    found = decode_plain(PLAIN, areas, rig="B-7")
    shown = [RawArea(one.area, one.at, bytes(len(one.data)) if one.cut else one.data, one.cut) for one in found.areas]
    again = decode_plain(PLAIN, shown, erased=True)
    assert (again.fields, again.seq, again.personal) == (found.fields, found.seq, {})
    return found


def _spark() -> tuple[SparkShape, dict[str, Any]]:
    folder = ROOT / "tests/vectors/profile"
    shape = load_profile((folder / "sparkplug-device.toml").read_bytes()).message
    assert isinstance(shape, SparkShape)
    return shape, tomllib.loads((folder / "sparkplug-device.golden.toml").read_text(encoding="utf-8"))


SPARK, GOLDEN = _spark()
BIRTH, DATA = (bytes.fromhex(" ".join(GOLDEN[name])) for name in ("birth", "data"))


def parse_spark(birth: bytes, data: bytes) -> Decoded:
    """Decode, zero the cut, decode again."""
    found = decode_spark(SPARK, areas_of_spark(GOLDEN["topic"], birth, [data]), rig="B-7")
    shown = []
    for area in found.areas:
        content = bytearray(area.data)
        for offset, length in area.cut:
            content[offset : offset + length] = bytes(length)
        shown.append(RawArea(area.area, area.at, bytes(content), area.cut))
    again = decode_spark(SPARK, shown, erased=True)
    assert (again.fields, again.seq, again.epoch, again.personal) == (found.fields, found.seq, found.epoch, {})
    assert [area.cut for area in again.areas] == [area.cut for area in found.areas]
    return found


SPARK_TOKENS = (
    b"\x12",
    b"\x28\x01",
    b"\x38\x01",
    b"\x80",
    b"\x7a\x02S1",
    b"\x50\x12",
    b"\x18\x02",
    b"\x42\x00",
    b"\xff" * 9,
)

TARGETS = [
    Target(
        name="spark-payload",
        parse=read_payload,
        refusals=(DecodeError,),
        encode=lambda found: found.data,
        seeds=lambda: [BIRTH, DATA],
        tokens=SPARK_TOKENS,
    ),
    Target(
        name="spark-birth",
        parse=lambda data: parse_spark(data, DATA),
        refusals=(DecodeError,),
        encode=lambda found: found.areas[1].data,
        seeds=lambda: [BIRTH],
        tokens=SPARK_TOKENS,
    ),
    Target(
        name="spark-data",
        parse=lambda data: parse_spark(BIRTH, data),
        refusals=(DecodeError,),
        encode=lambda found: found.areas[2].data,
        seeds=lambda: [DATA],
        tokens=SPARK_TOKENS,
    ),
    Target(
        name="rig-plain-values",
        parse=parse_plain,
        refusals=(DecodeError,),
        encode=lambda found: b"\n".join(area.data for area in found.areas[1:]),
        seeds=lambda: [b"\n".join(VALUES)],
        tokens=(b"87.5", b"-", b".", b"1e9", b"NaN", b"\n", b"0", b"99999999999999999999", "考".encode(), b"\xff"),
    ),
]
