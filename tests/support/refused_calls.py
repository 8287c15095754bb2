"""Calls that the format refuses, and calls at a limit that it takes: trees, tiles, notes, proofs, uploads, policies.

Data for tests/unit/scorelog_format/test_format_words.py: what a refusal says is frozen in tests/vectors/refusals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from format_samples import ORIGIN, log_signer, mirror_signer, policy_text, private_key, sample_log, witness_signer

from scorelog.format import (
    checkpoint,
    cosignature,
    keys,
    limits,
    note,
    policy,
    proof,
    text,
    tiles,
    tree,
    upload,
    witness,
)
from scorelog.format.commitment import Opening, commit
from scorelog.format.errors import NoteError

if TYPE_CHECKING:
    from collections.abc import Callable

Calls = dict[str, "Callable[[], object]"]

_LEAVES: Final = [bytes([number]) * 32 for number in range(7)]
_NODES: Final = tree.MemoryNodes(_LEAVES)
_ROOT: Final = tree.root_from(7, _NODES)
_LOG: Final = sample_log()
_BLIND: Final = bytes(32)
_BODY: Final = checkpoint.Checkpoint(ORIGIN, 7, _ROOT).body()


def _path(index: int, size: int) -> list[bytes]:
    return tree.inclusion_proof(index, size, _NODES)


def _steps(old: int, new: int) -> list[bytes]:
    return tree.consistency_proof(old, new, _NODES)


def _included(index: int, size: int, path: list[bytes], root: bytes = _ROOT) -> object:
    return tree.verify_inclusion(_LEAVES[2], index, size, path, root)


def _consistent(old: int, new: int, steps: list[bytes], old_root: bytes = b"", new_root: bytes = _ROOT) -> object:
    return tree.verify_consistency(old, new, steps, old_root or tree.root_from(old, _NODES), new_root)


def _tiles_of(width: int) -> tiles.TileNodes:
    return tiles.TileNodes(7, lambda _: bytes(32 * width))


def _note(count: int) -> bytes:
    signer = log_signer()
    lines = [note.NoteSignature(f"k{number}", signer.key_id, bytes(64)) for number in range(count)]
    return note.Note("text\n", tuple(lines)).encode()


def _upload(**changed: object) -> bytes:
    made = {"start": 5, "entries": (b"a", b"b"), "openings": (), "checkpoint": b"c", **changed}
    return upload.encode_upload(upload.Upload(**made))  # type: ignore[arg-type]


def _opening(index: int, field: str = "ticket") -> Opening:
    return Opening(index, field, _BLIND, b"v")


def _policy(*lines: str) -> object:
    return policy.parse_policy("".join(f"{line}\n" for line in lines))


def _chain(depth: int) -> list[str]:
    groups = [f"group g{number} all {f'g{number - 1}' if number else 'w'}" for number in range(depth)]
    return [f"witness w {witness_signer().vkey}", *groups, "quorum none"]


def _check_policy(body: bytes, *lines: str) -> object:
    return policy.parse_policy("".join(f"{line}\n" for line in lines)).check(body)


_QUORUM: Final = (
    f"log {log_signer().vkey}", f"witness mirror {mirror_signer().vkey}", f"witness audit {witness_signer().vkey}",
    "group both all mirror audit", "quorum both",
)  # fmt: skip

_THIRD: Final = cosignature.CosignatureSigner("third.example/witness", private_key(4))
_THREE: Final = (*_QUORUM[:3], f"witness third {_THIRD.vkey}", "group three all mirror audit third", "quorum three")


def _proof_text(extra: int | None, hashes: int, kind: str) -> bytes:
    path = "".join(f"{text.tobase64(bytes(32))}\n" for _ in range(hashes))
    if kind == "witness":
        return f"old 3\n{path}\n".encode() + _LOG.receipt
    said = "" if extra is None else f"extra {text.tobase64(bytes(extra))}\n"
    return f"{proof.MAGIC}\n{said}index 3\n{path}\n".encode() + _LOG.receipt


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(size - len(data))


REFUSED: Final[Calls] = {
    "tree: too few hashes of a range": lambda: tree.CompactRange(3, [_LEAVES[0]]),
    "tree: a range of a negative size": lambda: tree.CompactRange(-1, []),
    "tree: a short hash in a range": lambda: tree.CompactRange(1, [b"short"]),
    "tree: a long hash in a path": lambda: _included(2, 7, [bytes(33)]),
    "tree: no such level": lambda: _NODES(3, 0),
    "tree: no such node": lambda: _NODES(1, 3),
    "tree: a negative level": lambda: _NODES(-1, 0),
    "tree: a negative node": lambda: _NODES(0, -1),
    "tree: a proof of an index behind the end": lambda: _path(7, 7),
    "tree: a proof of a negative index": lambda: _path(-1, 7),
    "tree: a proof back to a larger tree": lambda: _steps(7, 6),
    "tree: a proof from a negative size": lambda: _steps(-1, 6),
    "tree: an index behind the end": lambda: _included(7, 7, _path(2, 7)),
    "tree: a negative index": lambda: _included(-1, 7, _path(2, 7)),
    "tree: a path too long": lambda: _included(2, 7, [*_path(2, 7), bytes(32), bytes(32)]),
    "tree: a path too short": lambda: _included(2, 7, _path(2, 7)[:-1]),
    "tree: a path of another leaf": lambda: _included(3, 7, _path(3, 7)),
    "tree: an older root is larger": lambda: _consistent(7, 6, []),
    "tree: an older root of a negative size": lambda: _consistent(-1, 6, [], bytes(32)),
    "tree: no steps": lambda: _consistent(3, 7, []),
    "tree: steps too short": lambda: _consistent(3, 7, _steps(3, 7)[:-1]),
    "tree: steps too long": lambda: _consistent(3, 7, [*_steps(3, 7), bytes(32), bytes(32)]),
    "tree: steps between equal sizes": lambda: _consistent(7, 7, [bytes(32)]),
    "tree: steps from nothing": lambda: _consistent(0, 7, [bytes(32), bytes(32)]),
    "tree: two roots of one size": lambda: _consistent(7, 7, [], bytes(32)),
    "tree: another root of nothing": lambda: _consistent(0, 7, [], bytes(32)),
    "tree: another old root": lambda: _consistent(3, 7, _steps(3, 7), bytes(32)),
    "tree: another new root": lambda: _consistent(3, 7, _steps(3, 7), new_root=bytes(32)),
    "tree: a short root": lambda: _consistent(3, 7, _steps(3, 7), new_root=bytes(31)),
    "tiles: no such subtree": lambda: _tiles_of(7)(3, 0),
    "tiles: a negative level": lambda: _tiles_of(7)(-1, 0),
    "tiles: a negative index": lambda: _tiles_of(7)(0, -1),
    "tiles: a tile of another length": lambda: _tiles_of(6)(0, 0),
    "tiles: an empty entry": lambda: tiles.frame_entries([b"a", b""]),
    "tiles: a long entry": lambda: tiles.frame_entries([bytes(limits.ENTRY_BYTES_MAX + 1)]),
    "tiles: a level": lambda: tiles.Tile(64, 0),
    "tiles: below the levels": lambda: tiles.Tile(-1, 0),
    "tiles: an index": lambda: tiles.Tile(0, limits.INT_MAX // 256 + 1),
    "tiles: below the indices": lambda: tiles.Tile(None, -1),
    "tiles: a width": lambda: tiles.Tile(0, 0, 257),
    "tiles: no width": lambda: tiles.Tile(0, 0, 0),
    "tiles: a long path": lambda: tiles.parse_tile_path("tile/" + "9" * 200),
    "tiles: seven groups": lambda: tiles.parse_tile_path("tile/0/" + "x001/" * 6 + "001"),
    "checkpoint: a negative size": lambda: checkpoint.Checkpoint(ORIGIN, -1, _ROOT),
    "checkpoint: a size beyond": lambda: checkpoint.Checkpoint(ORIGIN, limits.INT_MAX + 1, _ROOT),
    "checkpoint: a short root": lambda: checkpoint.Checkpoint(ORIGIN, 7, b"short"),
    "checkpoint: a name": lambda: checkpoint.Checkpoint("a name", 7, _ROOT),
    "checkpoint: another key": lambda: checkpoint.sign_checkpoint(
        checkpoint.Checkpoint(ORIGIN, 7, _ROOT), log_signer("other.example/gw/1/0")
    ),
    "checkpoint: another origin": lambda: checkpoint.open_checkpoint(
        _LOG.checkpoint, keys.parse_vkey(log_signer("other.example/gw/1/0").vkey)
    ),
    "checkpoint: no lines": lambda: checkpoint.parse_checkpoint_body(""),
    "checkpoint: more lines": lambda: checkpoint.parse_checkpoint_body(_BODY + "extension\n"),
    "cosignature: time 0": lambda: mirror_signer().cosign(_BODY, 0),
    "cosignature: a time beyond": lambda: mirror_signer().cosign(_BODY, 2**63),
    "cosignature: not in the answer": lambda: cosignature.merge(
        _LOG.checkpoint,
        witness_signer().cosign(_BODY, 1),
        keys.parse_vkey(mirror_signer().vkey),  # type: ignore[arg-type]
    ),
    "note: no signer": lambda: note.sign_note("text\n", []),
    "note: no LF": lambda: note.sign_note("a text that goes on and on, over forty characters", [log_signer()]),
    "note: a surrogate": lambda: note.sign_note("a\ud800\n", [log_signer()]),
    "note: nobody known": lambda: note.open_note(_note(6), [keys.parse_vkey(log_signer().vkey)]),
    "note: a known one fails": lambda: note.open_note(
        _LOG.checkpoint.replace(b"\n8\n", b"\n9\n"), [keys.parse_vkey(log_signer().vkey)]
    ),
    "note: lines beyond": lambda: note.parse_note(_note(65)),
    "note: merged lines beyond": lambda: note.add_signature_lines(
        note.parse_note(_note(64)), mirror_signer().cosign(_BODY, 1)
    ),
    "note: bytes beyond": lambda: note.parse_note(bytes(limits.NOTE_BYTES_MAX + 1)),
    "note: a long line": lambda: note.parse_note(b"text\n\n" + b"x" * 100 + b"\n"),
    "note: only a key id": lambda: note.parse_note("text\n\n— a AAAAAA==\n".encode()),
    "keys: a public key": lambda: keys.Ed25519Verifier("a", b"short"),
    "keys: a name": lambda: keys.check_name("n" * 90 + " "),
    "keys: a long text": lambda: keys.parse_vkey("n" * 600),
    "keys: two parts": lambda: keys.parse_vkey("n+00000000"),
    "keys: no name": lambda: keys.parse_vkey("+00000000+AAAA"),
    "keys: a long id": lambda: keys.parse_vkey("n+" + "0" * 30 + "+AAAA"),
    "keys: nothing in it": lambda: keys.parse_vkey("n+00000000+"),
    "keys: the id of another": lambda: keys.parse_vkey(log_signer().vkey.replace(ORIGIN, "other")),
    "proof: bytes beyond": lambda: proof.parse_proof(bytes(limits.PROOF_BYTES_MAX + 1)),
    "proof: extra beyond": lambda: proof.parse_proof(_proof_text(limits.PROOF_EXTRA_BYTES_MAX + 1, 3, "proof")),
    "proof: hashes beyond": lambda: proof.parse_proof(_proof_text(None, 64, "proof")),
    "proof: no base64 in extra": lambda: proof.parse_proof(_proof_text(3, 0, "proof").replace(b"AAAA", b"A")),
    "proof: a bad hash behind extra": lambda: proof.parse_proof(_proof_text(3, 2, "proof").replace(b"AA=\n", b"A\n")),
    "witness: bytes beyond": lambda: witness.parse_add_checkpoint(bytes(limits.PROOF_BYTES_MAX + 1)),
    "witness: hashes beyond": lambda: witness.parse_add_checkpoint(_proof_text(None, 64, "witness")),
    "witness: a bad hash": lambda: witness.parse_add_checkpoint(b"old 3\nAAAA\n\n" + _LOG.receipt),
    "witness: a bad size": lambda: witness.parse_add_checkpoint(b"old 03\n\n" + _LOG.receipt),
    "witness: not ASCII": lambda: witness.parse_add_checkpoint("old 3 è\n\n".encode()),
    "witness: another word": lambda: witness.parse_add_checkpoint(b"new " + b"3" * 80 + b"\n\n"),
    "witness: no empty line": lambda: witness.parse_add_checkpoint(b"old 3\n"),
    "upload: a long entry": lambda: _upload(entries=(bytes(limits.ENTRY_BYTES_MAX + 1),)),
    "upload: entries beyond": lambda: _upload(entries=(b"a",) * 257),
    "upload: bytes beyond": lambda: _upload(entries=(bytes(65_535),) * 17),
    "upload: checkpoint beyond": lambda: _upload(checkpoint=bytes(limits.CHECKPOINT_BYTES_MAX + 1)),
    "upload: a negative start": lambda: _upload(start=-1),
    "upload: a size beyond": lambda: _upload(start=limits.INT_MAX - 1),
    "upload: an opening before": lambda: _upload(openings=(_opening(4),)),
    "upload: an opening behind": lambda: _upload(openings=(_opening(7),)),
    "upload: openings backwards": lambda: _upload(openings=(_opening(6), _opening(5))),
    "upload: an opening twice": lambda: _upload(openings=(_opening(5), _opening(5))),
    "upload: a negative answer": lambda: upload.encode_size_answer(-1),
    "upload: an answer beyond": lambda: upload.encode_size_answer(limits.INT_MAX + 1),
    "upload: a long answer": lambda: upload.parse_size_answer(b"1" * 40 + b"\n"),
    "upload: a field of an opening": lambda: upload.parse_openings(
        upload.encode_openings([_opening(5)]).replace(b"ticket", b"TICKET"), 1
    ),
    "upload: a field not ASCII": lambda: upload.parse_openings(
        upload.encode_openings([_opening(5)]).replace(b"ticket", b"ticke\xff"), 1
    ),
    "policy: an unknown log": lambda: _check_policy(_LOG.receipt, "quorum none"),
    "policy: not enough": lambda: _check_policy(_LOG.receipt, *_QUORUM),
    "policy: two of three": lambda: _check_policy(
        cosignature.merge(_LOG.receipt, witness_signer().cosign(_LOG.note.text, 1)), *_THREE
    ),
    "policy: nobody": lambda: _check_policy(_LOG.checkpoint, *_QUORUM[:3], "quorum mirror"),
    "policy: a witness's key as a log's": lambda: _policy(f"log {mirror_signer().vkey}"),
    "policy: a log's key as a witness's": lambda: _policy(f"witness w {log_signer().vkey}"),
    "policy: the key of another log": lambda: _policy(
        f"log {log_signer().vkey}", f"log {log_signer('other.example/gw/1/0').vkey}"
    ),
    "policy: a log twice": lambda: _policy(f"log {log_signer().vkey}", f"log {log_signer().vkey}"),
    "policy: a key twice": lambda: _policy(f"witness a {mirror_signer().vkey}", f"witness b {mirror_signer().vkey}"),
    "policy: a name twice": lambda: _policy(f"witness a {mirror_signer().vkey}", f"witness a {witness_signer().vkey}"),
    "policy: none as a name": lambda: _policy(f"witness none {mirror_signer().vkey}"),
    "policy: nested too deeply": lambda: _policy(*_chain(limits.POLICY_DEPTH_MAX + 1)),
    "policy: lines beyond": lambda: _policy(*["# a comment"] * (limits.POLICY_LINES_MAX + 1)),
    "policy: bytes beyond": lambda: policy.parse_policy(bytes(limits.POLICY_BYTES_MAX + 1)),
    "policy: more than there are": lambda: _policy(*_QUORUM[1:3], "group g 3 mirror audit"),
    "policy: a long rule": lambda: _policy(*_QUORUM[1:3], f"group g {'x' * 30} mirror audit"),
    "policy: a member twice": lambda: _policy(*_QUORUM[1:3], "group g any mirror mirror"),
    "policy: an unknown member": lambda: _policy(*_QUORUM[1:3], f"group g any {'m' * 70}"),
    "policy: an unknown quorum": lambda: _policy("quorum nobody"),
    "policy: two quorums": lambda: _policy("quorum none", "quorum none"),
    "policy: no members": lambda: _policy("group g any"),
    "policy: no quorum": lambda: _policy(f"log {log_signer().vkey}"),
    "policy: a surrogate": lambda: policy.parse_policy("\ud800\n"),
    "policy: no LF": lambda: policy.parse_policy("quorum none"),
    "text: a year beyond": lambda: text.utc_text(2**60),
    "text: bytes of base64": lambda: text.unbase64("AAAA", "here", NoteError, 4),
    "text: a long decimal": lambda: text.decimal("1" * 50, "here", NoteError, 9),
    "text: a long word": lambda: text.unbase64("é" * 50, "here", NoteError),
    "text: a long second spelling": lambda: text.unbase64("A" * 49 + "B==", "here", NoteError),
    "text: a long time": lambda: text.utc_us("x" * 50),
    "commitment: a short blind": lambda: commit(b"short", "ticket", b"v"),
    "commitment: a field": lambda: commit(_BLIND, "A" * 90, b"v"),
    "commitment: a negative index": lambda: _opening(-1),
    "commitment: an index beyond": lambda: _opening(limits.INT_MAX + 1),
    "commitment: the blind of an opening": lambda: Opening(0, "ticket", b"short", b"v"),
    "commitment: a value beyond": lambda: Opening(0, "ticket", _BLIND, bytes(65_536)),
    "commitment: a field beyond": lambda: _opening(0, "f" * 65),
}

TAKEN: Final[Calls] = {
    "tree: nothing": lambda: tree.CompactRange(0, []),
    "tree: the last index": lambda: tree.verify_inclusion(_LEAVES[6], 6, 7, _path(6, 7), _ROOT),
    "tree: a tree of one": lambda: tree.verify_inclusion(_LEAVES[0], 0, 1, [], _LEAVES[0]),
    "tree: from nothing": lambda: _consistent(0, 7, []),
    "tree: the same": lambda: _consistent(7, 7, []),
    "tree: no path in a tree of one": lambda: tree.inclusion_proof(0, 1, _NODES),
    "tiles: the last level": lambda: tiles.Tile(63, limits.INT_MAX // 256, 256),
    "tiles: the first": lambda: tiles.Tile(0, 0, 1),
    "tiles: six groups": lambda: tiles.parse_tile_path("tile/0/" + "x001/" * 4 + "001"),
    "tiles: the last whole subtree": lambda: _tiles_of(7)(1, 2),
    "tiles: the longest entry": lambda: tiles.unframe_entries(tiles.frame_entries([bytes(limits.ENTRY_BYTES_MAX)])),
    "tiles: the shortest entry": lambda: tiles.unframe_entries(tiles.frame_entries([b"a"])),
    "checkpoint: the largest size": lambda: checkpoint.Checkpoint(ORIGIN, limits.INT_MAX, _ROOT),
    "cosignature: the first and the last time": lambda: [mirror_signer().cosign(_BODY, at) for at in (1, 2**63 - 1)],
    "note: as many lines": lambda: note.parse_note(_note(64)),
    "note: as many lines merged": lambda: note.add_signature_lines(
        note.parse_note(_note(63)), mirror_signer().cosign(_BODY, 1)
    ),
    "note: as many bytes": lambda: note.parse_note(
        b"x" * (limits.NOTE_BYTES_MAX - len(_note(1)) + 4) + b"\n\n" + _note(1).partition(b"\n\n")[2]
    ),
    "note: the shortest signature": lambda: note.parse_note("text\n\n— a AAAAAAA=\n".encode()),
    "keys: the longest name": lambda: keys.parse_vkey(keys.Ed25519Signer("n" * 255, private_key(1)).vkey),
    "proof: extra at its limit": lambda: proof.parse_proof(_proof_text(limits.PROOF_EXTRA_BYTES_MAX, 63, "proof")),
    "witness: hashes at their limit": lambda: witness.parse_add_checkpoint(_proof_text(None, 63, "witness")),
    "upload: entries at their limit": lambda: upload.parse_upload(_upload(entries=(b"a",) * 256)),
    "upload: checkpoint at its limit": lambda: upload.parse_upload(
        _upload(checkpoint=bytes(limits.CHECKPOINT_BYTES_MAX))
    ),
    "upload: the largest size": lambda: upload.parse_upload(_upload(start=limits.INT_MAX - 2)),
    "upload: no entries": lambda: upload.parse_upload(_upload(start=0, entries=())),
    "upload: the first and the last opening": lambda: upload.parse_upload(_upload(openings=(_opening(5), _opening(6)))),
    "upload: the smallest and the largest answer": lambda: [
        upload.parse_size_answer(upload.encode_size_answer(size)) for size in (0, limits.INT_MAX)
    ],
    "policy: as deep": lambda: _policy(*_chain(limits.POLICY_DEPTH_MAX)),
    "policy: as many lines": lambda: _policy(*["# a comment"] * (limits.POLICY_LINES_MAX - 1), "quorum none"),
    "policy: as many as there are": lambda: _policy(*_QUORUM[1:3], "group g 2 mirror audit", "quorum g"),
    "policy: the sample": lambda: policy.parse_policy(policy_text()),
    "text: the first and the last year": lambda: [
        text.utc_us(text.utc_text(at)) for at in (-62_135_596_800_000_000, 253_402_300_799_999_999)
    ],
    "commitment: at their limits": lambda: [
        Opening(limits.INT_MAX, "f" * 64, _BLIND, bytes(65_535)),
        Opening(0, "f", _BLIND, b""),
    ],
}
