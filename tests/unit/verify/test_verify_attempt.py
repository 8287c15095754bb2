"""An evidence bundle proves its attempt, or the report names what is missing and where."""

from __future__ import annotations

from typing import Any

import format_samples as samples
import pytest

from scorelog.format import types
from scorelog.format.commitment import Opening
from scorelog.format.entry import build_entry, parse_entry
from scorelog.format.evidence import EvidenceItem, build_evidence, parse_evidence
from scorelog.format.policy import parse_policy
from scorelog.format.tree import leaf_hash
from scorelog.verify.attempt import verify_attempt
from scorelog.verify.receipt import verify_receipt
from scorelog.verify.report import Report, cosigned, describe, utc_seconds

LOG = samples.sample_log()
POLICY = parse_policy(samples.policy_text())
ALL = range(2, 8)


def report_on(items: list[EvidenceItem], attempt: str = samples.ATTEMPT) -> Report:
    return verify_attempt(parse_evidence(build_evidence(attempt, items, samples.policy_text())), POLICY)


def problems(report: Report) -> list[str]:
    return [one.line for one in report.findings if not one.ok]


def closing_log(leaves: list[str], before: int = 0) -> samples.SampleLog:
    """The sample log, its closing entry listing other leaves."""
    entries = list(LOG.entries[:6])
    more: dict[str, Any] = {"leaves": leaves} | ({"leaves_before": before} if before else {})
    entries.append(build_entry(samples.rig_document(6, types.ATTEMPT_FINISHED, {"items": 1}, **more)))
    return samples.sample_log(entries)


def test_a_whole_attempt_is_proven() -> None:
    """Every entry, both openings and the list of leaves; the last line says so."""
    report = verify_attempt(parse_evidence(samples.sample_evidence(LOG)), POLICY)
    assert report.ok
    assert [one.check for one in report.findings].count("entry") == 6
    assert [one.check for one in report.findings].count("opening") == 2
    assert report.summary.line == f"proven: attempt {samples.ATTEMPT} as a whole, 6 entries"
    assert report.findings[3].line == (
        "proven: entry 5 of exam.example/gw/gw-01/0 (item.finished K21 87.50) is in the tree of size 8, "
        "stored by exam.example/mirror at 2025-11-23T06:43:20Z"
    )
    assert report.to_json()["proven"] is True


def test_context_entries_may_stand_beside_the_attempt() -> None:
    """Entries without an attempt (the adopted profile, say) are proven and belong to nobody else."""
    assert report_on([LOG.item(index) for index in range(8)]).ok


@pytest.mark.parametrize("missing", [2, 3, 4, 5])
def test_a_left_out_entry_is_named(missing: int) -> None:
    """P3: the closing entry's list shows what was left out, with its leaf hash."""
    report = report_on([LOG.item(index) for index in ALL if index != missing])
    leaf = leaf_hash(LOG.entries[missing]).hex()
    assert problems(report) == [
        (
            "not proven: attempt.finished, entry 6 of exam.example/gw/gw-01/0, lists leaf "
            f"{leaf} as its number {missing - 1}: no entry of the bundle has it"
        )
    ]
    assert report.summary.line.startswith(f"not proven: attempt {samples.ATTEMPT}: 1 of ")


def test_an_attempt_that_is_not_closed_is_not_whole() -> None:
    """Without its closing entry nobody can say that nothing is missing."""
    assert problems(report_on([LOG.item(index) for index in ALL if index != 6])) == [
        f"not proven: attempt {samples.ATTEMPT} is not closed at exam.example/gw/gw-01: entries may be missing"
    ]


def test_leaves_out_of_order_are_named() -> None:
    """The list is in the order of the log."""
    leaves = [leaf_hash(LOG.entries[index]).hex() for index in (3, 2, 4, 5)]
    log = closing_log(leaves)
    (problem,) = problems(report_on([log.item(index) for index in range(2, 7)]))
    assert "lists entry 2 of exam.example/gw/gw-01/0 as its number 2, after entry 3" in problem


def test_a_list_cannot_name_what_comes_after_it() -> None:
    """An entry behind the closing one was not there when it was written."""
    entries = [*LOG.entries[:2], closing_log([leaf_hash(LOG.entries[3]).hex()]).entries[6], LOG.entries[3]]
    log = samples.sample_log(entries)
    (problem,) = problems(report_on([log.item(2), log.item(3)]))
    assert problem.endswith("which comes after it")


def test_an_endless_attempt_counts_what_it_does_not_list() -> None:
    """`leaves_before`: the number of entries that precede the listed ones must be here."""
    leaves = [leaf_hash(LOG.entries[index]).hex() for index in (4, 5)]
    good, bad = closing_log(leaves, before=2), closing_log(leaves, before=3)
    assert report_on([good.item(index) for index in range(2, 7)]).ok
    (problem,) = problems(report_on([bad.item(index) for index in range(2, 7)]))
    assert problem.endswith("says that 3 entries precede those it lists: the bundle has 2")


def test_an_entry_of_another_attempt_is_named() -> None:
    """Evidence of one candidate is not padded with another's."""
    other = "00" * 16
    report = report_on([LOG.item(index) for index in ALL], other)
    assert problems(report)[0].endswith(f"belongs to attempt {samples.ATTEMPT}, not to {other}")
    assert problems(report)[-1] == f"not proven: no entry belongs to attempt {other}"


def test_a_wrong_opening_is_named_without_its_value() -> None:
    """P7: the field is named, the value is not printed."""
    wrong = Opening(5, "ticket", bytes(32), b"SOMEBODY-ELSE")
    items = [LOG.item(index, (wrong,) if index == 5 else ()) for index in ALL]
    (problem,) = problems(report_on(items))
    assert (
        problem == "not proven: the opening of field ticket is not what entry 5 of exam.example/gw/gw-01/0 commits to"
    )


def test_an_altered_entry_and_an_unreadable_one_are_named() -> None:
    """P3: the proof of an altered entry leads to another root; what is no entry proves nothing."""
    changed = LOG.entries[5].replace(b'"score":8750', b'"score":9750')
    items = [LOG.item(index) for index in ALL]
    items[3] = EvidenceItem(changed, LOG.proof(5))
    report = report_on(items)
    assert problems(report)[0].startswith("not proven: entry 5 of exam.example/gw/gw-01/0 (item.finished K21 97.50): ")
    items[3] = EvidenceItem(b"{}", LOG.proof(5))
    assert "schema version None" in problems(report_on(items))[0]


def test_a_server_the_reader_does_not_trust_proves_nothing() -> None:
    """The reader's policy decides, not the one inside."""
    strict = f"log {samples.log_signer().vkey}\nwitness w {samples.witness_signer().vkey}\nquorum w\n"
    report = verify_attempt(parse_evidence(samples.sample_evidence(LOG)), parse_policy(strict))
    assert all("cosigned by nobody; expected quorum w" in one for one in problems(report))
    assert len(problems(report)) == 6


def test_a_receipt_is_one_finding() -> None:
    """A proof, the entry, a policy: one line."""
    proof = LOG.proof(5).encode()
    assert verify_receipt(LOG.entries[5], proof, POLICY).ok
    assert not verify_receipt(LOG.entries[4], proof, POLICY).ok
    assert verify_receipt(LOG.entries[5], b"hello", POLICY).line == (
        "not proven: proof: no empty line; expected head, empty line, checkpoint"
    )


def test_words_about_an_entry_hold_no_surprises() -> None:
    """Item and score only if they are what they should be."""
    for fields, expected in (
        ({"item": "K21", "score": 5}, "anchor K21 0.05"),
        ({"item": "\x1b[2J", "score": "x"}, "anchor"),
    ):
        entry = parse_entry(build_entry(samples.document(1, types.ANCHOR, fields=fields)))
        assert describe(entry) == expected
    assert cosigned(()) == "cosigned by nobody, as the policy allows"
    assert utc_seconds(2**62) == f"second {2**62}"
