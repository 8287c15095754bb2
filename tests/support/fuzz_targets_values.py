"""Fuzz targets of rigs that publish single values; the law besides: what is cut reads again as the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz_targets import Target
from tree import ROOT

from device_adapters.decoding.plain import areas_of, decode_plain, needed_areas
from device_adapters.errors import DecodeError
from device_adapters.language.profile import load_profile
from device_adapters.language.values import PlainShape
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


TARGETS = [
    Target(
        name="rig-plain-values",
        parse=parse_plain,
        refusals=(DecodeError,),
        encode=lambda found: b"\n".join(area.data for area in found.areas[1:]),
        seeds=lambda: [b"\n".join(VALUES)],
        tokens=(b"87.5", b"-", b".", b"1e9", b"NaN", b"\n", b"0", b"99999999999999999999", "考".encode(), b"\xff"),
    ),
]
