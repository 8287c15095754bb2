"""Vectors made by another program (Go, tests/interop/checker.go): our bytes are its bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import format_samples as samples
import pytest

from scorelog.format.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from scorelog.format.commitment import Opening, commit
from scorelog.format.cosignature import CosignatureSigner, merge, verify_cosignature
from scorelog.format.note import Ed25519Signer, open_note, parse_vkey, sign_note
from scorelog.format.policy import parse_policy
from scorelog.format.proof import make_proof, parse_proof, verify_proof
from scorelog.format.tiles import TileNodes, parse_tile_path, tiles_for
from scorelog.format.tree import MemoryNodes, consistency_proof, inclusion_proof, leaf_hash, root_from
from scorelog.format.upload import Upload, encode_upload, parse_upload

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
NODES = MemoryNodes(leaf_hash(b"entry %d" % number) for number in range(300))


def load(name: str) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((VECTORS / name / "go.json").read_text(encoding="utf-8"))
    return vectors


def test_roots_and_proofs_are_those_of_go() -> None:
    """Every root, inclusion and consistency proof that x/mod made."""
    vectors = load("tree")
    for size, root in vectors["roots"].items():
        assert root_from(int(size), NODES).hex() == root
    for case in vectors["inclusion"]:
        assert [one.hex() for one in inclusion_proof(case["index"], case["size"], NODES)] == case["proof"]
    for case in vectors["consistency"]:
        assert [one.hex() for one in consistency_proof(case["old"], case["new"], NODES)] == case["proof"]


def test_tiles_are_those_of_go() -> None:
    """Paths, contents and numbers of tiles, widest version of each."""
    vectors = load("tiles")
    listed = {case["path"]: case for case in vectors["tiles"]}
    for path in listed:
        tile = parse_tile_path(path)
        first = tile.index * 256
        data = b"".join(NODES(8 * (tile.level or 0), first + place) for place in range(tile.width))
        assert (len(data), hashlib.sha256(data).hexdigest()) == (listed[path]["bytes"], listed[path]["sha256"])
    assert {tile.path for tile in tiles_for(vectors["size"])} <= set(listed)
    assert TileNodes(1, lambda _: leaf_hash(b"entry 0"))(0, 0) == NODES(0, 0)


def test_notes_are_those_of_go() -> None:
    """Key id, vkey and signed notes, byte for byte."""
    vectors = load("note")
    signer = Ed25519Signer(vectors["name"], samples.private_key(1))
    assert (signer.vkey, signer.key_id.hex()) == (vectors["vkey"], vectors["key_id"])
    for case in vectors["notes"]:
        assert sign_note(case["text"], [signer]).decode() == case["note"]
        assert open_note(case["note"].encode(), [parse_vkey(vectors["vkey"])]).text == case["text"]


def test_checkpoint_and_cosignature_are_those_of_go() -> None:
    """The signed checkpoint and the cosignature/v1 line, byte for byte."""
    vectors, cosigned = load("checkpoint"), load("cosignature")
    checkpoint = Checkpoint(vectors["origin"], vectors["size"], bytes.fromhex(vectors["root"]))
    data = sign_checkpoint(checkpoint, Ed25519Signer(vectors["origin"], samples.private_key(1)))
    assert data.decode() == vectors["note"]
    assert open_checkpoint(data, parse_vkey(vectors["vkey"]))[0] == checkpoint
    signer = CosignatureSigner(cosigned["name"], samples.private_key(2))
    assert signer.vkey == cosigned["vkey"]
    line = signer.cosign(cosigned["body"], cosigned["time"])
    assert line.decode() == cosigned["line"]
    assert verify_cosignature(merge(data, line), parse_vkey(cosigned["vkey"])) == cosigned["time"]


def test_proofs_are_those_of_go() -> None:
    """tlog-proofs verify under the policy, and ours are the same text."""
    vectors = load("proof")
    policy = parse_policy(vectors["policy"])
    for case in vectors["proofs"]:
        proof = parse_proof(case["proof"].encode())
        proven = verify_proof(proof, case["entry"].encode(), policy)
        assert proven.cosigned_by == ((samples.MIRROR, vectors["time"]),)
        assert make_proof(proof.index, proof.checkpoint_note, NODES).encode() == case["proof"].encode()


@pytest.mark.parametrize("case", load("commitment")["cases"])
def test_commitments_are_those_of_go(case: dict[str, str]) -> None:
    """SHA-256(blind, field, NUL, value)."""
    made = commit(bytes.fromhex(case["blind"]), case["field"], base64.b64decode(case["value"]))
    assert made.hex() == case["sha256"]


def test_the_upload_body_is_that_of_go() -> None:
    """Head, entries, openings, checkpoint, byte for byte."""
    vectors = load("upload")
    stated = vectors["opening"]
    opening = Opening(stated["index"], stated["field"], bytes.fromhex(stated["blind"]), stated["value"].encode())
    entries = tuple(one.encode() for one in vectors["entries"])
    upload = Upload(vectors["start"], entries, (opening,), vectors["checkpoint"].encode())
    assert encode_upload(upload) == base64.b64decode(vectors["body"])
    assert parse_upload(base64.b64decode(vectors["body"])) == upload
