"""Every numbered rule of docs/formats has a vector in tests/vectors/<format>/rules.json, or a test named there."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fuzz_targets import all_targets

from scorelog.format import proof, upload
from scorelog.format.errors import FormatError

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "tests" / "vectors"
FORMATS = sorted(path.parent.name for path in VECTORS.glob("*/rules.json"))
TARGETS = all_targets()
PARSERS = {"tiles": "tile-path"}

# Rules about what another room does: the format cannot prove them, its neighbours' tests do.
ELSEWHERE = {
    "checkpoint 6": "scorelog.journal releases a signature after its fsync only",
    "cosignature 5": "the server cosigns after its commit only",
    "tiles 5": "the server's routes ask for authorisation",
    "commitment 6": "the server flags a wrong opening and stores the upload",
    "plan 6": "the server's route answers with the ETag, to gateways of the point only",
    "plan 7": "the server's heartbeat makes the nonce",
    "evidence 12": "a statement of what cannot be proven",
}


def rules(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / name / "rules.json").read_text(encoding="utf-8"))
    return loaded


def cases() -> list[Any]:
    return [
        pytest.param(name, vector, id=f"{name}-{vector['rule']}-{vector['why']}")
        for name in FORMATS
        for vector in rules(name)["vectors"]
    ]


@pytest.mark.parametrize(("name", "vector"), cases())
def test_a_vector_of_a_rule(name: str, vector: dict[str, Any]) -> None:
    """Accepted bytes encode identically; refused ones are refused for the reason that the vector states."""
    data = vector["text"].encode() if "text" in vector else base64.b64decode(vector["base64"])
    target = TARGETS[PARSERS.get(name, name)]
    if vector["refused"] is None:
        assert target.check(data) == "accepted"
        return
    with pytest.raises(FormatError, match=re.escape(vector["refused"])):
        target.parse(data)


@pytest.mark.parametrize("page", FORMATS)
def test_every_rule_has_a_vector_or_a_test(page: str) -> None:
    """The numbers of the page are covered, and every named test exists."""
    numbers = re.findall(
        r"^(\d+)\. ", (ROOT / "docs" / "formats" / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    listed = rules(page)
    covered = {str(vector["rule"]) for vector in listed["vectors"]} | set(listed["tests"])
    assert covered == set(numbers)
    for place in listed["tests"].values():
        file, _, test = place.partition("::")
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


def test_rules_of_other_rooms() -> None:
    """Rules that this package states and others keep are listed with who keeps them."""
    stated = {
        f"{name} {number}"
        for name in FORMATS
        for number, place in rules(name)["tests"].items()
        if place.endswith("::test_rules_of_other_rooms")
    }
    assert stated == set(ELSEWHERE)


def test_names_on_the_wire() -> None:
    """Media types, suffixes and magic words are those of the pages."""
    assert (upload.UPLOAD_TYPE, upload.FILE_SUFFIX) == ("application/vnd.kaofen.upload", ".kaofen-upload")
    assert (upload.SIZE_TYPE, upload.MAGIC) == ("text/x.tlog.size", "kaofen.upload/v1")
    assert (proof.MAGIC, proof.FILE_SUFFIX) == ("c2sp.org/tlog-proof@v1", ".tlog-proof")
