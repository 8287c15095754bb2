"""The evidence bundle of one attempt: everything that proves it offline, in one zip file (docs/formats/evidence.md).

    README.txt  SHA256SUMS  attempt.json  policy.txt
    entries/0001.json  entries/0001.tlog-proof  ...
    openings.json                                    only if personal data is handed out with it

Owns the shape of the bundle; whether it proves anything is scorelog.verify's business. The entries may come from
several origins; they stand in the order (origin, index). The policy inside is the server's word, for information:
who verifies brings their own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorelog.format import canonical
from scorelog.format.commitment import Opening
from scorelog.format.errors import CanonicalError, CommitmentError, EvidenceError, FormatError
from scorelog.format.limits import ATTEMPT_BYTES, BLIND_BYTES, ENTRY_BYTES_MAX, EVIDENCE_ENTRIES_MAX
from scorelog.format.policy import parse_policy
from scorelog.format.proof import TlogProof, parse_proof
from scorelog.format.storedzip import check_spelling, decode_zip, encode_zip
from scorelog.format.text import is_hex, tobase64, unbase64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

VERSION = 1
FILE_SUFFIX = ".zip"

_README = """Kaofen evidence of one exam attempt / 考分：一次考试的存证

entries/NNNN.json         one log entry, byte for byte as the gateway wrote it
entries/NNNN.tlog-proof   proves that this entry is in the log that the server countersigned
policy.txt                whose signatures count, as the server states it; use a policy from a source you trust
openings.json             personal data that opens commitments in the entries (only if present)

Verify offline, without the server:

    kaofen-verify attempt THIS.zip --policy POLICY

An entry is the leaf of an RFC 6962 tree; proofs and policy are the formats c2sp.org/tlog-proof and
c2sp.org/tlog-policy, so other tools can check each entry as well.
"""


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """One entry, its proof, and the openings handed out with it."""

    entry: bytes
    proof: TlogProof
    openings: tuple[Opening, ...] = ()

    @property
    def origin(self) -> str:
        """The log that the proof names, unverified."""
        return self.proof.checkpoint.origin

    @property
    def index(self) -> int:
        """The index that the proof names, unverified."""
        return self.proof.index


@dataclass(frozen=True, slots=True)
class Evidence:
    """A parsed bundle; nothing in it is verified."""

    attempt: str
    items: tuple[EvidenceItem, ...]
    policy: bytes
    readme: bytes

    def encode(self) -> bytes:
        """The bundle's bytes."""
        return encode_zip(_members(self))


def build_evidence(
    attempt: str, items: Iterable[EvidenceItem], policy: bytes, *, readme: bytes = _README.encode()
) -> bytes:
    """The bundle of an attempt. The same evidence always gives the same bytes."""
    ordered = tuple(sorted(items, key=lambda one: (one.origin, one.index)))
    _check(attempt, ordered)
    parse_policy(policy)
    return Evidence(attempt, ordered, policy, readme).encode()


def parse_evidence(data: bytes) -> Evidence:
    """The bundle in these bytes: complete, unpacked without danger, in its one spelling."""
    members = decode_zip(data)
    files = dict(members)
    if len(files) != len(members):
        raise EvidenceError("a name twice", where="zip", expected="each name once")
    _check_sums(files)
    attempt, count = _manifest(_file(files, "attempt.json"))
    openings = _parse_openings(files["openings.json"], count) if "openings.json" in files else {}
    items = tuple(_item(files, place, openings.get(place, ())) for place in range(1, count + 1))
    _check(attempt, items)
    policy = _file(files, "policy.txt")
    parse_policy(policy)
    evidence = Evidence(attempt, items, policy, _file(files, "README.txt"))
    expected = _members(evidence)
    for name, _ in members:
        if name not in dict(expected):
            raise EvidenceError(f"file {name[:80]!r} does not belong in a bundle")
    check_spelling(data, expected)
    return evidence


def _members(evidence: Evidence) -> list[tuple[str, bytes]]:
    rest: list[tuple[str, bytes]] = [
        ("attempt.json", canonical.encode(_manifest_of(evidence))),
        ("policy.txt", evidence.policy),
    ]
    for place, item in enumerate(evidence.items, 1):
        rest += [(_name(place, "json"), item.entry), (_name(place, "tlog-proof"), item.proof.encode())]
    if any(item.openings for item in evidence.items):
        rest.append(("openings.json", canonical.encode(_openings_of(evidence.items))))
    return [("README.txt", evidence.readme), ("SHA256SUMS", _sums([("README.txt", evidence.readme), *rest])), *rest]


def _name(place: int, suffix: str) -> str:
    return f"entries/{place:04}.{suffix}"


def _manifest_of(evidence: Evidence) -> dict[str, Any]:
    entries = [{"index": item.index, "origin": item.origin} for item in evidence.items]
    return {"attempt": evidence.attempt, "entries": entries, "v": VERSION}


def _manifest(data: bytes) -> tuple[str, int]:
    document = _json(data, "attempt.json")
    attempt, entries = document.get("attempt"), document.get("entries")
    if document.get("v") != VERSION or not isinstance(attempt, str) or not isinstance(entries, list):
        raise EvidenceError("another shape", where="attempt.json", expected=f"v {VERSION}, attempt, entries")
    return attempt, len(entries)


def _check(attempt: str, items: Sequence[EvidenceItem]) -> None:
    if not is_hex(attempt, ATTEMPT_BYTES):
        raise EvidenceError(f"attempt {attempt!r:.80}", expected=f"{ATTEMPT_BYTES} bytes in hex")
    if not 0 < len(items) <= EVIDENCE_ENTRIES_MAX:
        raise EvidenceError(f"{len(items)} entries", expected=f"1 to {EVIDENCE_ENTRIES_MAX}")
    before: tuple[str, int] = ("", -1)
    for item in items:
        here = (item.origin, item.index)
        if here <= before:
            raise EvidenceError(
                f"entry {item.index} of {item.origin}", expected=f"one after {before[1]} of {before[0]}"
            )
        if not 0 < len(item.entry) <= ENTRY_BYTES_MAX:
            raise EvidenceError(f"an entry of {len(item.entry)} bytes", expected=f"1 to {ENTRY_BYTES_MAX}")
        if any(one.index != item.index for one in item.openings):
            raise EvidenceError(f"entry {item.index} of {item.origin} has openings of another entry")
        before = here


def _item(files: Mapping[str, bytes], place: int, openings: tuple[Opening, ...]) -> EvidenceItem:
    name = _name(place, "tlog-proof")
    try:
        proof = parse_proof(_file(files, name))
    except FormatError as error:
        raise EvidenceError(str(error), where=name) from None
    kept = tuple(Opening(proof.index, one.field, one.blind, one.value) for one in openings)
    return EvidenceItem(_file(files, _name(place, "json")), proof, kept)


def _openings_of(items: Sequence[EvidenceItem]) -> dict[str, Any]:
    openings = [
        {"blind": one.blind.hex(), "entry": place, "field": one.field, "value": tobase64(one.value)}
        for place, item in enumerate(items, 1)
        for one in item.openings
    ]
    return {"openings": openings, "v": VERSION}


def _parse_openings(data: bytes, count: int) -> dict[int, tuple[Opening, ...]]:
    listed = _json(data, "openings.json").get("openings")
    found: dict[int, tuple[Opening, ...]] = {}
    for number, one in enumerate(listed if isinstance(listed, list) else [None]):
        where = f"openings.json, opening {number}"
        if not isinstance(one, dict) or type(place := one.get("entry")) is not int or not 0 < place <= count:
            raise EvidenceError("another shape", where=where, expected=f"an entry from 1 to {count}")
        field, blind, value = one.get("field"), one.get("blind"), one.get("value")
        if not isinstance(field, str) or not is_hex(blind, BLIND_BYTES) or not isinstance(value, str):
            raise EvidenceError("another shape", where=where, expected="field, blind in hex, value in base64")
        try:
            opening = Opening(place, field, bytes.fromhex(str(blind)), unbase64(value, where, EvidenceError))
        except CommitmentError as error:
            raise EvidenceError(error.what, where=where, expected=error.expected) from None
        found[place] = (*found.get(place, ()), opening)
    return found


def _json(data: bytes, name: str) -> dict[str, Any]:
    try:
        return canonical.decode(data)
    except CanonicalError as error:
        raise EvidenceError(str(error), where=name) from None


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise EvidenceError(f"no file {name!r:.80}", where="zip")
    return files[name]


def _sums(members: Sequence[tuple[str, bytes]]) -> bytes:
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in members).encode("ascii")


def _check_sums(files: Mapping[str, bytes]) -> None:
    """Name the damaged file before anything tries to read it."""
    for line in _file(files, "SHA256SUMS").split(b"\n")[:-1]:
        stated, _, name = line.decode("latin-1").partition("  ")
        if hashlib.sha256(_file(files, name)).hexdigest() != stated:
            raise EvidenceError(f"file {name[:80]!r} is not what SHA256SUMS states")
