"""The published JSON schema of rigs that publish single values says what the parser says: profile rule 2."""

from __future__ import annotations

import copy
import json
import tomllib
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from tree import ROOT

from device_adapters.language.build import build
from device_adapters.language.tables import Report, Table
from device_adapters.language.values import DATATYPES, value_names

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads((ROOT / "docs/formats/profile-values.schema.json").read_text())
VALID = jsonschema_rs.validator_for(SCHEMA)
FILES = [ROOT / f"tests/vectors/profile/{name}.toml" for name in ("plain-values", "sparkplug-device")]


def refused(values: dict[str, Any]) -> bool:
    """Whether the parser finds anything."""
    report = Report({(): 1})
    build(Table(values, (), report), b"")
    return bool(report.findings())


def changes(values: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A key too many in each table, and each value of another kind; a missing key is the linter's across tables."""
    tables: list[tuple[str, ...]] = [(), *((name,) for name, one in values.items() if isinstance(one, dict))]
    tables += [("values", name) for name in values["values"]]
    for path in tables:
        for key in (*_at(values, path), "unknown_key"):
            made = copy.deepcopy(values)
            _at(made, path)[key] = 3.5
            yield ".".join((*path, key)), made


def _at(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for step in path:
        values = values[step]
    return values


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_schema_and_the_parser_refuse_the_same_mistakes(path: Any) -> None:
    """What an editor would underline is what the linter refuses, and nothing of a good file."""
    values = tomllib.loads(path.read_text())
    assert [error.message for error in VALID.iter_errors(values)] == []
    assert not refused(values)
    for place, made in changes(values):
        assert (VALID.is_valid(made), refused(made)) == (False, True), place


def test_lists_of_words_are_the_parsers_own() -> None:
    """A name or type that the parser learns must be published."""
    parts = SCHEMA["$defs"]
    for kind in ("topics", "sparkplug"):
        assert set(parts[kind]["properties"]["values"]["properties"]) == value_names()
    score = parts["sparkplug"]["properties"]["values"]["properties"]["score"]
    assert set(score["properties"]["datatype"]["enum"]) == set(DATATYPES)
