"""The published JSON schema says what the parser says: mistakes of grammar are mistakes to both."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from tree import ROOT

from device_adapters.language.build import build
from device_adapters.language.tables import Report, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads((ROOT / "docs/formats/profile.schema.json").read_text())
VALID = jsonschema_rs.validator_for(SCHEMA)
FILES = [path for path in sorted((ROOT / "device_adapters/profiles").glob("*.toml")) if ".golden" not in path.name]
FILES += [
    ROOT / f"tests/vectors/profile/{name}.toml"
    for name in ("maker-json", "coil-bench", "read-once-bench", "window-bench", "plain-values")
]
# A name that leads nowhere, and an order that the record gives or not, are seen across tables.
ACROSS = re.compile(
    r"\.(codes|area|record): \"|there is no field|is taken by|orders \d|"
    r"^(records|status)\.(?!\w+\.window\.(page|slot)\b).*the order of its bytes"
)
# Keys of tables whose names are the profile's own: of one key too many there, the parser says what is missing inside.
NAMED = {
    "areas",
    "records",
    "codes",
    "entries",
    "fields",
    "by_state",
    "agree",
    "paths",
    "fixed",
    "words",
    "scale",
    "rows",
}


def parsed(values: dict[str, Any]) -> list[str]:
    """What the grammar says: the linter's findings before it looks across tables."""
    report = Report({(): 1})
    build(Table(values, (), report), b"")
    return [finding.reason for finding in report.findings() if not ACROSS.search(finding.reason)]


def tables(values: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every table."""
    if isinstance(values, dict):
        yield path
        for key, value in values.items():
            yield from tables(value, (*path, key))


def changed(values: dict[str, Any], path: tuple[str | int, ...], key: str, value: object = None) -> dict[str, Any]:
    """With another value at one place; None takes it away."""
    made = copy.deepcopy(values)
    table: Any = made
    for step in path:
        table = table[step]
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
    return made


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_profile_fits_the_schema(path: Any) -> None:
    """What an editor would underline is nothing."""
    values = tomllib.loads(path.read_text())
    assert [error.message for error in VALID.iter_errors(values)] == []


def one_of_each(values: dict[str, Any]) -> list[tuple[str | int, ...]]:
    """Tables, but of many alike (fields of records, entries) the first only."""
    seen: dict[tuple[Any, ...], int] = {}
    found = []
    for path in tables(values):
        shape = tuple("*" if at and path[at - 1] in NAMED else step for at, step in enumerate(path))
        seen[shape] = seen.get(shape, 0) + 1
        if seen[shape] == 1:
            found.append(path)
    return found


# Which keys a single value needs depends on its name: that is the linter's. Of typical rigs those that show all forms.
FORMS = {"low-voltage-electrician-typical", "work-at-height-typical", "vr-emergency-typical"}
EXACT = [
    path
    for path in FILES
    if "\n[values]" not in path.read_text() and (path.stem in FORMS or not path.stem.endswith("-typical"))
]


@pytest.mark.parametrize("path", EXACT, ids=lambda path: path.stem)
def test_the_schema_and_the_parser_refuse_the_same_mistakes(path: Any) -> None:
    """A key too many, a key too few, a value of another kind: found by both, or by neither."""
    values = tomllib.loads(path.read_text())
    for place in one_of_each(values):
        table: Any = values
        for step in place:
            table = table[step]
        tries: list[tuple[str, object]] = [(key, None) for key in table]
        tries += [(key, 3.5) for key, value in table.items()]
        if not place or place[-1] not in NAMED:
            tries.append(("unknown_key", 1))
        for key, value in tries:
            made = changed(values, place, key, value)
            if value is None and place and place[-1] in NAMED | {"records"}:
                continue  # which names there must be is the linter's business
            assert VALID.is_valid(made) is (parsed(made) == []), (place, key, value, parsed(made))


def test_lists_of_words_are_the_parsers_own() -> None:
    """A type, order, coding or checksum that the parser learns must be published."""
    from device_adapters.language.build import GUARANTEES, INDEXES, TRANSPORTS  # noqa: PLC0415
    from device_adapters.language.build_field import ANY_ORDER  # noqa: PLC0415
    from device_adapters.language.checksums import CHECKSUMS  # noqa: PLC0415
    from device_adapters.language.handshake import HANDSHAKES  # noqa: PLC0415
    from device_adapters.language.rules import ENTRY_FIELDS  # noqa: PLC0415
    from device_adapters.language.words import CODINGS, TYPES  # noqa: PLC0415

    parts = SCHEMA["$defs"]
    field, record, top = (parts[name]["properties"] for name in ("field", "record", "registers"))
    told = {
        "types": (field["type"]["enum"], TYPES),
        "orders": (field["order"]["enum"], ANY_ORDER),
        "codings": (field["coding"]["enum"], CODINGS),
        "checksums": (record["crc"]["properties"]["kind"]["enum"], CHECKSUMS),
        "indexes": (record["index"]["enum"], INDEXES),
        "guarantees": (top["guarantee"]["enum"], GUARANTEES),
        "handshakes": (top["handshake"]["properties"]["kind"]["enum"], HANDSHAKES),
        "transports": ([*top["transport"]["properties"]["kind"]["enum"], "mqtt", "http"], TRANSPORTS),
        "entries": (parts["entry"]["properties"]["type"]["enum"], ENTRY_FIELDS),
    }
    for name, (published, known) in told.items():
        assert set(published) == set(known), name
