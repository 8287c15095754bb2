"""What is read is what the file says, field by field, held against another reader of the same file."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from format_samples import RUBRIC

from scorelog.format.errors import RubricError
from scorelog.format.rubric import RubricItem, RubricLine, Subject, parse_rubric
from scorelog.format.rubric_tables import Text


def line_of(table: dict[str, Any]) -> RubricLine:
    return RubricLine(table["line"], table["max"], table["veto"], Text(**table["text"]))


def item_of(table: dict[str, Any]) -> RubricItem:
    lines = {one["line"]: line_of(one) for one in table["line"]}
    return RubricItem(table["code"], Text(**table["name"]), table["limit_s"], table["veto_effect"], lines)


def subject_of(table: dict[str, Any]) -> Subject:
    items = {one["code"]: item_of(one) for one in table["item"]}
    return Subject(table["code"], table["weight"], table["draws"], Text(**table["name"]), items)


def test_every_field_of_a_rubric_is_what_its_file_says() -> None:
    """P4: a score is recomputed with the very weights, draws, limits, names and maxima of the adopted text."""
    stated, read = tomllib.loads(RUBRIC), parse_rubric(RUBRIC)
    assert read.subjects == {one["code"]: subject_of(one) for one in stated["subject"]}
    assert (read.text, read.id, read.version, read.occupation) == (
        RUBRIC.encode(),
        stated["id"],
        stated["version"],
        Text(**stated["occupation"]),
    )
    assert (read.status, read.pass_mark, read.retake) == (stated["status"], stated["pass_mark"], stated["retake"])
    assert [one.code for one in read.items] == ["K11", "K12", "K21", "K22"]


@pytest.mark.parametrize(
    "header", ["\t[[subject.item]]", "  [[ subject.item ]]\t# the first", "[[\tsubject . item]]\r"]
)
def test_a_place_is_told_however_its_header_is_written(header: str) -> None:
    """The line of the file stands in the error, whatever white space or comment the header has."""
    changed = RUBRIC.replace("  [[subject.item]]", header, 1).replace('"K11"', '"k"')
    with pytest.raises(RubricError, match=r"^subject K1, item 1 \(file line 14\): code = 'k'"):
        parse_rubric(changed)
