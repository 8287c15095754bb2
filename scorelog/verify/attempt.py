"""Whether an evidence bundle proves its attempt, under a policy that the reader trusts.

    every entry      is in a tree that the policy accepts, and belongs to the attempt (or to none: context)
    every opening    opens a commitment of its entry
    what was logged  again in a new generation counts as the entry inside it, with the doubt that it carries
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
from scorelog.format.types import CLOSING, RELOGGED
from scorelog.format.wrapped import ALTERED, joined, part_of, wrapped
from scorelog.verify.report import Finding, Report, cosigned, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scorelog.format.evidence import Evidence, EvidenceItem
    from scorelog.format.policy import Policy
    from scorelog.format.wrapped import Part


@dataclass(frozen=True, slots=True)
class _Read:
    """An item whose entry could be read. `entry` is the one inside, where it was logged again; so is its leaf."""

    item: EvidenceItem
    entry: Entry
    leaf: str
    doubt: str | None = None

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
    parts: list[Part] = []
    for item in evidence.items:
        finding, entry = verify_item(item, policy)
        findings.append(finding)
        if entry is None:
            continue
        one = _opened(item, entry, parts)
        read.append(one)
        findings += _belongs(one, evidence.attempt)
        findings += _openings(one, entry)
        findings += _doubts(one)
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


def _opened(item: EvidenceItem, entry: Entry, parts: list[Part]) -> _Read:
    """What was logged again is read as the entry inside; `parts` are those before it, if it came in several."""
    plain = _Read(item, entry, leaf_hash(item.entry).hex())
    if entry.type != RELOGGED:
        return plain
    part = part_of(entry)
    if part is None:
        held = wrapped(entry)
    else:
        if part.number == 1:
            parts.clear()
        parts.append(part)
        held = joined(parts) if part.number == part.of else None
    try:
        return plain if held is None else _Read(item, parse_entry(held), leaf_hash(held).hex(), _doubt(entry))
    except EntryError:
        return plain


def _doubt(entry: Entry) -> str | None:
    doubt = entry.document.get("doubt")
    return doubt if isinstance(doubt, str) else None


def _doubts(one: _Read) -> Iterator[Finding]:
    """What a gateway itself could not bear out when it logged an entry again."""
    if one.doubt == ALTERED:
        text = f"{one.name} was altered in the log that was given up, or another entry signed with it was"
        yield Finding(False, "doubt", text, *one.spot)
    elif one.doubt is not None:
        text = f"{one.name} stands in its new log; that it stood so in the log that was given up nobody can prove"
        yield Finding(True, "doubt", text, *one.spot)


def _belongs(one: _Read, attempt: str) -> Iterator[Finding]:
    if one.entry.attempt not in (None, attempt):
        text = f"{one.name} belongs to attempt {one.entry.attempt}, not to {attempt}"
        yield Finding(False, "belongs", text, *one.spot)


def _openings(one: _Read, stored: Entry) -> Iterator[Finding]:
    """Beside the first of several parts lie the openings of them all; its own commitments are those of the entry."""
    entry = stored if part_of(stored) is not None else one.entry
    for opening in one.item.openings:
        ok = check_opening(opening, entry)
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
    by_leaf = {one.leaf: one for one in reversed(here)}  # of two copies the earlier one
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
