"""An attempt that was logged again in part is proven as a whole, and its doubts are said (P3)."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import format_samples as samples
import pytest

from scorelog.format import canonical, types
from scorelog.format.entry import build_entry
from scorelog.format.evidence import build_evidence, parse_evidence
from scorelog.format.policy import parse_policy
from scorelog.format.tree import leaf_hash
from scorelog.verify.attempt import verify_attempt

if TYPE_CHECKING:
    from scorelog.format.commitment import Opening
    from scorelog.verify.report import Report

NEXT = "exam.example/gw/gw-01/1"
OLD = samples.sample_log()


def relogged(index: int, number: int, *, parts: int = 1, doubt: str | None = None) -> list[bytes]:
    """The entries that carry entry `index` of the sample log."""
    entry = OLD.entries[index]
    more: dict[str, Any] = {
        "previous": {"origin": samples.ORIGIN, "index": index, "leaf": leaf_hash(entry).hex()},
        **({} if doubt is None else {"doubt": doubt}),
    }
    beside = {"candidate": canonical.decode(entry).get("candidate", [])}
    if parts == 1:
        carried = {"entry": base64.b64encode(entry).decode(), **beside}
        return [build_entry(samples.document(number, types.RELOGGED, **more, **carried))]
    width, made = -(-len(entry) // parts), []
    for at in range(1, parts + 1):
        piece = base64.b64encode(entry[(at - 1) * width : at * width]).decode()
        part = {"number": at, "of": parts, "bytes": piece}
        made.append(build_entry(samples.document(number + at, types.RELOGGED, **more, part=part, **beside)))
    return made


def report(first: int, *, parts: int = 1, doubt: str | None = None, leave_out: int | None = None) -> Report:
    """Entries below `first` in the old log, the others logged again."""
    entries: list[bytes] = []
    beside: dict[int, tuple[Opening, ...]] = {}
    for index in range(first, len(OLD.entries)):
        if index == 5:
            at = len(entries)
            beside[at] = tuple(replace(one, index=at) for one in samples.openings_of(index))
        entries += relogged(index, 100 + 10 * index, parts=parts, doubt=doubt)
    new = samples.sample_log(entries, NEXT)
    items = [OLD.item(index) for index in range(2, first)]
    items += [new.item(at, beside.get(at, ())) for at in range(len(entries)) if at != leave_out]
    policy = parse_policy(samples.policy_text(samples.ORIGIN, NEXT))
    return verify_attempt(parse_evidence(build_evidence(samples.ATTEMPT, items, policy.encode())), policy)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("first", [2, 4, 7])
def test_an_attempt_over_two_generations_is_proven(first: int, parts: int) -> None:
    """The closing entry lists the leaves of the entries as they were first logged; all are found, in order."""
    found = report(first, parts=parts)
    assert found.ok, [one.line for one in found.findings if not one.ok]
    assert any("lists 4 entries, and all are here in order" in one.text for one in found.findings)


def test_a_part_that_is_missing_is_an_entry_that_is_missing() -> None:
    """Half an entry is none: its leaf is not found."""
    found = report(4, parts=2, leave_out=1)
    assert [one.check for one in found.findings if not one.ok] == ["whole"]


@pytest.mark.parametrize(("doubt", "ok"), [("altered", False), ("unproven", True), ("of a later version", True)])
def test_a_doubt_is_a_finding(doubt: str, ok: bool) -> None:
    """P3: what the old log contradicts is not proven; what nobody can tell is said."""
    found = report(7, doubt=doubt)
    assert found.ok is ok
    assert [one.ok for one in found.findings if one.check == "doubt"] == [ok]
