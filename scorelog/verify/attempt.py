"""Whether an evidence bundle proves its attempt, under a policy that the reader trusts.

    every entry      is in a tree that the policy accepts, and belongs to the attempt (or to none: context)
    every opening    opens a commitment of its entry
    every gateway    closed its part with an entry whose list of leaves is here in full and in order

Owns the checks; reads bytes that scorelog.format parsed, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scorelog.format.commitment import check_opening
from scorelog.format.entry import Entry, parse_entry
from scorelog.format.errors import EntryError, FormatError
from scorelog.format.proof import verify_proof
from scorelog.format.tree import leaf_hash
from scorelog.format.types import CLOSING
from scorelog.verify.report import Finding, Report, cosigned, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scorelog.format.evidence import Evidence, EvidenceItem
    from scorelog.format.policy import Policy


@dataclass(frozen=True, slots=True)
class _Read:
    """An item whose entry could be read."""

    item: EvidenceItem
    entry: Entry

    @property
    def name(self) -> str:
        return f"entry {self.item.index} of {self.item.origin}"

    @property
    def place(self) -> tuple[int, int]:
        """Generation and index: the order in which one gateway wrote."""
        return _generation(self.item.origin), self.item.index

    @property
    def spot(self) -> tuple[str, int]:
        return self.item.origin, self.item.index

    @property
    def gateway(self) -> str:
        return self.item.origin.rpartition("/")[0] or self.item.origin


def verify_attempt(evidence: Evidence, policy: Policy) -> Report:
    """Every check on a bundle."""
    findings: list[Finding] = []
    read: list[_Read] = []
    for item in evidence.items:
        finding, entry = verify_item(item, policy)
        findings.append(finding)
        if entry is None:
            continue
        one = _Read(item, entry)
        read.append(one)
        findings += _belongs(one, evidence.attempt)
        findings += _openings(one)
    findings += _whole(read, evidence.attempt)
    return Report(evidence.attempt, tuple(findings))


def verify_item(item: EvidenceItem, policy: Policy) -> tuple[Finding, Entry | None]:
    """Whether one entry is in a tree that the policy accepts; the entry, if it can be read."""
    where = f"entry {item.index} of {item.origin}"
    try:
        entry = parse_entry(item.entry)
    except EntryError as error:
        return Finding(False, "entry", f"{where}: {error}", item.origin, item.index), None
    try:
        proven = verify_proof(item.proof, item.entry, policy)
    except FormatError as error:
        return Finding(False, "entry", f"{where} ({describe(entry)}): {error}", item.origin, item.index), entry
    text = f"{where} ({describe(entry)}) is in the tree of size {proven.size}, {cosigned(proven.cosigned_by)}"
    return Finding(True, "entry", text, item.origin, item.index), entry


def _belongs(one: _Read, attempt: str) -> Iterator[Finding]:
    if one.entry.attempt not in (None, attempt):
        text = f"{one.name} belongs to attempt {one.entry.attempt}, not to {attempt}"
        yield Finding(False, "belongs", text, *one.spot)


def _openings(one: _Read) -> Iterator[Finding]:
    for opening in one.item.openings:
        ok = check_opening(opening, one.entry)
        verb = "is what" if ok else "is not what"
        text = f"the opening of field {opening.field} {verb} {one.name} commits to"
        yield Finding(ok, "opening", text, *one.spot)


def _whole(read: list[_Read], attempt: str) -> Iterator[Finding]:
    own = [one for one in read if one.entry.attempt == attempt]
    if not own:
        yield Finding(False, "whole", f"no entry belongs to attempt {attempt}")
    for gateway in sorted({one.gateway for one in own}):
        here = [one for one in read if one.gateway == gateway]
        closing = [one for one in here if one.entry.type in CLOSING and one.entry.attempt == attempt]
        if not closing:
            text = f"attempt {attempt} is not closed at {gateway}: entries may be missing"
            yield Finding(False, "whole", text)
        for one in closing:
            yield from _leaves(one, here)


def _leaves(closing: _Read, here: list[_Read]) -> Iterator[Finding]:
    """A closing entry lists the leaves of the attempt's entries; of an endless attempt the newest, and their number."""
    listed, name = closing.entry.leaves, f"{closing.entry.type}, {closing.name},"
    by_leaf = {leaf_hash(one.item.entry).hex(): one for one in here}
    problems = list(_out_of_place([by_leaf.get(leaf) for leaf in listed], listed, closing))
    earlier = closing.entry.document.get("leaves_before", 0)
    first = by_leaf.get(listed[0]) if listed else None
    if earlier and first is not None:
        found = sum(one.entry.attempt == closing.entry.attempt and one.place < first.place for one in here)
        if found != earlier:
            problems.append(f"says that {earlier} entries precede those it lists: the bundle has {found}")
    if not problems:
        count = f"{len(listed)} entries" + (f" and counts {earlier} before them" if earlier else "")
        yield Finding(True, "whole", f"{name} lists {count}, and all are here in order", *closing.spot)
    for problem in problems:
        yield Finding(False, "whole", f"{name} {problem}", *closing.spot)


def _out_of_place(found: list[_Read | None], listed: tuple[str, ...], closing: _Read) -> Iterator[str]:
    before: _Read | None = None
    for number, one in enumerate(found, 1):
        if one is None:
            yield f"lists leaf {listed[number - 1]} as its number {number}: no entry of the bundle has it"
            continue
        if one.place >= closing.place:
            yield f"lists {one.name} as its number {number}, which comes after it"
        elif before is not None and one.place <= before.place:
            yield f"lists {one.name} as its number {number}, after {before.name}: out of order"
        before = one


def _generation(origin: str) -> int:
    last = origin.rpartition("/")[2]
    return int(last) if last.isascii() and last.isdigit() and len(last) <= 9 else -1  # noqa: PLR2004 - fits any int
