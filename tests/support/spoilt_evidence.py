"""Evidence bundles and receipts, whole and spoilt, each by its name; data for tests of kaofen-verify.

All are of the sample attempt of format_samples.py: entries 2 to 7 of its log, 6 closes it, 5 has two openings.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import format_samples as samples

from scorelog.format import canonical, types
from scorelog.format.checkpoint import Checkpoint, sign_checkpoint
from scorelog.format.commitment import Opening
from scorelog.format.cosignature import merge
from scorelog.format.entry import build_entry
from scorelog.format.evidence import EvidenceItem, build_evidence
from scorelog.format.note import Ed25519Signer, parse_note
from scorelog.format.tree import leaf_hash, root_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOG: Final = samples.sample_log()
POLICY: Final = samples.policy_text()
NEXT: Final = f"{samples.GATEWAY}/1"
OTHER: Final = "exam.example/gw/gw-02/0"
_SECOND: Final = Ed25519Signer(OTHER, samples.private_key(4))
_KEYS: Final = f"log {samples.log_signer().vkey}\nwitness w {samples.witness_signer().vkey}\n"
NOBODY: Final = f"{_KEYS}quorum none\n".encode()
STRICT: Final = f"{_KEYS}quorum w\n".encode()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's bytes, the reader's policy, and whether it is whole."""

    made: bytes
    policy: bytes = POLICY
    whole: bool = False


def leaves(log: samples.SampleLog, *indexes: int) -> list[str]:
    """Leaf hashes as a closing entry lists them."""
    return [leaf_hash(log.entries[index]).hex() for index in indexes]


def _of(items: Iterable[EvidenceItem], *, attempt: str = samples.ATTEMPT, **more: Any) -> Bundle:
    return Bundle(build_evidence(attempt, list(items), more.get("policy", POLICY)), **more)


def _items(log: samples.SampleLog, indexes: Iterable[int]) -> list[EvidenceItem]:
    return [log.item(index, samples.openings_of(index) if index == 5 else ()) for index in indexes]


def _closing(number: int, listed: Sequence[str], **more: Any) -> bytes:
    return build_entry(samples.rig_document(number, types.ATTEMPT_FINISHED, {"items": 1}, leaves=list(listed), **more))


def _closed(listed: Sequence[str], *, whole: bool = False, **more: Any) -> Bundle:
    """The attempt with another closing entry."""
    log = samples.sample_log([*LOG.entries[:6], _closing(6, listed, **more)])
    return _of(_items(log, range(2, 7)), whole=whole)


def _replaced(index: int, entry: bytes) -> Bundle:
    items = _items(LOG, range(2, 8))
    items[index - 2] = EvidenceItem(entry, LOG.proof(index))
    return _of(items)


def _again(index: int, number: int, parts: int = 1, **more: Any) -> list[bytes]:
    """The entries that carry entry `index` in the next generation."""
    entry = LOG.entries[index]
    previous = {"origin": samples.ORIGIN, "index": index, "leaf": leaf_hash(entry).hex()}
    fields = {"previous": previous, "candidate": canonical.decode(entry).get("candidate", []), **more}
    if parts == 1:
        held = {"entry": base64.b64encode(entry).decode(), **fields}
        return [build_entry(samples.document(number, types.RELOGGED, **held))]
    width = -(-len(entry) // parts)
    pieces = [base64.b64encode(entry[at * width : (at + 1) * width]).decode() for at in range(parts)]
    return [
        build_entry(
            samples.document(
                number + at, types.RELOGGED, part={"number": at + 1, "of": parts, "bytes": piece}, **fields
            )
        )
        for at, piece in enumerate(pieces)
    ]


def _over_two(first: int, *, parts: int = 1, without: int | None = None, whole: bool = False, **more: Any) -> Bundle:
    """Entries below `first` in the old log, the others logged again."""
    entries: list[bytes] = []
    beside: dict[int, tuple[Opening, ...]] = {}
    for index in range(first, 8):
        if index == 5:
            beside[len(entries)] = tuple(replace(one, index=len(entries)) for one in samples.openings_of(index))
        entries += _again(index, 100 + 10 * index, parts, **more)
    new = samples.sample_log(entries, NEXT)
    items = [*_items(LOG, range(2, first))]
    items += [new.item(at, beside.get(at, ())) for at in range(len(entries)) if at != without]
    return _of(items, policy=samples.policy_text(samples.ORIGIN, NEXT), whole=whole)


def _again_as(**held: Any) -> Bundle:
    """One entry logged again, holding this."""
    previous = {"origin": samples.ORIGIN, "index": 0, "leaf": "00" * 32}
    log = samples.sample_log([build_entry(samples.document(1, types.RELOGGED, previous=previous, **held))])
    return _of([log.item(0)])


def _two_gateways(*, closed: bool) -> Bundle:
    """An item of the attempt at a second gateway, with its own closing entry or without."""
    first = build_entry(samples.rig_document(0, types.ITEM_FINISHED, {"item": "K11", "score": 10000}))
    other = _second_log([first, _closing(1, [leaf_hash(first).hex()])])
    items = [*_items(LOG, range(2, 8)), other.item(0), *([other.item(1)] if closed else [])]
    return _of(items, policy=f"log {_SECOND.vkey}\n".encode() + POLICY, whole=closed)


def _second_log(entries: list[bytes]) -> samples.SampleLog:
    """By another gateway's key."""
    made = samples.sample_log(entries, OTHER)
    signed = sign_checkpoint(Checkpoint(OTHER, len(entries), root_from(len(entries), made.nodes)), _SECOND)
    cosigned = merge(signed, samples.mirror_signer().cosign(parse_note(signed).text, samples.COSIGNED_S))
    return replace(made, checkpoint=signed, receipt=cosigned)


def _worded(**fields: Any) -> Bundle:
    """An entry of the attempt that says this, closed."""
    entry = build_entry(samples.rig_document(0, types.ITEM_FINISHED, fields))
    log = samples.sample_log([entry, _closing(1, [leaf_hash(entry).hex()])])
    return _of([log.item(0), log.item(1)], whole=True)


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


_ABORTED = build_entry(samples.rig_document(6, types.ATTEMPT_ABORTED, {"items": 1}, leaves=leaves(LOG, 2, 3, 4, 5)))
_LATE = samples.sample_log([*LOG.entries[:2], _closing(6, leaves(LOG, 3)), LOG.entries[3]])
_AWAY = Opening(5, "ticket", bytes(32), b"SOMEBODY-ELSE")

BUNDLES: Final[dict[str, Bundle]] = {
    "the whole attempt": _of(_items(LOG, range(2, 8)), whole=True),
    "with its context": _of(_items(LOG, range(8)), whole=True),
    "without the entry behind": _of(_items(LOG, range(2, 7)), whole=True),
    **{f"without entry {n}": _of(_items(LOG, [i for i in range(2, 8) if i != n])) for n in (2, 3, 5, 6)},
    "only what closes": _of(_items(LOG, [6])),
    "of another attempt": _of(_items(LOG, range(2, 8)), attempt="00" * 16),
    "context alone": _of(_items(LOG, range(2))),
    "closed by an abort": _of(_items(samples.sample_log([*LOG.entries[:6], _ABORTED]), range(2, 7)), whole=True),
    "closed twice": _of(_items(samples.sample_log([*LOG.entries[:7], _closing(7, leaves(LOG, 2, 3))]), range(2, 8)),
                        whole=True),
    "closed with nothing listed": _closed([], whole=True),
    "out of order": _closed(leaves(LOG, 3, 2, 4, 5)),
    "the same twice": _closed(leaves(LOG, 2, 2, 3)),
    "a leaf of nothing": _closed(["00" * 32, *leaves(LOG, 2, 3)]),
    "listed before it came": _of([_LATE.item(2), _LATE.item(3)]),
    "newest only, counted": _closed(leaves(LOG, 4, 5), leaves_before=2, whole=True),
    "newest only, one too many": _closed(leaves(LOG, 4, 5), leaves_before=3),
    "newest only, one too few": _closed(leaves(LOG, 4, 5), leaves_before=1),
    "newest only, first unknown": _closed(["00" * 32, *leaves(LOG, 5)], leaves_before=2),
    "another opening": _of([LOG.item(n, (_AWAY,) if n == 5 else ()) for n in range(2, 8)]),
    "another opening beside a good one": _of(
        [LOG.item(n, (samples.openings_of(5)[0], _AWAY) if n == 5 else ()) for n in range(2, 8)]
    ),
    "an altered entry": _replaced(5, LOG.entries[5].replace(b'"score":8750', b'"score":9750')),
    "another entry of the log": _replaced(5, LOG.entries[4]),
    "no entry": _replaced(5, b"{}"),
    "cosigned by nobody": _of(_items(LOG, range(2, 8)), policy=NOBODY, whole=True),
    "a stricter reader": _of(_items(LOG, range(2, 8)), policy=STRICT),
    "a reader of another log": _of(_items(LOG, range(2, 8)), policy=samples.policy_text(OTHER)),
    "two gateways": _two_gateways(closed=True),
    "two gateways, one not closed": _two_gateways(closed=False),
    "logged again": _over_two(4, whole=True),
    "logged again in parts": _over_two(4, parts=3, whole=True),
    "logged again, all of it": _over_two(2, parts=2, whole=True),
    "logged again, the first part gone": _over_two(4, parts=3, without=0),
    "logged again, a part gone": _over_two(4, parts=3, without=1),
    "logged again, the last part gone": _over_two(4, parts=3, without=2),
    "logged again, altered": _over_two(7, doubt="altered"),
    "logged again, unproven": _over_two(6, doubt="unproven", whole=True),
    "logged again in parts, unproven": _over_two(6, parts=2, doubt="unproven", whole=True),
    "logged again, a doubt of another type": _over_two(6, doubt=7, whole=True),
    "logged again, no base64": _again_as(entry="*"),
    "logged again, no entry": _again_as(entry=_b64(b"no entry")),
    "logged again, nothing": _again_as(entry=None),
    "logged again, a whole part of no entry": _again_as(part={"number": 1, "of": 1, "bytes": _b64(b"no entry")}),
    "logged again, a second part first": _again_as(part={"number": 2, "of": 2, "bytes": "eA=="}),
    "words: a long item": _worded(item="K23456789", score=8750),
    "words: an item that is none": _worded(item="\x1b[2J", score="x"),
    "words: a Chinese item": _worded(item="验电", score=8750),
    "words: a score of nothing": _worded(item="K21", score=0),
    "words: a score below it": _worded(item="K21", score=-1),
    "words: a cent": _worded(item=7, score=5),
    "words: a score that is a truth": _worded(item="K21", score=True),
    "no bundle": Bundle(b"no zip"),
    "an empty bundle": Bundle(b""),
}  # fmt: skip

_PROOF: Final = LOG.proof(5).encode()
RECEIPTS: Final[dict[str, tuple[bytes, bytes, bytes]]] = {
    "a receipt": (LOG.entries[5], _PROOF, POLICY),
    "of the first entry": (LOG.entries[0], LOG.proof(0).encode(), POLICY),
    "of another entry": (LOG.entries[4], _PROOF, POLICY),
    "cosigned by nobody": (LOG.entries[5], _PROOF, NOBODY),
    "a stricter reader": (LOG.entries[5], _PROOF, STRICT),
    "a reader of another log": (LOG.entries[5], _PROOF, samples.policy_text(OTHER)),
    "no entry": (b"{}", _PROOF, POLICY),
    "no proof": (LOG.entries[5], b"hello", POLICY),
    "no policy": (LOG.entries[5], _PROOF, b"hello\n"),
}
