"""What a rig measured beside the score, out of registers (docs/formats/profile.md rule 18a)."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from tree import ROOT

from device_adapters.decoding.decode import decode_entry_raw, decode_record
from device_adapters.errors import DecodeError
from device_adapters.language.lint import examine_file
from device_adapters.language.profile import Profile, load_profile
from device_adapters.observation import RawArea

VECTORS, SHIPPED = ROOT / "tests/vectors/profile", ROOT / "device_adapters/profiles"
TEXT = (VECTORS / "measured-manikin.toml").read_text("utf-8")
FRAME: dict[str, Any] = tomllib.loads((SHIPPED / "cpr-manikin-typical.golden.toml").read_text("utf-8"))["frame"][0]


def base_of(name: str) -> bytes:
    return (SHIPPED / f"{name}.toml").read_bytes()


def findings(text: str) -> list[str]:
    return [found.reason for found in examine_file("measured", text.encode(), base_of)[1]]


@cache
def measured() -> Profile:
    """The variant, from its flat text alone."""
    profile, found = examine_file("measured", TEXT.encode(), base_of)
    assert found == []
    assert profile is not None
    return load_profile(profile.text)


def areas() -> list[RawArea]:
    found = FRAME["area"][0]
    words = "".join(line.partition("#")[0] for line in found["words"].splitlines())
    return [RawArea(found["area"], found["at"], bytes.fromhex(words))]


def test_p4_measures_stand_in_the_entry_and_change_nothing_else() -> None:
    """P4: as derived by hand, the same when the server decodes the raw words again; every other value as before."""
    wanted = tomllib.loads((VECTORS / "measured-manikin.golden.toml").read_text("utf-8"))["measures"]
    made = decode_record(measured(), areas())
    assert made.fields["measures"] == wanted
    assert decode_entry_raw(measured(), made.areas) == made
    bare = decode_record(load_profile(base_of("cpr-manikin-typical")), areas())
    assert "measures" not in bare.fields
    assert {name: value for name, value in made.fields.items() if name != "measures"} == bare.fields


def test_the_schema_knows_measures() -> None:
    """What an editor would underline: nothing of the flat text, and the mistakes that the linter finds."""
    valid = jsonschema_rs.validator_for(json.loads((ROOT / "docs/formats/profile.schema.json").read_text("utf-8")))
    flat = tomllib.loads(measured().text.decode())
    assert valid.is_valid(flat)
    for key, wrong in (("name", "Depth"), ("name", "9"), ("unit", ""), ("unit", "a b"), ("unit", None), ("scale", "1")):
        one = {"name": "depth", "from": "breaths", "unit": "mm"} | {key: wrong}
        flat["entries"]["item_finished"]["measures"] = [{k: v for k, v in one.items() if v is not None}]
        assert not valid.is_valid(flat), (key, wrong)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('name = "life"', 'name = "Life"', "measures.2.name: has a-z first"),
        ('name = "life"', 'name = "ventilations"', '"ventilations" is named twice'),
        ('name = "life", from = "life", unit = "1"', 'name = "life", from = "life", unit = "a b"', "unit: has 1 to 8"),
        ('from = "life", unit = "1"', 'from = "life"', "unit: is missing"),
        ('from = "life"', 'from = "depth"', 'there is no field "depth" in what is read'),
        ('from = "life"', 'from = "status.boot"', 'there is no field "boot" in what is read'),
        ('from = "life"', 'from = "score"', "score is no plain number"),
        ('from = "life"', 'from = "mode"', "mode is no plain number"),
        ('from = "life"', 'from = "ticket"', "ticket is no plain number"),
        ('from = "life"', 'from = "started"', "started is no plain number"),
        ('from = "life"', 'from = "life", scale = "1"', "scale: unknown key"),
    ],
)
def test_a_measure_that_means_nothing_is_a_finding(old: str, new: str, reason: str) -> None:
    """P7 and no doubt silently resolved: no person, no code, no scaled number; each from what is read, named once."""
    assert old in TEXT
    assert any(reason in found for found in findings(TEXT.replace(old, new, 1))), findings(TEXT.replace(old, new, 1))


def test_an_entry_has_at_most_64_measures() -> None:
    """M3's bound holds for registers, too."""
    for count, wrong in ((64, False), (65, True)):
        rows = ",".join(f'{{ name = "m{n}", from = "life", unit = "1" }}' for n in range(count))
        text = TEXT.partition("measures = [")[0] + f"measures = [{rows}]\n"
        assert any("at most 64" in found for found in findings(text)) is wrong


def test_p5_a_measure_too_large_for_an_entry_is_refused() -> None:
    """P5: beyond 2^53 - 1 no reader of JSON is sure of a number; it is refused, never rounded or made a text."""
    text = TEXT.replace("[entries.item_finished]", "[entries.item_finished]\n", 1).replace(
        'from = "life"', 'from = "asset"'
    )
    profile, found = examine_file("measured", text.encode(), base_of)
    assert found == []
    assert profile is not None
    (area,) = areas()
    data = bytearray(area.data)
    assert decode_record(profile, [area]).fields["measures"]
    for at, byte in ((14, 0x99), (20, 0x99)):  # the highest and the lowest half of sixteen digits: 9926 ... 9917
        data[-1] ^= data[at] ^ byte
        data[at] = byte
    with pytest.raises(DecodeError, match="the measure life is too large"):
        decode_record(profile, [RawArea(area.area, area.at, bytes(data))])
