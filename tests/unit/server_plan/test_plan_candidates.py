"""Rows to candidates: every error at once, and no personal value in any of them."""

from __future__ import annotations

import re

import pytest
from tree import ROOT

from scorelog.format.rubric import parse_rubric
from server.errors import ConfigError, ListError
from server.plan.candidates import Candidate, read_candidates
from server.plan.identity import keyed_hash, masked, wrong_with
from server.plan.lists import read_list

RUBRIC = parse_rubric((ROOT / "server/rubrics/low-voltage-electrician.toml").read_bytes())
PAPER = [code for subject in RUBRIC.subjects.values() for code in list(subject.items)[: subject.draws]]
ID = "11010519491231002X"
ID_2 = "440524188001010014"
STATIONS = {"A-01", "A-02", "A-03", "A-04"}
PLACES = "A-01 A-02 A-03 A-04"


def read(*rows: str) -> tuple[Candidate, ...]:
    text = "\n".join(["准考证号,姓名,证件号,考次,题目,工位", *rows])
    return read_candidates(read_list(text.encode(), "list.csv"), RUBRIC, STATIONS)


def findings(*rows: str) -> list[tuple[int, str]]:
    with pytest.raises(ListError) as caught:
        read(*rows)
    return [(finding.row, finding.column) for finding in caught.value.findings]


def test_a_good_list_is_read_whole() -> None:
    """Items and places in order; empty columns stay open; a small x and wide digits are the same id."""
    wide = ID.lower().replace("1", "\uff11")
    first, second = read(f"T1,欧阳明日,{wide},2,{' '.join(PAPER)},{PLACES}", f"T2,买买提·吐尔逊,{ID_2},,,")
    assert first == Candidate("T1", "欧阳明日", ID, 2, tuple(PAPER), tuple(PLACES.split()))
    assert (second.try_no, second.items, second.places) == (1, (), ())
    assert "欧阳" not in repr(first)
    assert ID not in repr(first)


def test_all_errors_of_a_list_come_at_once() -> None:
    """One round mends the list."""
    assert findings(
        f"{'T' * 33},甲,{ID},1,,",
        f"T2,,{ID_2[:-1]}5,0,,A-01",
        f"T3,丙,{ID_2},1,{' '.join(PAPER[1:])} ZZZ,A-01 A-02 A-03 B-99",
    ) == [(2, "准考证号"), (3, "姓名"), (3, "工位"), (3, "考次"), (3, "证件号"), (4, "工位"), (4, "题目"), (4, "题目")]


def test_an_empty_id_number_is_to_be_filled_in() -> None:
    """What to do fits what is wrong: an empty cell has nothing to compare."""
    with pytest.raises(ListError) as caught:
        read(f"T1,甲,,1,{' '.join(PAPER)},")
    assert "证件号: empty; fill it in" in str(caught.value)


def test_the_list_that_the_page_shows_has_an_id_that_holds() -> None:
    """docs/formats/plan.md is copied by people: its example is not refused."""
    (row,) = re.findall(r"^S\d+-\d+,.*$", (ROOT / "docs" / "formats" / "plan.md").read_text(), re.MULTILINE)
    assert wrong_with(row.split(",")[2]) is None


def test_the_same_ticket_and_try_twice_is_refused() -> None:
    """A second try is no duplicate; a ticket of two people and a person with two tickets are."""
    assert len(read(f"T1,甲,{ID},1,,", f"T1,甲,{ID},2,,")) == 2
    assert findings(f"T1,甲,{ID},1,,", f"T1,甲,{ID},1,,") == [(3, "准考证号")]
    assert findings(f"T1,甲,{ID},1,,", f"T1,乙,{ID_2},2,,") == [(3, "准考证号")]
    assert findings(f"T1,甲,{ID},1,,", f"T2,甲,{ID},1,,") == [(3, "证件号")]


def test_an_item_named_twice_is_refused() -> None:
    """Exactly the draws of each subject, without repetition."""
    assert (2, "题目") in findings(f"T1,甲,{ID},1,{' '.join([*PAPER, PAPER[0]])},")


def test_no_personal_value_is_in_an_error_text() -> None:
    """P7: marked values in every column, right or shifted, and none of them in the text."""
    with pytest.raises(ListError) as caught:
        read(
            "MARKED\u200b1,MARKED\u200b2,MARKED3,MARKED4,MARKED5,MARKED6", "MARKED7,MARKED8,MARKED9,=MARKED10,MARKED11,"
        )
    assert len(caught.value.findings) >= 8
    assert "MARKED" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("number", [ID, ID_2])
def test_any_wrong_digit_of_an_id_number_is_found(number: str) -> None:
    """GB 11643: one changed character never passes; the masked form shows seven characters."""
    assert wrong_with(number) is None
    for at in range(18):
        for char in "0123456789X":
            changed = number[:at] + char + number[at + 1 :]
            assert (wrong_with(changed) is None) == (changed == number)
    assert re.fullmatch(r"\d{3}\*{11}\d{3}[0-9X]", masked(number))


def test_the_hash_of_an_id_depends_on_the_key() -> None:
    """Without the server's key nobody can try all ids; a short key is refused."""
    assert keyed_hash(bytes(32), ID) == keyed_hash(bytes(32), ID) != keyed_hash(b"k" * 32, ID)
    assert keyed_hash(bytes(32), ID) != keyed_hash(bytes(32), ID_2)
    with pytest.raises(ConfigError):
        keyed_hash(b"short", ID)
