"""Rubrics are checked to the last weight, and scores are exact integers (P4)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from format_samples import RUBRIC
from hypothesis import given
from hypothesis import strategies as st

from scorelog.format.errors import RubricError
from scorelog.format.limits import RUBRIC_BYTES_MAX
from scorelog.format.rubric import EXAM_FAILED, ITEM_ZEROED, parse_rubric
from scorelog.format.scoring import AttemptScore, Deduction, ItemScore, score_attempt, score_item

SAMPLE = parse_rubric(RUBRIC)
REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_rubric_keeps_its_text() -> None:
    """The text travels whole inside an entry, named by its hash."""
    assert SAMPLE.encode() == RUBRIC.encode()
    assert parse_rubric(RUBRIC.encode()).sha256 == SAMPLE.sha256
    assert (SAMPLE.id, SAMPLE.version, SAMPLE.status, SAMPLE.pass_mark, SAMPLE.retake) == (
        "sample", "1", "default", 8000, "whole",
    )  # fmt: skip
    assert [item.code for item in SAMPLE.items] == ["K11", "K12", "K21", "K22"]
    assert SAMPLE.subject_of("K21").name.zh == "安全操作技术"
    assert SAMPLE.item("K21").lines[9].veto


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rubric = 1", "rubric = 2", "expected rubric = 1"),
        ("rubric = 1", "", "rubric: no rubric"),
        ('id = "sample"', 'id = "Sample"', "id = 'Sample'"),
        ('id = "sample"', "id = 5", "id = 5"),
        ('status = "default"', 'status = "law"', "status = 'law'; expected default or official"),
        ("pass_mark = 8000", "pass_mark = 80.0", "pass_mark = 80.0; expected an integer"),
        ("pass_mark = 8000", "pass_mark = 10001", "pass_mark = 10001"),
        ("pass_mark = 8000", "pass_mark = 0x" + "f" * 5000, "pass_mark = a huge integer"),
        ("pass_mark = 8000", "pass_mark = [0x" + "f" * 5000 + "]", "pass_mark = a huge integer"),
        ("pass_mark = 8000", "pass_mark = true", "pass_mark = True"),
        ("pass_mark = 8000", "pass_mark = 8000\ncolour = 5", "unknown key 'colour'"),
        ('retake = "whole"', 'retake = "half"', "retake"),
        ("weight = 4000", "weight = 3999", r"weight 3999 over 2 draws"),
        ("weight = 4000", "weight = 3998", "the weights of all subjects sum to 9998; expected 10000"),
        ("draws = 2", "draws = 3", "draws = 3 of 2 items"),
        ('code = "K2"', 'code = "K1"', "subject K1 twice"),
        ('code = "K21"', 'code = "K11"', "subject K2: item K11 twice"),
        ('code = "K12"', 'code = "K11"', r"subject 1 \(file line 9\) K1: item K11 twice"),
        ('code = "K12"', 'code = "k12"', r"subject K1, item 2 \(file line 34\): code = 'k12'"),
        ("max = 6000", "max = 6001", r"item 1 \(file line 14\) K11: the maxima of its lines sum to 10001"),
        ("line = 2\n    max = 6000", "line = 1\n    max = 6000", "line 1 twice"),
        ("line = 9", "line = 0", r"item K21, line 3 \(file line \d+\): line = 0"),
        ("line = 9", "line = 100", "line = 100"),
        ("veto = true", "veto = 1", "veto = 1; expected true or false"),
        ("limit_s = 300", "limit_s = 0", "limit_s = 0"),
        ('veto_effect = "item_zeroed"', 'veto_effect = "shame"', "expected item_zeroed or exam_failed"),
        ('{ zh = "选用", en = "Choice" }', '{ zh = "选用" }', "text: no en"),
        ('{ zh = "选用", en = "Choice" }', '{ zh = "选用", en = "" }', "an empty text"),
        ('{ zh = "选用", en = "Choice" }', '{ zh = "选用", en = "Choice", de = "Wahl" }', "unknown key 'de'"),
        ('{ zh = "选用", en = "Choice" }', '"选用"', "expected { zh"),
        ("rubric = 1", "rubric = 1\nrubric = 1", "not TOML"),
        ("rubric = 1", "rubric = 1\nx = " + "9" * 5000, "not TOML"),
        ("rubric = 1", "x = " + "[" * 3000, "not TOML"),
    ],
)
def test_an_inconsistent_rubric_is_refused_by_name(old: str, new: str, says: str) -> None:
    """Rules of docs/formats/rubric.md: the message names subject, item, line and the line of the file."""
    assert old in RUBRIC
    with pytest.raises(RubricError, match=says):
        parse_rubric(RUBRIC.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"\xff", "not UTF-8"),
        ("\ud800", "not UTF-8"),
        ("#" * (RUBRIC_BYTES_MAX + 1), "60001 bytes"),
        (RUBRIC.partition("[[subject]]")[0], "no subject"),
        (RUBRIC.partition("[[subject]]")[0] + "subject = []\n", "subject is empty"),
        (RUBRIC.partition("[[subject]]")[0] + "subject = [1]\n", "subject 1: a int; expected a table"),
    ],
)
def test_what_is_no_rubric_is_refused(text: str | bytes, says: str) -> None:
    """Size, encoding and the outermost shape."""
    with pytest.raises(RubricError, match=says):
        parse_rubric(text)


def test_the_shipped_rubrics_are_rubrics() -> None:
    """Data of the server, in this format."""
    for path in sorted((REPOSITORY / "server" / "rubrics").glob("*.toml")):
        assert parse_rubric(path.read_bytes()).encode() == path.read_bytes()


# Scoring


@pytest.mark.parametrize(
    ("deductions", "outcome", "expected"),
    [
        ([], "finished", ItemScore("K21", 10_000)),
        ([(1, 1250)], "finished", ItemScore("K21", 8_750)),
        ([(1, 1250), (2, 500)], "timeout", ItemScore("K21", 8_250)),
        ([(2, 2000), (2, 2000)], "finished", ItemScore("K21", 7_500)),
        ([(1, 9000), (2, 9000)], "finished", ItemScore("K21", 0)),
        ([(1, 100), (9, 0)], "veto", ItemScore("K21", 0, EXAM_FAILED)),
        ([(1, 100, True)], "finished", ItemScore("K21", 0, EXAM_FAILED)),
        ([(1, 100)], "aborted", ItemScore("K21", 0, None, complete=False)),
        ([(9, 0)], "aborted", ItemScore("K21", 0, EXAM_FAILED, complete=False)),
    ],
)
def test_an_item_is_scored_exactly(deductions: list[tuple[int, int]], outcome: str, expected: ItemScore) -> None:
    """Each line takes off at most its maximum; a veto takes all; an aborted item counts nothing."""
    assert score_item(SAMPLE.item("K21"), [Deduction(*one) for one in deductions], outcome) == expected


def test_the_veto_effects_are_kept_apart() -> None:
    """`item_zeroed` costs the item, `exam_failed` the exam."""
    assert score_item(SAMPLE.item("K11"), [Deduction(3, 0)], "veto").veto_effect == ITEM_ZEROED
    assert not score_attempt(SAMPLE, [ItemScore("K11", 0, ITEM_ZEROED)]).failed_by_veto
    assert score_attempt(SAMPLE, [ItemScore("K21", 0, EXAM_FAILED)]).failed_by_veto


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(0, 12_000)), max_size=12))
def test_more_deductions_never_raise_a_score(taken: list[tuple[int, int]]) -> None:
    """Scores stay within 0 and 10000 and fall with every deduction, in any order."""
    item, before = SAMPLE.item("K21"), 10_000
    for count in range(len(taken) + 1):
        score = score_item(item, [Deduction(*one) for one in taken[:count]], "finished").score
        assert 0 <= score <= before
        before = score
    assert before == score_item(item, [Deduction(*one) for one in reversed(taken)], "finished").score


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"K11": 10_000, "K12": 10_000, "K21": 10_000}, AttemptScore(100_000_000, True, True, False)),
        ({"K11": 5_000, "K12": 5_000, "K22": 10_000}, AttemptScore(80_000_000, True, True, False)),
        ({"K11": 5_000, "K12": 4_999, "K22": 10_000}, AttemptScore(79_998_000, False, True, False)),
        ({"K11": 10_000, "K21": 10_000}, AttemptScore(80_000_000, False, False, False)),
        ({}, AttemptScore(0, False, False, False)),
    ],
)
def test_an_attempt_passes_at_exactly_the_pass_mark(scores: dict[str, int], expected: AttemptScore) -> None:
    """P4: the pass mark is compared exactly; 79.998 points are not 80."""
    assert score_attempt(SAMPLE, [ItemScore(code, score) for code, score in scores.items()]) == expected


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_totals_equal_exact_fractions(first: int, second: int, third: int) -> None:
    """P4: the integer total is the rational sum of weight and score, nothing is rounded."""
    result = score_attempt(SAMPLE, [ItemScore("K11", first), ItemScore("K12", second), ItemScore("K21", third)])
    exact = Fraction(4000, 20_000) * Fraction(first + second, 100) + Fraction(6000, 10_000) * Fraction(third, 100)
    assert Fraction(result.total_e6, 10**6) == exact
    assert result.passed == (exact >= 80)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: score_item(SAMPLE.item("K21"), [Deduction(4, 1)], "finished"), "line 4 is not in item K21"),
        (lambda: score_item(SAMPLE.item("K21"), [Deduction(1, -1)], "finished"), "-1 points off line 1 of item K21"),
        (lambda: SAMPLE.item("K99"), "item 'K99' is not in rubric sample 1"),
        (lambda: score_attempt(SAMPLE, [ItemScore("K99", 1)]), "item 'K99'"),
        (lambda: score_attempt(SAMPLE, [ItemScore("K11", 1)] * 2), "item K11 twice"),
        (lambda: score_attempt(SAMPLE, [ItemScore("K21", 1), ItemScore("K22", 1)]), "2 items of subject K2"),
        (lambda: Deduction.from_fields({"line": 1, "points": "1"}), "expected line, points, veto"),
    ],
)
def test_scores_that_do_not_fit_the_rubric_are_refused_by_name(call: object, says: str) -> None:
    """An unknown line or item is named, never skipped."""
    with pytest.raises(RubricError, match=says):
        call()  # type: ignore[operator]


def test_a_deduction_is_read_from_an_entry() -> None:
    """The shape of `fields.deductions` and of a `deduction` entry."""
    assert Deduction.from_fields({"line": 3, "points": 1250, "at_s": 5, "veto": True}) == Deduction(3, 1250, veto=True)
