"""Fuzz targets of scorelog.format: every parser that reads bytes from outside."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import format_samples as samples
from fuzz_targets import Target
from plan_samples import plan_document

from scorelog.format import canonical
from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.entry import parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.evidence import Evidence, parse_evidence
from scorelog.format.note import parse_note, parse_signature_lines, parse_vkey
from scorelog.format.packed import decode_packed, encode_packed
from scorelog.format.packed_words import WORDS
from scorelog.format.plan import encode_plan, parse_plan
from scorelog.format.policy import parse_policy
from scorelog.format.proof import TlogProof, parse_proof
from scorelog.format.rubric import parse_rubric
from scorelog.format.storedzip import check_spelling, decode_zip, encode_zip
from scorelog.format.text import utc_text, utc_us
from scorelog.format.tiles import frame_entries, parse_tile_path, unframe_entries
from scorelog.format.upload import (
    Upload,
    encode_size_answer,
    encode_upload,
    parse_size_answer,
    parse_upload,
)
from scorelog.format.witness import AddCheckpoint, parse_add_checkpoint

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_REFUSALS = (FormatError,)
_NOTE_TOKENS = ("— ".encode(), b"\n\n", samples.ORIGIN.encode(), b"AAAA", b"+", b" ")
_ENTRY_TOKENS = (
    b'"fields":{}',
    b'"raw":[]',
    b'"cut":[[0,1]]',
    b'"seq":1,',
    b'"leaves":[]',
    b'"v":1',
    b"\\n",
    "考".encode(),
)


def _text(data: bytes) -> str:
    """Bytes as text without a second spelling, for parsers that take text."""
    return data.decode("utf-8", "surrogateescape")


def _evidence_reshape(rng: random.Random, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change one member, then make sums and zip fit again, so that the inner parsers are reached."""
    try:
        members = decode_zip(data)
    except FormatError:
        return change(data)
    place = rng.randrange(len(members))
    name, content = members[place]
    members[place] = (name, change(content)) if rng.random() < 0.9 else (_text(change(name.encode()))[:60], content)
    rest = [one for one in members if one[0] != "SHA256SUMS"]
    sums = samples.hashlib.sha256
    listing = "".join(f"{sums(body).hexdigest()}  {title}\n" for title, body in rest).encode("utf-8", "replace")
    fixed = [(title, listing if title == "SHA256SUMS" else body) for title, body in members]
    try:
        return encode_zip(fixed)
    except (FormatError, UnicodeEncodeError):
        return change(data)


def _upload_reshape(rng: random.Random, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change one of the three parts, then make the head fit again."""
    head, _, body = data.partition(b"\n\n")
    try:
        numbers = [[int(word[:9]) for word in line.split(b" ")[1:]] for line in head.split(b"\n")[1:]]
        (start,), (count, first), (openings, second), _ = numbers
    except ValueError:
        return change(data)
    parts = [body[:first], body[first : first + second], body[first + second :]]
    place = rng.randrange(3)
    parts[place] = change(parts[place])
    sizes = [len(part) for part in parts]
    return b"kaofen.upload/v1\nstart %d\nentries %d %d\nopenings %d %d\ncheckpoint %d\n\n" % (
        start, count, sizes[0], openings, sizes[1], sizes[2],
    ) + b"".join(parts)  # fmt: skip


def _parse_zip(data: bytes) -> list[tuple[str, bytes]]:
    members = decode_zip(data)
    check_spelling(data, members)
    return members


def _parse_tile_path(data: bytes) -> bytes:
    return parse_tile_path(_text(data)).path.encode()


def _encode_proof(proof: TlogProof) -> bytes:
    return proof.encode()


def _encode_evidence(evidence: Evidence) -> bytes:
    return evidence.encode()


def _encode_request(request: AddCheckpoint) -> bytes:
    return request.encode()


def _uploads() -> list[bytes]:
    log = samples.sample_log()
    openings = samples.openings_of(4) + samples.openings_of(5)
    return [
        encode_upload(Upload(3, log.entries[3:], openings, log.checkpoint)),
        encode_upload(Upload(8, (), (), log.checkpoint)),
        encode_upload(Upload(7, (b"x",), (), b"")),
    ]


def _packed() -> list[bytes]:
    return [packed for body in _uploads() if (packed := encode_packed(body)) is not None]


def _unpacked(data: bytes) -> Upload:
    """Whatever comes out is an upload."""
    return parse_upload(decode_packed(data))


def _packed_reshape(rng: random.Random, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change the random bytes or the text, which is deflated again."""
    text_at = 4 + int.from_bytes(data[:4], "big")
    random_bytes = data[4:text_at]
    if rng.random() < 0.2:
        random_bytes = change(random_bytes)
    try:
        text = change(zlib.decompressobj(zdict=WORDS).decompress(data[text_at:], 1 << 20))
    except zlib.error:
        return change(data)
    deflate = zlib.compressobj(zdict=WORDS)
    return len(random_bytes).to_bytes(4, "big") + random_bytes + deflate.compress(text) + deflate.flush()


def _notes() -> list[bytes]:
    log = samples.sample_log()
    return [log.checkpoint, log.receipt, b"a\n\nb\n" + log.receipt[log.receipt.index(b"\n\n") :]]


def _evidence() -> list[bytes]:
    log = samples.sample_log()
    items = [log.item(index) for index in (5, 6)]
    return [
        samples.build_evidence(samples.ATTEMPT, items, b"quorum none\n", readme=b"x\n"),
        samples.build_evidence(samples.ATTEMPT, [log.item(5, samples.openings_of(5))], b"quorum none\n", readme=b""),
    ]


def _policies() -> list[bytes]:
    mirror, witness = samples.mirror_signer(), samples.witness_signer()
    full = samples.policy_text().replace(b"quorum mirror\n", b"")
    full += f"\twitness w {witness.vkey} https://w.example/\n\n group both all mirror w\nquorum both\n".encode()
    return [samples.policy_text(), full, f"witness m {mirror.vkey}\ngroup g 1 m\nquorum g\n".encode(), b"quorum none\n"]


def _rubrics() -> list[bytes]:
    small = """rubric = 1
id = "s"
version = "1"
occupation = { zh = "工", en = "x" }
status = "default"
pass_mark = 8000
retake = "whole"
[[subject]]
code = "K1"
weight = 10000
draws = 1
name = { zh = "一", en = "x" }
[[subject.item]]
code = "K11"
name = { zh = "一", en = "x" }
limit_s = 9
veto_effect = "exam_failed"
[[subject.item.line]]
line = 1
max = 10000
veto = false
text = { zh = "一", en = "x" }
"""
    return [small.encode()]


def _plans() -> list[bytes]:
    small = {**plan_document(), "rooms": [], "sessions": []}
    return [encode_plan(plan_document()), encode_plan(small), canonical.encode({**small, "x": {"later": [1]}})]


def _requests() -> list[bytes]:
    log = samples.sample_log()
    return [
        AddCheckpoint(4, (b"\x01" * 32, b"\x02" * 32), log.checkpoint).encode(),
        AddCheckpoint(0, (), log.receipt).encode(),
    ]


def _proofs() -> list[bytes]:
    log = samples.sample_log()
    proof = log.proof(5)
    single = samples.sample_log([b"x"])
    return [
        proof.encode(),
        TlogProof(proof.index, proof.hashes, log.checkpoint, b"extra").encode(),
        single.proof(0).encode(),
    ]


TARGETS = (
    Target(
        "canonical",
        canonical.decode,
        _REFUSALS,
        canonical.encode,
        lambda: [
            b"{}",
            '{"a":[1,-2,true,false,null,"\\n\\u0001é考"],"b":{"c":"d"}}'.encode(),
            b'{"n":9007199254740991}',
        ],
        (b'"a":', b"[", b"]", b"{", b"}", b",", b":", b"\\u", b"1", b'"'),
    ),
    Target(
        "entry",
        parse_entry,
        _REFUSALS,
        lambda one: canonical.encode(one.document),
        samples.attempt_entries,
        _ENTRY_TOKENS,
    ),
    Target("note", parse_note, _REFUSALS, lambda one: one.encode(), _notes, _NOTE_TOKENS),
    Target(
        "signature-lines",
        parse_signature_lines,
        _REFUSALS,
        lambda lines: "".join(one.line for one in lines).encode(),
        lambda: [one.partition(b"\n\n")[2] for one in _notes()],
        _NOTE_TOKENS,
    ),
    Target(
        "vkey",
        lambda data: parse_vkey(_text(data)),
        _REFUSALS,
        lambda one: one.vkey.encode(),
        lambda: [
            samples.log_signer().vkey.encode(),
            samples.mirror_signer().vkey.encode(),
        ],
        (b"+", b"+AQ", b"+BA"),
    ),
    Target("checkpoint", parse_checkpoint, _REFUSALS, lambda pair: pair[1].encode(), _notes, _NOTE_TOKENS),
    Target(
        "proof",
        parse_proof,
        _REFUSALS,
        _encode_proof,
        _proofs,
        (*_NOTE_TOKENS, b"extra ", b"index ", b"A" * 43 + b"=\n"),
    ),
    Target(
        "plan",
        parse_plan,
        _REFUSALS,
        lambda one: one.encode(),
        _plans,
        (
            b'"places":[]',
            b'"items":["K21"]',
            b'"rigs":[]',
            b'"commitments":[]',
            b'{"field":"ticket","sha256":"' + b"00" * 32 + b'"}',
            b"training_only",
            b'"gw-01"',
            b"2026-11-23T04:00:00Z",
            b'"try":0',
            b"A-01",
        ),
    ),
    Target(
        "policy",
        parse_policy,
        _REFUSALS,
        lambda one: one.encode(),
        _policies,
        (
            b"log ",
            b"witness ",
            b"group ",
            b"quorum ",
            b"none",
            b"all",
            b"any",
            b"mirror",
            b"#",
            samples.mirror_signer().vkey.encode(),
        ),
    ),
    Target(
        "upload", parse_upload, _REFUSALS, encode_upload, _uploads, (b"\x00\x01", struct.pack(">Q", 5)), _upload_reshape
    ),
    Target("packed-upload", _unpacked, _REFUSALS, None, _packed, (b"\x01", b"\x03", b"\x04", b"\x05"), _packed_reshape),
    Target(
        "size-answer",
        parse_size_answer,
        _REFUSALS,
        encode_size_answer,
        lambda: [b"0\n", b"41\n", b"9007199254740991\n"],
    ),
    Target(
        "entry-bundle", unframe_entries, _REFUSALS, frame_entries, lambda: [b"", frame_entries([b"a", b"bc" * 150])]
    ),
    Target(
        "tile-path",
        _parse_tile_path,
        _REFUSALS,
        lambda path: path,
        lambda: [
            b"tile/0/x001/x234/067",
            b"tile/entries/000.p/5",
            b"tile/8/273.p/112",
        ],
        (b"/", b"x000/", b".p/", b"entries", b"256"),
    ),
    Target(
        "add-checkpoint",
        parse_add_checkpoint,
        _REFUSALS,
        _encode_request,
        _requests,
        (*_NOTE_TOKENS, b"old ", b"A" * 43 + b"=\n"),
    ),
    Target(
        "rubric",
        parse_rubric,
        _REFUSALS,
        lambda one: one.encode(),
        _rubrics,
        (
            b"[[subject]]\n",
            b"[[subject.item]]\n",
            b"[[subject.item.line]]\n",
            b"0x" + b"f" * 5000,
            b"1979-05-27",
            b"inf",
            b'"""',
        ),
    ),
    Target(
        "evidence",
        parse_evidence,
        _REFUSALS,
        _encode_evidence,
        _evidence,
        (b"openings.json", b"../"),
        _evidence_reshape,
    ),
    Target(
        "zip",
        _parse_zip,
        _REFUSALS,
        encode_zip,
        lambda: [encode_zip([("a", b"b"), ("c/d", b"")])],
        (b"PK\x03\x04", b"PK\x01\x02"),
    ),
    Target(
        "utc",
        lambda data: utc_text(utc_us(_text(data))),
        _REFUSALS,
        None,
        lambda: [
            b"2026-11-23T06:42:05.123456Z",
            b"1970-01-01T00:00:00Z",
            b"0001-01-01T00:00:00.000000Z",
        ],
        (b"24:", b":60", b"-02-30", b"+00:00"),
    ),
)
