"""A small log that is always the same: keys from seeds, one attempt on one gateway, its proofs and its evidence.

For vectors, fuzz corpora and tests of the format. Nothing here is secret: every key is a repeated byte.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scorelog.format import types
from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.commitment import Opening, committed
from scorelog.format.cosignature import CosignatureSigner, merge
from scorelog.format.entry import RawArea, ReadTime, build_entry, content_mac
from scorelog.format.evidence import EvidenceItem, build_evidence
from scorelog.format.note import Ed25519Signer, Note, parse_note
from scorelog.format.proof import TlogProof, make_proof
from scorelog.format.tree import MemoryNodes, leaf_hash, root_from

GATEWAY = "exam.example/gw/gw-01"
ORIGIN = f"{GATEWAY}/0"
MIRROR = "exam.example/mirror"
WITNESS = "audit.example/witness"
ATTEMPT = "9f1c2b7d0a5e4c3389d1f0b2a4c6e811"
BOOT = "6d" * 16
PROFILE = hashlib.sha256(b"profile").hexdigest()
CONTENT_KEY = hashlib.sha256(b"content key").digest()
START_US = 1_763_880_125_000_000
COSIGNED_S = 1_763_880_200


def private_key(seed: int) -> Ed25519PrivateKey:
    """The key of a repeated byte."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def log_signer(origin: str = ORIGIN) -> Ed25519Signer:
    """The gateway's log key under an origin."""
    return Ed25519Signer(origin, private_key(1))


def mirror_signer() -> CosignatureSigner:
    """The server's mirror key."""
    return CosignatureSigner(MIRROR, private_key(2))


def witness_signer() -> CosignatureSigner:
    """A second authority's key."""
    return CosignatureSigner(WITNESS, private_key(3))


def salt(number: int) -> str:
    """A salt that is different for each entry and always the same."""
    return hashlib.sha256(b"salt %d" % number).hexdigest()[:32]


def document(number: int, kind: str, **fields: Any) -> dict[str, Any]:
    """The common fields of the entry number `number`."""
    read = ReadTime.at(START_US + number * 1_000_000, 81_000_000 + number, BOOT, "synced").to_json()
    return {"v": 1, "type": kind, "salt": salt(number), "read": read, **fields}


def rig_document(number: int, kind: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An entry that came from a rig's own record."""
    words = hashlib.sha256(b"record %d" % number).digest() * 3
    uncut = words[:28] + b"TICKET-2026-0001" + words[44:]
    raw = RawArea("event", 4096 + 48 * number, uncut[:28] + bytes(16) + uncut[44:], ((28, 16),))
    return document(
        number, kind, attempt=ATTEMPT, binding="rig", rig="LV-0001", station="A-01", epoch=3, seq=number, ordinal=0,
        content=content_mac(CONTENT_KEY, [uncut]), profile=PROFILE, guarantee="latched", source="simulator",
        rig_time="2025-11-23T06:42:05.031Z", raw=[raw.to_json()], fields=fields, **more,
    )  # fmt: skip


def openings_of(index: int) -> tuple[Opening, ...]:
    """The openings of the entry at `index`: cut raw bytes and the ticket, in field order."""
    blinds = [hashlib.sha256(b"blind %d %d" % (index, place)).digest() for place in range(2)]
    return (
        Opening(index, "raw.event", blinds[0], b"TICKET-2026-0001"),
        Opening(index, "ticket", blinds[1], b"TICKET-2026-0001"),
    )


def with_commitments(index: int, made: dict[str, Any]) -> dict[str, Any]:
    """The document with the commitments that `openings_of` opens."""
    openings = openings_of(index)
    return {**made, "candidate": [committed(one.blind, one.field, one.value).to_json() for one in openings]}


def attempt_entries() -> list[bytes]:
    """Eight entries: two of the gateway, six of one attempt, the last but one closing it."""
    deduction = {"line": 3, "points": 1250, "at_s": 100, "veto": False}
    course = [
        (types.IDENTITY_CHECKED, {"verdict": "match", "try": 1, "exam_no": 7}),
        (types.ITEM_STARTED, {"item": "K21", "ordinal": 1, "limit_s": 600, "exam_no": 7}),
        (types.DEDUCTION, {"item": "K21", "ordinal": 1, "exam_no": 7, **deduction}),
        (
            types.ITEM_FINISHED,
            {
                "item": "K21", "ordinal": 1, "outcome": "finished", "score": 8750, "elapsed_s": 412, "limit_s": 600,
                "veto_lines": 0, "started": None, "finished": None, "exam_no": 7, "mode": "exam",
                "deductions": [deduction],
            },
        ),
    ]  # fmt: skip
    entries = [
        build_entry(document(0, types.GATEWAY_STARTED, software="0.1.0", instance="00" * 16, generation=0, size=0,
                             clean=True, reason="first start")),
        build_entry(document(1, types.CONFIG_CHANGED, config="11" * 32, rigs=[])),
    ]  # fmt: skip
    for number, (kind, fields) in enumerate(course, 2):
        entries.append(build_entry(with_commitments(number, rig_document(number, kind, fields))))
    leaves = [leaf_hash(one).hex() for one in entries[2:]]
    closing = {"claimed_total": 8750, "items": 1, "exam_failed": False, "exam_no": 7}
    entries.append(build_entry(rig_document(6, types.ATTEMPT_FINISHED, closing, leaves=leaves)))
    signed = {"ack": "signed", "exam_no": 7}
    entries.append(build_entry(rig_document(7, types.CANDIDATE_ACKNOWLEDGED, signed)))
    return entries


@dataclass(frozen=True, slots=True)
class SampleLog:
    """A log of some entries with a signed and a cosigned checkpoint of its full size."""

    origin: str
    entries: tuple[bytes, ...]
    nodes: MemoryNodes
    checkpoint: bytes
    receipt: bytes

    def proof(self, index: int) -> TlogProof:
        """The proof of one entry under the receipt."""
        return make_proof(index, self.receipt, self.nodes)

    def item(self, index: int, openings: tuple[Opening, ...] = ()) -> EvidenceItem:
        """One entry as it stands in a bundle."""
        return EvidenceItem(self.entries[index], self.proof(index), openings)

    @property
    def note(self) -> Note:
        """The checkpoint as a note."""
        return parse_note(self.checkpoint)


def sample_log(entries: list[bytes] | None = None, origin: str = ORIGIN) -> SampleLog:
    """The log of these entries, or of the sample attempt."""
    kept = tuple(attempt_entries() if entries is None else entries)
    nodes = MemoryNodes(leaf_hash(one) for one in kept)
    stated = Checkpoint(origin, len(kept), root_from(len(kept), nodes))
    signed = sign_checkpoint(stated, log_signer(origin))
    return SampleLog(origin, kept, nodes, signed, merge(signed, mirror_signer().cosign(stated.body(), COSIGNED_S)))


def policy_text(*origins: str) -> bytes:
    """Our logs, stored by the mirror."""
    logs = "".join(f"log {log_signer(origin).vkey}\n" for origin in origins or (ORIGIN,))
    return f"# sample\n{logs}witness mirror {mirror_signer().vkey}\nquorum mirror\n".encode()


def sample_evidence(log: SampleLog | None = None) -> bytes:
    """The bundle of the sample attempt, with two openings."""
    log = log or sample_log()
    items = [log.item(index, openings_of(index) if index == 5 else ()) for index in range(2, len(log.entries))]
    return build_evidence(ATTEMPT, items, policy_text())


RUBRIC = """rubric = 1
id = "sample"
version = "1"
occupation = { zh = "低压电工作业", en = "Low-voltage electrician" }
status = "default"
pass_mark = 8000
retake = "whole"

[[subject]]
code = "K1"
weight = 4000
draws = 2
name = { zh = "安全用具使用", en = "Use of safety equipment" }
  [[subject.item]]
  code = "K11"
  name = { zh = "仪表", en = "Instruments" }
  limit_s = 600
  veto_effect = "item_zeroed"
    [[subject.item.line]]
    line = 1
    max = 4000
    veto = false
    text = { zh = "选用", en = "Choice" }
    [[subject.item.line]]
    line = 2
    max = 6000
    veto = false
    text = { zh = "测量", en = "Measuring" }
    [[subject.item.line]]
    line = 3
    max = 0
    veto = true
    text = { zh = "带电操作", en = "Works on live parts" }
  [[subject.item]]
  code = "K12"
  name = { zh = "用具", en = "Tools" }
  limit_s = 300
  veto_effect = "item_zeroed"
    [[subject.item.line]]
    line = 1
    max = 10000
    veto = false
    text = { zh = "全部", en = "All" }

[[subject]]
code = "K2"
weight = 6000
draws = 1
name = { zh = "安全操作技术", en = "Safe operation" }
  [[subject.item]]
  code = "K21"
  name = { zh = "接线", en = "Wiring" }
  limit_s = 1800
  veto_effect = "exam_failed"
    [[subject.item.line]]
    line = 1
    max = 7500
    veto = false
    text = { zh = "接线", en = "Wiring" }
    [[subject.item.line]]
    line = 2
    max = 2500
    veto = false
    text = { zh = "清理", en = "Tidying" }
    [[subject.item.line]]
    line = 9
    max = 0
    veto = true
    text = { zh = "短路", en = "Short circuit" }
  [[subject.item]]
  code = "K22"
  name = { zh = "照明", en = "Lighting" }
  limit_s = 1800
  veto_effect = "exam_failed"
    [[subject.item.line]]
    line = 1
    max = 10000
    veto = false
    text = { zh = "全部", en = "All" }
"""
