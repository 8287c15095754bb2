"""Entry schema v1 is frozen: page, type list and vectors say the same, and every vector keeps its bytes and meaning."""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from device_adapters.language.interface_v1 import KINDS
from scorelog.format import types
from scorelog.format.commitment import Opening, check_opening
from scorelog.format.entry import Entry, build_entry, parse_entry
from scorelog.format.fieldnames import COMMON, INSIDE, OWN
from scorelog.format.note import parse_vkey
from scorelog.format.tree import leaf_hash

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "tests" / "vectors" / "entry"
PAGE = (ROOT / "docs" / "formats" / "entry.md").read_text(encoding="utf-8")
# Words of the table that are common fields or structure, and of lists inside a field.
NESTED = {"origin", "index", "leaf", "size", "checkpoint", "keys", "count", "number", "bytes"}


@cache
def vectors() -> dict[str, list[dict[str, Any]]]:
    """By type, from the file of each."""
    found = {}
    for path in sorted(VECTORS.glob("*.json")):
        if path.stem != "rules":
            loaded = json.loads(path.read_text(encoding="utf-8"))
            assert loaded["type"] == path.stem
            found[path.stem] = loaded["vectors"]
    return found


def rows() -> dict[str, str]:
    """The page's table: from type to its own fields."""
    found = {}
    for line in PAGE.splitlines():
        cells = line.split(" | ")
        if line.startswith("| `") and len(cells) == 3:
            for kind in re.findall(r"`([^`]+)`", cells[0]):
                assert kind not in found, f"{kind} has two rows"
                found[kind] = cells[2]
    return found


def names_in(row: str) -> set[str]:
    """The field names of a row: what is quoted outside parentheses and braces."""
    while (plain := re.sub(r"\([^()]*\)|\{[^{}]*\}", "", row)) != row:
        row = plain
    return set(re.findall(r"`([a-z_0-9]+)`", row))


def cases() -> list[Any]:
    return [pytest.param(kind, one, id=f"{kind}-{one['why']}") for kind, many in vectors().items() for one in many]


def meaning(entry: Entry) -> dict[str, Any]:
    """What a reader understands, without what is absent."""
    whole = {
        "type": entry.type,
        "rig": entry.rig,
        "station": entry.station,
        "attempt": entry.attempt,
        "binding": entry.binding,
        "session": entry.session,
        "plan": entry.plan,
        "key": None if entry.key is None else list(entry.key),
        "content": entry.content,
        "conflict_with": entry.conflict_with,
        "read_us": entry.read.utc_us,
        "sync": entry.read.sync,
        "rig_time": entry.rig_time,
        "profile": entry.profile,
        "source": entry.source,
        "guarantee": entry.guarantee,
        "raw": [[one.area, one.at, one.data.hex(), [list(cut) for cut in one.cut]] for one in entry.raw],
        "candidate": [one.field for one in entry.candidate],
        "leaves": list(entry.leaves),
        "fields": entry.fields,
    }
    return {name: value for name, value in whole.items() if value not in (None, [], {})}


def test_the_page_the_type_list_and_the_vectors_are_of_the_same_types() -> None:
    """Schema v1 is exactly these types, each with a row, its field names and at least one frozen vector."""
    assert set(rows()) == types.KNOWN
    assert set(vectors()) == types.KNOWN
    assert set(OWN) == types.KNOWN
    assert all(vectors().values())


@pytest.mark.parametrize("kind", sorted(types.KNOWN))
def test_every_field_of_a_type_is_in_its_row_and_in_a_vector(kind: str) -> None:
    """No field is written down without an example, none is in an example without being written down."""
    shown = [one["document"] for one in vectors()[kind]]
    assert set().union(*shown) - COMMON == OWN[kind]
    assert set().union(*(one.get("fields", {}) for one in shown)) == INSIDE.get(kind, frozenset())
    row = rows()[kind]
    if kind == types.ATTEMPT_ABORTED:
        row += "`leaves_before`"
    assert OWN[kind] | INSIDE.get(kind, frozenset()) <= names_in(row) | ({"from", "to"} if "from" in row else set())
    assert names_in(row) <= OWN[kind] | INSIDE.get(kind, frozenset()) | COMMON


def test_what_a_rig_s_message_says_is_in_the_schema() -> None:
    """M2, M3: a record's own values, and what the rig measured, are exactly the fields of the type that it becomes."""
    for kind in KINDS.values():
        assert {*kind.fields, "measures"} == INSIDE[kind.type]


def test_every_common_field_is_in_a_vector() -> None:
    """A common field that no vector has would not be frozen."""
    shown: set[str] = set()
    for many in vectors().values():
        shown |= {name for one in many for name in one["document"]}
    assert shown >= COMMON


@pytest.mark.parametrize(("kind", "vector"), cases())
def test_a_vector_keeps_its_bytes_its_leaf_and_its_meaning(kind: str, vector: dict[str, Any]) -> None:
    """The document encodes to these bytes, they hash to this leaf and are read with this meaning, for ever."""
    data = vector["text"].encode()
    assert build_entry(vector["document"]) == data
    assert leaf_hash(data).hex() == vector["leaf"]
    entry = parse_entry(data)
    assert entry.document == vector["document"]
    assert (entry.type, entry.known) == (kind, True)
    assert meaning(entry) == vector["meaning"]


@pytest.mark.parametrize(("kind", "vector"), cases())
def test_the_openings_of_a_vector_open_its_commitments(kind: str, vector: dict[str, Any]) -> None:
    """What is cut and committed can be opened, field by field, and no personal word is left in the entry (P7)."""
    entry = parse_entry(vector["text"].encode())
    opened = vector.get("openings", [])
    assert [one["field"] for one in opened] == [one.field for one in entry.candidate]
    for one in opened:
        value = base64.b64decode(one["value"])
        assert check_opening(Opening(0, one["field"], bytes.fromhex(one["blind"]), value), entry)
        assert value not in vector["text"].encode()
        assert all(value not in area.data for area in entry.raw)
    for area in entry.raw:
        assert all(area.data[at : at + length] == bytes(length) for at, length in area.cut)


def test_a_text_in_parts_is_the_adopted_text() -> None:
    """Rule 14: the parts in order have the hash that each of them names."""
    whole, first, second = (one["document"] for one in vectors()[types.PLAN_ADOPTED])
    assert first["text"] + second["text"] == whole["text"]
    assert (first["sha256"], first["part"], first["of"]) == (whole["sha256"], 1, 2)
    assert (second["sha256"], second["part"], second["of"]) == (whole["sha256"], 2, 2)


def test_a_rotated_key_keeps_the_origin() -> None:
    """Rule 17: both keys have the log's origin as their name and are different keys."""
    for one in vectors()[types.KEY_ROTATED]:
        previous, following = (parse_vkey(one["document"][name]) for name in ("previous", "next"))
        assert previous.name == following.name
        assert previous.key_id != following.key_id


def test_names_of_fields_are_not_used_twice() -> None:
    """A type's own field never has a common field's name, so that neither hides the other."""
    assert all(not own & COMMON for own in OWN.values())
