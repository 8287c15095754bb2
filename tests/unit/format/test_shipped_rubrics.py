"""Every rubric that is shipped: whole, honest about being a default, loadable by rig and server, exact in scoring (P4).

The examples are computed by hand from the files; the property recomputes totals from the bare TOML in fractions.
"""

from __future__ import annotations

import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorelog.format.errors import RubricError
from scorelog.format.rubric import EXAM_FAILED, FULL, ITEM_ZEROED, Rubric, Subject, parse_rubric
from scorelog.format.scoring import AttemptScore, Deduction, ItemScore, score_attempt, score_item
from simulators.device.rubric import load_rubric

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = sorted((REPOSITORY / "server" / "rubrics").glob("*.toml"))
SHIPPED = {path.stem: parse_rubric(path.read_bytes()) for path in FILES}
ADOPTED_BYTES_MAX = 48 * 1024
"""A gateway adopts no larger file (docs/gateway.md)."""

WEIGHTS = {
    "chlorination-process": {"K1": 4000, "K3": 3000, "K4": 3000},
    "coal-mine-underground-electrical": {"K1A": 1500, "K1B": 1400, "K1C": 2100, "K2": 2000, "K3": 1500, "K4": 1500},
    "fusion-welding-cutting": {"K1": 2000, "K2": 4000, "K3": 2000, "K4": 2000},
    "hazardous-chemicals-unit": {"K1": 4000, "K2": 1500, "K3": 3000, "K4": 1500},
    "height-work": {"K1": 2000, "K2": 6000, "K3": 1000, "K4": 1000},
    "high-voltage-electrician": {"K1": 2000, "K2": 4000, "K3": 2000, "K4": 2000},
    "low-voltage-electrician": {"K1": 2000, "K2": 4000, "K3": 2000, "K4": 2000},
    "pressure-welding-provincial": {"K1": 2000, "K2": 4000, "K3": 2000, "K4": 2000},
    "refrigeration": {"K1": 2000, "K2": 4000, "K3": 2000, "K4": 2000},
}
MINUTES = {
    "chlorination-process": 100,
    "fusion-welding-cutting": 60,
    "height-work": 45,
    "pressure-welding-provincial": 30,
    "refrigeration": 60,
}
"""The total times that a source names, where the limits of the items fill them."""

every_rubric = pytest.mark.parametrize("name", sorted(SHIPPED))


def minutes(rubric: Rubric) -> Fraction:
    """The longest exam that can be drawn."""
    longest = (sorted((item.limit_s for item in one.items.values()), reverse=True) for one in rubric.subjects.values())
    draws = (one.draws for one in rubric.subjects.values())
    return Fraction(sum(sum(limits[:count]) for limits, count in zip(longest, draws, strict=True)), 60)


def weighed(subject: Subject) -> str:
    """As the page writes it: `K2 15 (2 × 7.5)`."""
    share = f" ({subject.draws} × {subject.weight / subject.draws / 100:g})" if subject.draws > 1 else ""
    return f"{subject.code} {subject.weight / 100:g}{share}"


def attempt(name: str, taken: dict[str, list[tuple[int, int]]]) -> AttemptScore:
    """The result of the items named, each with its deductions (line, hundredths)."""
    rubric = SHIPPED[name]
    return score_attempt(
        rubric,
        [score_item(rubric.item(code), [Deduction(*one) for one in lost], "finished") for code, lost in taken.items()],
    )


# The files


def test_the_shipped_rubrics_are_the_nine() -> None:
    """An occupation is added with its weights here and its row in docs/server.md."""
    assert set(SHIPPED) == set(WEIGHTS)


@every_rubric
def test_a_shipped_rubric_is_whole(name: str) -> None:
    """Named as its file, weights of its source and 10000 together, draws within the items, lines of 10000 an item."""
    rubric = SHIPPED[name]
    assert rubric.id == name
    assert {code: one.weight for code, one in rubric.subjects.items()} == WEIGHTS[name]
    assert sum(one.weight for one in rubric.subjects.values()) == FULL
    assert rubric.pass_mark == 8000
    for subject in rubric.subjects.values():
        assert 1 <= subject.draws <= len(subject.items)
        assert all(sum(line.max for line in item.lines.values()) == FULL for item in subject.items.values())


@every_rubric
def test_a_shipped_rubric_says_that_it_is_a_default(name: str) -> None:
    """None is an official text, and the file says so in its first lines."""
    assert SHIPPED[name].status == "default"
    head = SHIPPED[name].text.decode().partition("rubric = 1")[0]
    assert "default rubric" in head
    assert 'status = "default"' in head


@every_rubric
def test_a_shipped_rubric_uses_both_effects_of_a_veto(name: str) -> None:
    """`item_zeroed` and `exam_failed` are told apart on lines that can happen."""
    effects = {item.veto_effect for item in SHIPPED[name].items if any(line.veto for line in item.lines.values())}
    assert effects == {ITEM_ZEROED, EXAM_FAILED}


@every_rubric
def test_a_shipped_rubric_fits_a_gateway_and_a_rig(name: str) -> None:
    """A gateway can adopt it, and a rig reads the same items, limits and maxima from the file."""
    rubric = SHIPPED[name]
    assert len(rubric.text) <= ADOPTED_BYTES_MAX
    rig = load_rubric(REPOSITORY / "server" / "rubrics" / f"{name}.toml")
    assert [(one.code, one.weight, one.draws) for one in rig.subjects] == [
        (one.code, one.weight, one.draws) for one in rubric.subjects.values()
    ]
    for item in rubric.items:
        assert rig.item(item.code).limit_s == item.limit_s
        assert {n: one.max_points for n, one in rig.item(item.code).lines.items()} == {
            n: one.max for n, one in item.lines.items()
        }


@pytest.mark.parametrize("name", sorted(MINUTES))
def test_the_limits_of_a_draw_fill_the_time_of_the_exam(name: str) -> None:
    """There is no key for the total time: it is the sum of the limits of what is drawn."""
    assert minutes(SHIPPED[name]) == MINUTES[name]


@every_rubric
def test_the_page_tells_weights_and_time_of_the_file(name: str) -> None:
    """docs/server.md has one row an occupation, with what the file says."""
    rubric = SHIPPED[name]
    page = (REPOSITORY / "docs" / "server.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    subjects = " · ".join(weighed(one) for one in rubric.subjects.values())
    assert cells[1:4] == [rubric.occupation.zh, subjects, f"{minutes(rubric)} min"]


# Exact examples, computed by hand


def test_a_unit_counts_its_score_over_100_times_seven_and_a_half() -> None:
    """86.5 / 100 x 7.5 = 6.4875 and 92 / 100 x 7.5 = 6.9, with three half points in a line: 98.3875 points."""
    taken: dict[str, list[tuple[int, int]]] = {
        "K11": [], "K13": [], "K21": [(1, 1200), (4, 50), (4, 50), (4, 50)], "K24": [(2, 800)], "K31": [], "K41": [],
    }  # fmt: skip
    assert attempt("hazardous-chemicals-unit", taken) == AttemptScore(98_387_500, True, True, False)
    zeroed = {**taken, "K21": [(5, 0)]}
    assert attempt("hazardous-chemicals-unit", zeroed).total_e6 == 98_387_500 - 6_487_500


def test_half_points_add_up_to_the_maximum_of_their_line() -> None:
    """Nineteen half points take 9.5 off a line of 10, twenty and more take 10."""
    item = SHIPPED["fusion-welding-cutting"].item("K21")
    assert item.lines[4].max == 1000
    for count, score in ((0, 10_000), (1, 9_950), (19, 9_050), (20, 9_000), (21, 9_000), (40, 9_000)):
        assert score_item(item, [Deduction(4, 50)] * count, "finished") == ItemScore("K21", score)


def test_two_draws_of_a_subject_weigh_twenty_each() -> None:
    """No K2: 0.2 x 90 + 0.2 x 70 + 0.3 x 80 + 0.3 x 85 = 81.5; one draw is not enough and three are refused."""
    taken = {"K11": [(4, 1000)], "K14": [(3, 3000)], "K31": [(1, 2000)], "K41": [(2, 1500)]}
    assert attempt("chlorination-process", taken) == AttemptScore(81_500_000, True, True, False)
    one: dict[str, list[tuple[int, int]]] = {"K11": [], "K31": [], "K41": []}
    assert attempt("chlorination-process", one) == AttemptScore(80_000_000, False, False, False)
    with pytest.raises(RubricError, match="3 items of subject K1; expected at most 2 drawn"):
        attempt("chlorination-process", {**taken, "K12": []})


def test_a_zeroed_item_may_still_pass_and_a_failed_exam_never() -> None:
    """K31 of height work weighs 10: zeroed by veto, 90 remain. K41 of high voltage weighs 20: 80 remain, and failed."""
    height: dict[str, list[tuple[int, int]]] = {"K11": [], "K21": [], "K31": [(4, 0)], "K42": []}
    assert attempt("height-work", height) == AttemptScore(90_000_000, True, True, False)
    shock: dict[str, list[tuple[int, int]]] = {"K11": [], "K21": [], "K31": [], "K41": [(4, 0)]}
    assert attempt("high-voltage-electrician", shock) == AttemptScore(80_000_000, False, True, True)
    resuscitation: dict[str, list[tuple[int, int]]] = {"K11": [], "K21": [], "K31": [], "K42": [(6, 0)]}
    assert attempt("high-voltage-electrician", resuscitation) == AttemptScore(80_000_000, True, True, False)


def test_the_pass_mark_is_compared_exactly() -> None:
    """20 x 0.90 + 60 x 0.70 + 10 + 10 = 80.00 passes; 0.05 off K31 makes 79.995, which rounds to 80.00 and fails."""
    exact: dict[str, list[tuple[int, int]]] = {"K11": [(4, 1000)], "K21": [(3, 3000)], "K31": [], "K41": []}
    assert attempt("height-work", exact) == AttemptScore(80_000_000, True, True, False)
    below = {**exact, "K31": [(1, 5)]}
    assert attempt("height-work", below) == AttemptScore(79_995_000, False, True, False)
    half = {**exact, "K11": [(4, 1000), (2, 50)]}
    assert attempt("height-work", half) == AttemptScore(79_900_000, False, True, False)


def test_the_parts_of_the_mine_weigh_fifteen_fourteen_and_twenty_one() -> None:
    """Each part is a subject: zeroing the inspection for explosion protection costs exactly 14."""
    taken: dict[str, list[tuple[int, int]]] = {"K11": [], "K13": [], "K15": [], "K21": [], "K31": [], "K41": []}
    assert attempt("coal-mine-underground-electrical", taken).total_e6 == 100_000_000
    assert attempt("coal-mine-underground-electrical", {**taken, "K13": [(5, 0)]}).total_e6 == 86_000_000
    assert attempt("coal-mine-underground-electrical", {**taken, "K15": [(3, 3500)]}).total_e6 == 92_650_000


def test_a_province_may_retake_the_failed_items_only() -> None:
    """Retake is data: one province's pressure welding has `failed_items`, with 5, 12, 5 and 8 minutes."""
    assert {name for name, one in SHIPPED.items() if one.retake == "failed_items"} == {"pressure-welding-provincial"}
    subjects = SHIPPED["pressure-welding-provincial"].subjects.values()
    assert [{item.limit_s for item in one.items.values()} for one in subjects] == [{300}, {720}, {300}, {480}]


# Recomputed in another way


def recomputed(document: dict[str, Any], taken: dict[str, list[tuple[int, int]]]) -> tuple[Fraction, bool]:
    """Total in points and passed, from the bare TOML, as rule 8 to 11 of docs/formats/rubric.md read."""
    total, failed = Fraction(0), False
    for subject in document["subject"]:
        for item in subject["item"]:
            if item["code"] not in taken:
                continue
            lost = taken[item["code"]]
            share = Fraction(subject["weight"], 100) / subject["draws"]
            if any(line["veto"] and line["line"] == number for line in item["line"] for number, _ in lost):
                failed = failed or item["veto_effect"] == "exam_failed"
                continue
            off = [min(line["max"], sum(p for n, p in lost if n == line["line"])) for line in item["line"]]
            total += share * (1 - Fraction(sum(off), 10_000))
    return total, not failed and total >= Fraction(document["pass_mark"], 100)


@given(st.data())
def test_every_total_equals_an_independent_computation(data: st.DataObject) -> None:
    """P4: any draw of any shipped rubric with any deductions has the total and verdict of exact fractions."""
    rubric = SHIPPED[data.draw(st.sampled_from(sorted(SHIPPED)))]
    taken: dict[str, list[tuple[int, int]]] = {}
    for subject in rubric.subjects.values():
        for code in data.draw(st.permutations(sorted(subject.items)))[: subject.draws]:
            # Vetoes are rare, or hardly an example would keep a total worth comparing.
            plain = sorted(n for n, line in subject.items[code].lines.items() if not line.veto)
            numbers = sorted(subject.items[code].lines) if data.draw(st.integers(0, 9)) == 0 else plain
            points = st.integers(0, 60).map(lambda n: 50 * n) | st.integers(0, 12_000)
            taken[code] = data.draw(st.lists(st.tuples(st.sampled_from(numbers), points), max_size=4))
    result = attempt(rubric.id, taken)
    total, passed = recomputed(tomllib.loads(rubric.text.decode()), taken)
    assert result.complete
    assert (Fraction(result.total_e6, 10**6), result.passed) == (total, passed)
