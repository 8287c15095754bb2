"""The profile language: what the linter refuses, with line and reason; what it accepts is what loads."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig_profiles import V1_TEXT

from device_adapters.errors import ProfileError
from device_adapters.language.lint import lint
from device_adapters.language.profile import load_profile
from device_adapters.limits import PROFILE_BYTES_MAX

VECTORS = Path(__file__).parents[2] / "vectors" / "profile"
CASES: list[dict[str, str]] = tomllib.loads((VECTORS / "bad.toml").read_text())["case"]


def spoiled(case: dict[str, str]) -> tuple[str, int]:
    """The shipped profile with one mistake, and the line on which the finding must stand."""
    text = V1_TEXT.decode()
    assert text.count(case["find"]) == 1, f"{case['find']!r} stands {text.count(case['find'])} times"
    before, _, after = text.partition(case["find"])
    made = before + case["replace"] + after
    if "on" not in case:
        return made, (before + case["replace"].rstrip("\n")).count("\n") + 1
    start = max(0, made.rfind("\n[", 0, len(before)))
    place = made.find(case["on"], start)
    if place < 0:
        place = made.index(case["on"])
    return made, made[:place].count("\n") + 1


def test_the_shipped_profile_has_no_findings() -> None:
    """The law of the linter: no finding, and it loads, with its identity."""
    assert lint(V1_TEXT) == []
    profile = load_profile(V1_TEXT)
    assert profile.sha256 == hashlib.sha256(V1_TEXT).hexdigest()
    assert (profile.text, profile.id, profile.guarantee) == (V1_TEXT, "kaofen-v1-low-voltage", "latched")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_mistake_is_found_on_its_line(case: dict[str, str]) -> None:
    """One mistake, named by line and reason; such a profile does not load."""
    text, line = spoiled(case)
    findings = lint(text)
    assert [finding for finding in findings if case["reason"] in finding.reason and finding.line == line], (
        f"wanted line {line}: {case['reason']}; got {[str(finding) for finding in findings]}"
    )
    with pytest.raises(ProfileError) as caught:
        load_profile(text.encode())
    assert list(caught.value.findings) == findings


def test_one_pass_names_every_mistake() -> None:
    """Mistakes far apart are told together, by line."""
    text = V1_TEXT.decode()
    for case in CASES:
        if case["name"] in {"wrong kind", "scale inexact", "unknown coding", "min above max", "unknown type"}:
            text = text.replace(case["find"], case["replace"], 1)
    findings = lint(text)
    assert len(findings) == 5
    assert findings == sorted(findings)


def test_a_file_too_long_for_an_entry_is_refused() -> None:
    """A profile travels whole in one entry: limit - 1, limit, limit + 1."""
    for size, good in ((PROFILE_BYTES_MAX - 1, True), (PROFILE_BYTES_MAX, True), (PROFILE_BYTES_MAX + 1, False)):
        text = V1_TEXT + b"#" * (size - len(V1_TEXT))
        assert (lint(text) == []) is good


def test_a_file_that_is_not_utf8_is_refused_with_its_line() -> None:
    """GBK comments are the usual mistake."""
    findings = lint(V1_TEXT.replace(b"[poll]", "# 轮询\n[poll]".encode("gbk"), 1))
    assert findings[0].reason == "the file is not UTF-8"
    assert findings[0].line == V1_TEXT[: V1_TEXT.index(b"[poll]")].count(b"\n") + 1


@settings(max_examples=60)
@given(st.data())
def test_any_damage_to_the_file_is_a_finding_or_a_profile(data: st.DataObject) -> None:
    """Fuzz: lines lost, doubled, changed: never an exception, and load agrees with lint."""
    lines = V1_TEXT.decode().splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "double", "swap", "cut", "number", "word"]))
        lines[at : at + 1] = {
            "drop": [],
            "double": [lines[at], lines[at]],
            "swap": [*lines[at + 1 : at + 2], lines[at]],
            "cut": [lines[at][: data.draw(st.integers(0, len(lines[at])))]],
            "number": [lines[at].replace("1", str(data.draw(st.integers(-5, 70000))), 1)],
            "word": [lines[at].replace('"', data.draw(st.sampled_from(["", "'", '"x', "[", "{"])), 1)],
        }[kind]
    text = "".join(lines).encode()
    findings = lint(text)
    assert all(finding.line >= 1 and finding.reason for finding in findings)
    if not findings:
        assert load_profile(text).text == text
        return
    with pytest.raises(ProfileError) as caught:
        load_profile(text)
    assert list(caught.value.findings) == findings


TOML_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["at", "type", "fields", "words", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def toml(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(char):08X}" if not 0xD800 <= ord(char) < 0xE000 else "?" for char in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    return repr(value) if isinstance(value, int) else "1.5"


@settings(max_examples=30)
@given(st.sampled_from(sorted(tomllib.loads(V1_TEXT.decode()))), TOML_VALUES)
def test_any_value_in_place_of_a_table_is_a_finding(key: str, value: Any) -> None:
    """Fuzz: the kinds of all values are checked before they are used."""
    tables = {name: found for name, found in tomllib.loads(V1_TEXT.decode()).items() if name != key}
    text = "\n".join(f"{name} = {toml(found)}" for name, found in {**tables, key: value}.items())
    findings = lint(text)
    if key not in {"id", "version"} and not (key == "handshake" and value == {}):
        assert findings
