"""What kaofen-verify says of each way in which evidence is not whole: every check, sentence, place and exit code.

Frozen in tests/vectors/refusals/verify.json: KAOFEN_WRITE_VECTORS=1 with this test writes it again, and a person reads
the difference.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from spoilt_evidence import BUNDLES, RECEIPTS
from tree import ROOT
from typer.testing import CliRunner

from scorelog.format.policy import parse_policy
from scorelog.verify.cli import app
from scorelog.verify.receipt import verify_receipt

if TYPE_CHECKING:
    from pathlib import Path

FROZEN = ROOT / "tests" / "vectors" / "refusals" / "verify.json"


def told(folder: Path, *words: str) -> list[str]:
    """Exit code, then every line of both outputs."""
    done = CliRunner().invoke(app, [*words, "--policy", str(folder / "policy")])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    return [f"exit {done.exit_code}", *(one.replace(str(folder), "…") for one in lines)]


def bundle(folder: Path, name: str) -> dict[str, list[str]]:
    """As lines, and as one object; its sentences are those of the lines."""
    (folder / "policy").write_bytes(BUNDLES[name].policy)
    (folder / "bundle.zip").write_bytes(BUNDLES[name].made)
    path = str(folder / "bundle.zip")
    lines, (code, *spelt) = told(folder, "attempt", path), told(folder, "attempt", path, "--json")
    said = json.loads("\n".join(spelt))
    findings = said.pop("findings")
    assert code == lines[0]
    assert "\\u" not in "".join(spelt), "people read it too"
    assert [one.pop("text") for one in findings] == [line.partition("proven: ")[2] for line in lines[1:]][
        : len(findings)
    ]
    return {name: lines, f"{name}, as an object": [json.dumps(one) for one in (said, *findings)]}


def receipt(folder: Path, name: str) -> dict[str, list[str]]:
    """A proof and the entry beside it."""
    entry, made, policy = RECEIPTS[name]
    for file, content in (("policy", policy), ("one.json", entry), ("one.tlog-proof", made)):
        (folder / file).write_bytes(content)
    said = verify_receipt(entry, made, parse_policy(policy)).to_json() if policy != b"hello\n" else {}
    return {name: [*told(folder, "proof", str(folder / "one.tlog-proof")), json.dumps(said)]}


@pytest.mark.parametrize("kind", ["bundles", "receipts"])
def test_each_piece_of_evidence_is_told_as_it_always_was(tmp_path: Path, kind: str) -> None:
    """P3: what is proven, what is not, of which entry of which log; for people and for programs."""
    found: dict[str, list[str]] = {}
    for name in BUNDLES if kind == "bundles" else RECEIPTS:
        found |= bundle(tmp_path, name) if kind == "bundles" else receipt(tmp_path, name)
    frozen = json.loads(FROZEN.read_text("utf-8")) if FROZEN.exists() else {}
    if os.environ.get("KAOFEN_WRITE_VECTORS") == "1":
        FROZEN.write_text(
            json.dumps({**frozen, kind: found}, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8"
        )
        return
    assert found == frozen[kind]


def test_what_is_whole_is_proven_and_nothing_else() -> None:
    """Exit 0 and one last line `proven: attempt …`, or exit 1 and a line that says what is not."""
    frozen = json.loads(FROZEN.read_text("utf-8"))["bundles"]
    assert {name.removesuffix(", as an object") for name in frozen} == set(BUNDLES)
    for name, one in BUNDLES.items():
        code, *lines = frozen[name]
        assert code == ("exit 0" if one.whole else "exit 1"), name
        assert any(line.startswith("not proven: ") for line in lines) is not one.whole, name
