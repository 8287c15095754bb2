"""On which line a TOML value stands: the map behind the linter's findings."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rig_profiles import V1_TEXT

from device_adapters.language.toml_lines import lines_of

ODD = '''# a = 1
a = 1
"b c" = """
x = 2
"""
[d.e] # [x]
f = [ 1, # one
  { g = "]", h = '}' },
  [2,
   3] ]
[[i]]
j.k = 1979-05-27
[[i]]
j = "a\\"b#"
[i.l]
m = """"quoted"""" # four quotes
n = 0x1F
'''


def paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [at]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found += paths(inner, (*at, key))
    return found


def test_odd_but_legal_forms_have_their_lines() -> None:
    """Multi-line strings, comments, dotted keys, nested arrays, arrays of tables."""
    lines = lines_of(ODD)
    wanted = {
        ("a",): 2,
        ("b c",): 3,
        ("d", "e"): 6,
        ("d", "e", "f"): 7,
        ("d", "e", "f", 0): 7,
        ("d", "e", "f", 1, "h"): 8,
        ("d", "e", "f", 2, 1): 10,
        ("i", 0): 11,
        ("i", 0, "j", "k"): 12,
        ("i", 1): 13,
        ("i", 1, "l", "m"): 16,
        ("i", 1, "l", "n"): 17,
    }
    assert {path: lines[path] for path in wanted} == wanted


def test_every_value_of_the_shipped_profile_has_a_line_that_names_it() -> None:
    """The last key of a path stands on the line that is told for it."""
    text = V1_TEXT.decode()
    lines = lines_of(text)
    rows = text.splitlines()
    known = [path for path in paths(tomllib.loads(text)) if path in lines and path]
    assert len(known) > 300
    for path in known:
        if isinstance(path[-1], str):
            assert path[-1] in rows[lines[path] - 1]


@given(st.text(alphabet="ab=[]{}\"'#\n .,1\\", max_size=60))
def test_whatever_the_parser_accepts_is_scanned(text: str) -> None:
    """Fuzz: no text that tomllib takes makes the scanner fail or miss a table's key."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = lines_of(text)
    assert all((key,) in lines for key, value in values.items() if not isinstance(value, list) or not value)
