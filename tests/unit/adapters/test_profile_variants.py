"""Profiles that extend another: one flat text, hashed and adopted; findings name the file where the mistake stands."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig_profiles import V1_TEXT

from device_adapters.errors import ProfileError
from device_adapters.language.lint import examine_file, lint
from device_adapters.language.profile import load_profile
from device_adapters.language.variants import _tables, flatten
from gateway.cli import main
from gateway.rig.linting import lint_file

if TYPE_CHECKING:
    from pathlib import Path

VARIANT = b"""extends = "base"
id = "second-batch"
version = "2.0.0"
without = ["codes.reason.4"]

[transport]
unit = 7

[status.fields]
fault = { at = 39, type = "uint16", max = 5 }
"""


def base_of(name: str) -> bytes | None:
    return {"base": V1_TEXT, "loop": b'extends = "loop"\n', "two": b'extends = "base"\nversion = "9"\n'}.get(name)


@pytest.mark.parametrize(
    "deep", [b"x=" + b"{a=" * 400, b"x=" + b"[" * 900, b"x=" + b"[" * 300 + b"]" * 300, b"x" + b".a" * 900 + b"=1"]
)
def test_a_file_nested_beyond_reading_is_a_finding(deep: bytes) -> None:
    """P5: thousands of tables inside each other let RecursionError out of the parser, or a gigabyte of paths."""
    with pytest.raises(ProfileError, match="16 deep inside each other"):
        load_profile(deep + b"\n")
    _, findings = examine_file("own", b'extends = "base"\n' + deep + b"\n", base_of)
    assert ["deep inside each other" in str(one) for one in findings] == [True]


def flat(data: bytes) -> bytes:
    return flatten("variant", data, base_of).text


def test_a_variant_is_its_base_but_for_what_it_says() -> None:
    """Tables are merged key by key; a value, or a list, stands for the base's; what `without` names is gone."""
    values, under = tomllib.loads(flat(VARIANT).decode()), tomllib.loads(V1_TEXT.decode())
    under |= {"id": "second-batch", "version": "2.0.0"}
    under["transport"]["unit"] = 7
    del under["codes"]["reason"]["4"]
    under["status"]["fields"]["fault"]["max"] = 5
    assert values == under


def test_the_flat_text_is_what_is_hashed_and_loads_by_itself() -> None:
    """P4: the log holds one text; the server needs no base to decode with it, and gets the same profile."""
    profile, findings = examine_file("variant", VARIANT, base_of)
    assert findings == []
    assert profile is not None
    again = load_profile(profile.text)
    assert (again, again.sha256, again.transport.unit) == (profile, profile.sha256, 7)
    assert b"extends =" not in profile.text
    assert flat(profile.text) == profile.text, "flat twice is flat once"


def test_a_profile_that_extends_nothing_is_itself() -> None:
    """The hash of every profile in use stays what it is."""
    assert flat(V1_TEXT) == V1_TEXT


def test_a_variant_of_a_variant() -> None:
    """Behind each other, the nearest counts."""
    assert b'version = "9"' in flat(b'extends = "two"\nid = "x"\n')


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b'\nextends = "none"\n', 2, 'there is no profile "none"'),
        (b"extends = 3\n", 1, "must be the name"),
        (b'extends = "loop"\n', 1, "loop extends itself"),
        (b'extends = "base"\n\nwithout = ["codes.none.1"]\n', 3, 'base has no "codes.none.1"'),
        (b'extends = "base"\nwithout = "codes"\n', 2, "must be a list of texts"),
        (b'id = "x"\nwithout = ["codes"]\n', 2, "without: unknown key"),
        (b'extends = "base"\n[transport]\nunti = 3\n', 3, "transport.unti: unknown key"),
        (b'extends = "base"\n[status.fields]\nfault = { at = 38, type = "uint16" }\n', 3, "overlaps unacked_results"),
        (b"extends = \xff", 1, "not UTF-8"),
        (b"extends = = 1", 1, "not TOML"),
    ],
)
def test_a_mistake_in_a_variant_is_found_there(text: bytes, line: int, reason: str) -> None:
    """File, line and reason; the base's own lines are named by the base."""
    _, findings = examine_file("variant", text, base_of)
    places = [(one.line, one.file) for one in findings if reason in one.reason]
    assert places
    assert places[0][0] == line
    assert places[0][1] in {"variant", "loop"}


def test_a_mistake_that_shows_in_the_base_names_the_base() -> None:
    """Where the variant moved one field over another, the other one's line is in the base."""
    _, findings = examine_file("variant", VARIANT.replace(b'"codes.reason.4"', b'"codes.reason"'), base_of)
    line = V1_TEXT[: V1_TEXT.index(b"reason = { from")].count(b"\n") + 1
    assert [(one.file, one.line) for one in findings if '"reason" is not one of' in one.reason] == [("base", line)]


def test_an_unflat_profile_is_never_used() -> None:
    """Adoption and the server load flat texts only."""
    assert "not flat" in lint(VARIANT)[0].reason
    with pytest.raises(ProfileError, match="not flat"):
        load_profile(VARIANT)


SIGNS = "ab \"'\\\n\t\r\0\x1f\x7f\x85考𠮷=#[]{}.,"
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(SIGNS, max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.-\"' 考", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["a", "b-c", "é", "x y"]), VALUES, max_size=4))
def test_what_is_written_reads_back(values: dict[str, Any]) -> None:
    """The flat form holds every value as it was, whatever the names and texts are."""
    assert tomllib.loads("".join(_tables(values, ()))) == values


def test_lint_reads_variants_from_files_and_tells_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rig lint`: a path beside the file, or a shipped name; 1 for findings, 2 for no file."""
    (tmp_path / "base.toml").write_bytes(V1_TEXT)
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_bytes(VARIANT.replace(b'"base"', b'"base.toml"'))
    bad.write_bytes(b'extends = "kaofen-v1-low-voltage"\n\n[poll]\nstatus_every = 3\n')
    assert lint_file(good).findings == ()
    with pytest.raises(SystemExit) as ended:
        main(["rig", "lint", str(good), str(bad)])
    assert ended.value.code == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(f"{good}: good, second-batch 2.0.0, ")
    assert shown[1:] == [f"{bad}:4: poll.status_every: unknown key"]
    with pytest.raises(SystemExit) as ended:
        main(["rig", "lint", str(tmp_path / "none.toml")])
    assert ended.value.code == 2
    with pytest.raises(SystemExit) as ended:
        main(["rig", "lint", "--flat", str(good)])
    assert ended.value.code == 0
    assert load_profile(capsys.readouterr().out.encode()).transport.unit == 7
