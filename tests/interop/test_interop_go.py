"""An independent verifier in Go (x/mod's notes and tree) agrees with ours, on what is right and on what is damaged."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import format_samples as samples
import pytest

from scorelog.format.errors import FormatError
from scorelog.format.note import open_note, parse_note, parse_vkey
from scorelog.format.policy import parse_policy
from scorelog.format.proof import parse_proof, verify_proof
from scorelog.format.tree import (
    MemoryNodes,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_from,
    verify_consistency,
    verify_inclusion,
)

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.needs("go", "go-x-mod")

NODES = MemoryNodes(leaf_hash(b"%d" % number) for number in range(200))
LOG = samples.sample_log()
VKEYS = [samples.log_signer().vkey, samples.mirror_signer().vkey]
POLICY = parse_policy(samples.policy_text())


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """checker.go, built without network in GOPATH mode from Debian's x/mod."""
    folder = tmp_path_factory.mktemp("go")
    env = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "",
    }
    command = ["go", "build", "-o", str(folder / "checker"), str(HERE / "checker.go")]
    subprocess.run(command, check=True, env=env, timeout=120)
    return folder / "checker"


def ask(checker: Path, cases: list[dict[str, Any]]) -> list[bool]:
    """Go's verdicts."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        return [plain(one) for one in value] if isinstance(value, list) else value

    lines = "".join(json.dumps({key: plain(value) for key, value in case.items()}) + "\n" for case in cases)
    answer = subprocess.run([checker, "check"], input=lines.encode(), capture_output=True, check=True, timeout=60)
    return [line == "ok" for line in answer.stdout.decode().splitlines()]


def ours(case: dict[str, Any]) -> bool:
    """Our verdict on the same case."""
    try:
        match case["kind"]:
            case "inclusion":
                verify_inclusion(case["leaf"], case["index"], case["size"], case["proof"], case["root"])
            case "consistency":
                verify_consistency(case["old"], case["size"], case["proof"], case["oldroot"], case["root"])
            case "note":
                opened = open_note(case["note"], map(parse_vkey, case["vkeys"]))
                return len(opened.verified) == len(case["vkeys"])
            case _:
                verify_proof(parse_proof(case["note"]), case["entry"], POLICY)
    except FormatError:
        return False
    return True


def damaged(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def tree_cases() -> list[dict[str, Any]]:
    rng = random.Random("tree")
    cases: list[dict[str, Any]] = []
    for _ in range(400):
        size = rng.randrange(1, 200)
        index, old, root = rng.randrange(size), rng.randrange(1, size + 1), root_from(size, NODES)
        path = inclusion_proof(index, size, NODES)
        good = {"kind": "inclusion", "leaf": NODES(0, index), "index": index, "size": size, "proof": path, "root": root}
        cases += [
            good,
            {**good, "index": rng.randrange(size)},
            {**good, "size": size + 1},
            {**good, "root": damaged(rng, root)},
        ]
        path = consistency_proof(old, size, NODES)
        good = {
            "kind": "consistency", "old": old, "size": size, "proof": path, "root": root,
            "oldroot": root_from(old, NODES),
        }  # fmt: skip
        cases += [
            good,
            {**good, "oldroot": damaged(rng, root)},
            {**good, "proof": path[:-1]},
            {**good, "proof": [*path, root]},
        ]
    return cases


def note_cases() -> list[dict[str, Any]]:
    rng = random.Random("note")
    cases: list[dict[str, Any]] = []
    for index, entry in enumerate(LOG.entries):
        proof = {"kind": "proof", "note": LOG.proof(index).encode(), "entry": entry, "vkeys": VKEYS}
        note = {"kind": "note", "note": LOG.receipt, "vkeys": VKEYS}
        cases += [proof, note, {**note, "vkeys": VKEYS[:1]}, {**note, "note": LOG.checkpoint, "vkeys": VKEYS[:1]}]
        for _ in range(40):
            cases += [
                {**proof, "entry": damaged(rng, entry)},
                {**proof, "note": damaged(rng, proof["note"])},
                {**note, "note": damaged(rng, LOG.receipt)},
            ]
    return cases


def test_go_and_python_agree_on_trees(checker: Path) -> None:
    """Inclusion and consistency proofs, right and damaged: no disagreement."""
    cases = tree_cases()
    verdicts = ask(checker, cases)
    assert len(verdicts) == len(cases)
    disagreed = [case for case, verdict in zip(cases, verdicts, strict=True) if verdict != ours(case)]
    assert disagreed == []
    assert verdicts.count(True) >= 800


def test_go_accepts_what_we_accept_of_notes_and_proofs(checker: Path) -> None:
    """Receipts and proofs, right and damaged. Where Go accepts more, it is a spelling that we refuse on purpose."""
    cases = note_cases()
    verdicts = ask(checker, cases)
    for case, verdict in zip(cases, verdicts, strict=True):
        if ours(case):
            assert verdict, case
        elif verdict:
            assert is_lax(case["note"]), case
    assert verdicts.count(True) >= 4 * len(LOG.entries)


def is_lax(note: bytes) -> bool:
    """Whether Go's tolerance explains it: its base64 takes stray bits in the last character."""
    try:
        parse_proof(note) if note.startswith(b"c2sp") else parse_note(note)
    except FormatError as refusal:
        return "second spelling" in str(refusal)
    return False


def test_go_reads_every_frozen_entry_as_we_do(checker: Path) -> None:
    """Schema v1: Go spells every vector's document with the same bytes and hashes them to the same leaf; else not."""
    cases: list[dict[str, Any]] = []
    for path in sorted((HERE.parent / "vectors" / "entry").glob("*.json")):
        for vector in json.loads(path.read_text(encoding="utf-8"))["vectors"] if path.stem != "rules" else ():
            entry, leaf = vector["text"].encode(), bytes.fromhex(vector["leaf"])
            good = {"kind": "entry", "entry": entry, "leaf": leaf}
            cases += [good, {**good, "entry": entry.replace(b'",', b'", ', 1)}, {**good, "leaf": leaf_hash(leaf)}]
    assert ask(checker, cases) == [True, False, False] * (len(cases) // 3)
    assert len(cases) > 3 * 40


def test_the_kept_vectors_are_what_go_makes_today(checker: Path) -> None:
    """tests/vectors/*/go.json came from this program."""
    made = json.loads(subprocess.run([checker, "make"], capture_output=True, check=True, timeout=60).stdout)
    for name, vectors in made.items():
        kept = HERE.parent / "vectors" / name / "go.json"
        assert json.loads(kept.read_text(encoding="utf-8")) == vectors
