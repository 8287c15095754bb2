"""Profiles of rigs over MQTT: golden payloads derived by hand, field paths, and what the linter refuses."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from tree import ROOT

from device_adapters.decoding.message import decode_message, take_message
from device_adapters.errors import DecodeError
from device_adapters.language.lint import lint
from device_adapters.language.profile import Profile, load_profile
from device_adapters.language.shape import INTERFACE_V1, Shape
from device_adapters.observation import RawArea

SHIPPED = Path(str(files("device_adapters").joinpath("profiles")))
FOLDERS = {
    "kaofen-interface-v1-mqtt": SHIPPED,
    "cpr-manikin-v1": SHIPPED,
    "maker-json": ROOT / "tests" / "vectors" / "profile",
}
CASES = [
    (name, message)
    for name, folder in FOLDERS.items()
    for message in tomllib.loads((folder / f"{name}.golden.toml").read_text(encoding="utf-8"))["message"]
]
MAKER = (FOLDERS["maker-json"] / "maker-json.toml").read_text(encoding="utf-8")


def profile(name: str) -> Profile:
    return load_profile((FOLDERS[name] / f"{name}.toml").read_bytes())


def shape(name: str) -> Shape:
    found = profile(name).message
    assert found is not None
    return found


@pytest.mark.parametrize(("name", "message"), CASES, ids=[f"{name}: {message['name']}" for name, message in CASES])
def test_a_golden_payload_decodes_exactly(name: str, message: dict[str, Any]) -> None:
    """P4, rules 23-27: every value, and every byte range that must not be shown; erased for good it scores the same."""
    expect, payload = message["expect"], message["payload"].encode()
    found = take_message(payload, serial=expect["rig"], shape=shape(name))
    assert (found.type, found.rig, found.epoch, found.seq) == tuple(
        expect[key] for key in ("type", "rig", "epoch", "seq")
    )
    assert (found.mode, found.rig_time, dict(found.fields)) == (expect["mode"], expect["rig_time"], expect["fields"])
    assert {key: value.decode() for key, value in found.personal.items()} == expect["personal"]
    (area,) = found.areas
    assert [area.data[at : at + size].decode() for at, size in area.cut] == expect["hidden"]
    erased = bytearray(payload)
    for at, size in area.cut:
        erased[at : at + size] = bytes(size)
    again = decode_message((RawArea("message", 0, bytes(erased), area.cut),), erased=True, shape=shape(name))
    assert (again.fields, again.personal, again.proven) == (found.fields, {}, False)


def test_the_shipped_profile_is_the_interface() -> None:
    """Its shape is the one that is read when no profile is asked for."""
    assert shape("kaofen-interface-v1-mqtt") == INTERFACE_V1


def test_a_word_that_the_profile_does_not_name_is_refused() -> None:
    """P5, rule 25: never guessed."""
    payload = CASES[-1][1]["payload"].replace("TaskEnd", "TaskPaused").encode()
    with pytest.raises(DecodeError, match="code: type"):
        decode_message((RawArea("message", 0, payload),), shape=shape("maker-json"))


BAD = {
    "topic without the serial": ("{serial}/up/event", "up/event", "topics.record: must have {serial}"),
    "topic of many rigs": ("{serial}/up/event", "{serial}/#", "topics.record: is no topic of one rig"),
    "topic twice": ("up/state", "up/event", "topics.status: is the topic of something else"),
    "no acknowledgement": ('ack = "trainer/{serial}/down/ack"\n', "", "topics.ack: is missing"),
    "unknown key": ('kind = "mqtt"', 'kind = "mqtt"\nunit = 1', "transport.unit: unknown key"),
    "unknown value": ('seq = "no"', 'seq = "no"\nnote = "a"', "record.paths.note: is no value of the interface"),
    "place twice": ('boot = "device.starts"', 'boot = "device.sn"', "device.sn is a place twice"),
    "place inside a place": ('boot = "device.starts"', 'boot = "device.sn.x"', "device.sn is a place twice"),
    "fixed identity": ("[record.fixed]", '[record.fixed]\nserial = "A"', "record.fixed.serial: must come from the rig"),
    "fixed person": ("[record.fixed]", '[record.fixed]\nmasked_id = "A"', "fixed.masked_id: belongs to a person"),
    "fixed and placed": ("[record.fixed]", '[record.fixed]\nitem = "K42"', "record.fixed.item: stands in the messages"),
    "word without meaning": ('= "item_finished"', '= "done"', 'record.words.type.TaskEnd: "done" is not one of'),
    "words of a number": ("words.type]", 'words.score]\na = "b"\n[record.words.type]', "words.score: has no words"),
    "inexact scale": ('score = "0.1"', 'score = "0.001"', "record.scale.score"),
    "scale of a text": ('score = "0.1"', 'item = "0.1"', "record.scale.item: is no number of points"),
    "unknown row": ('line = "rule"', 'line = "rule"\nnote = "x"', "deductions.note: is not in such a row"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_linter_says_what_is_wrong_and_where(name: str) -> None:
    """Rules 2 and 23-27: each finding names its place."""
    old, new, reason = BAD[name]
    assert old in MAKER
    findings = [str(finding) for finding in lint(MAKER.replace(old, new, 1))]
    assert any(reason in finding for finding in findings), findings


def test_the_good_one_has_no_finding() -> None:
    """So each finding above comes from its one change."""
    assert lint(MAKER) == []
