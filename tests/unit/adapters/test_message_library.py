"""Typical rigs of the library that send messages or single values: golden payloads written by hand."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from device_adapters.decoding.message import decode_message, take_message
from device_adapters.decoding.plain import areas_of, decode_plain, needed_areas
from device_adapters.decoding.sparkplug import areas_of as metric_areas
from device_adapters.decoding.sparkplug import decode_spark
from device_adapters.language.profile import load_profile
from device_adapters.language.shape import Shape
from device_adapters.language.values import PlainShape, SparkShape
from device_adapters.observation import RawArea

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_adapters.decoding.decode import Decoded

FOLDER = files("device_adapters").joinpath("profiles")


def cases(key: str) -> list[Any]:
    """Each golden message or record of a typical rig."""
    names = sorted(file.name for file in FOLDER.iterdir() if file.name.endswith("-typical.golden.toml"))
    found = {name: tomllib.loads(FOLDER.joinpath(name).read_text(encoding="utf-8")).get(key, ()) for name in names}
    return [
        pytest.param(name.removesuffix(".golden.toml"), one, id=f"{name.partition('.')[0]}: {one['name']}")
        for name, ones in found.items()
        for one in ones
    ]


def shape_of(name: str) -> Any:
    return load_profile(FOLDER.joinpath(f"{name}.toml").read_bytes()).message


def meant(found: Decoded) -> dict[str, Any]:
    """As the golden file writes it: TOML has no null, so what is null is absent."""
    fields = {name: value for name, value in found.fields.items() if value is not None}
    rows = fields.get("deductions")
    if isinstance(rows, list):
        fields["deductions"] = [{key: value for key, value in row.items() if value is not None} for row in rows]
    said = {"type": found.type, "rig": found.rig, "epoch": found.epoch, "seq": found.seq, "mode": found.mode}
    return said | {"fields": fields, "personal": {name: value.decode() for name, value in found.personal.items()}}


def erased(areas: Sequence[RawArea]) -> list[RawArea]:
    """As they stand in an entry once their openings are gone."""
    gone = []
    for area in areas:
        data = bytearray(area.data)
        for at, size in area.cut:
            data[at : at + size] = bytes(size)
        gone.append(RawArea(area.area, area.at, bytes(data), area.cut))
    return gone


@pytest.mark.parametrize(("name", "message"), cases("message"))
def test_a_typical_rigs_message_reads_exactly(name: str, message: dict[str, Any]) -> None:
    """P4, P7: every value as written by hand; what is at no named place is hidden; erased it scores the same."""
    shape, expect = shape_of(name), dict(message["expect"])
    assert isinstance(shape, Shape)
    found = take_message(message["payload"].encode(), serial=expect["rig"], shape=shape)
    (area,) = found.areas
    assert [area.data[at : at + size].decode() for at, size in area.cut] == expect.pop("hidden")
    assert found.rig_time == expect.pop("rig_time")
    assert meant(found) == expect
    again = decode_message(erased(found.areas), erased=True, shape=shape)
    assert (again.fields, again.personal, again.proven) == (found.fields, {}, False)


@pytest.mark.parametrize(("name", "record"), cases("record"))
def test_a_typical_rigs_single_values_are_the_record(name: str, record: dict[str, Any]) -> None:
    """P4, P7: every value as written by hand, from the topics that the profile names and no others."""
    shape, expect, topics = shape_of(name), dict(record["expect"]), dict(record["topics"])
    assert isinstance(shape, PlainShape)
    places = {
        area: shape.said.values[area].source.format(serial=expect["rig"], seq=expect["seq"])
        for area in needed_areas(shape, "item_finished")
    }
    payloads = {area: topics.pop(topic).encode() for area, topic in places.items()}
    assert topics == {}
    raw = areas_of(shape, record["ended_by"], payloads, "item_finished")
    found = decode_plain(shape, raw, rig=expect["rig"])
    assert [area.area for area in found.areas if area.cut] == expect.pop("cut")
    assert meant(found) == expect
    again = decode_plain(shape, erased(found.areas), erased=True)
    assert (again.fields, again.personal, again.proven) == (found.fields, {}, False)


@pytest.mark.parametrize(("name", "metrics"), cases("metrics"))
def test_a_typical_rigs_metrics_are_the_record(name: str, metrics: dict[str, Any]) -> None:
    """P4, P7: every value as written by hand, out of bytes laid out by hand."""
    shape, expect = shape_of(name), dict(metrics["expect"])
    assert isinstance(shape, SparkShape)
    birth, data = (bytes.fromhex(" ".join(metrics[part])) for part in ("birth", "data"))
    found = decode_spark(shape, metric_areas(metrics["topic"], birth, [data]), rig=expect["rig"])
    hidden = [area.data[at : at + size].decode() for area in found.areas for at, size in area.cut]
    assert (hidden, found.rig_time) == (expect.pop("hidden"), expect.pop("rig_time"))
    assert meant(found) == expect
    again = decode_spark(shape, erased(found.areas), erased=True)
    assert (again.fields, again.personal, again.proven) == (found.fields, {}, False)
