"""The draw: per subject, without repetition, uniform, from the given source."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tree import ROOT

from scorelog.format.rubric import parse_rubric
from server.plan.candidates import Candidate
from server.plan.draw import draw_items, draw_open

RUBRIC = parse_rubric((ROOT / "server/rubrics/low-voltage-electrician.toml").read_bytes())


@given(st.integers())
def test_a_paper_has_the_draws_of_each_subject(seed: int) -> None:
    """As many as the rubric says, none twice, and the same source gives the same paper."""
    paper = draw_items(RUBRIC, random.Random(seed))
    assert len(set(paper)) == len(paper)
    for subject in RUBRIC.subjects.values():
        assert sum(code in subject.items for code in paper) == subject.draws
    assert paper == draw_items(RUBRIC, random.Random(seed))


def test_every_item_is_drawn_equally_often() -> None:
    """Within five standard deviations over 4,000 papers of a fixed seed."""
    source, papers = random.Random(7), 4_000
    seen = Counter(code for _ in range(papers) for code in draw_items(RUBRIC, source))
    for subject in RUBRIC.subjects.values():
        chance = subject.draws / len(subject.items)
        spread = (papers * chance * (1 - chance)) ** 0.5
        assert all(abs(seen[code] - papers * chance) <= 5 * spread for code in subject.items)


def test_only_open_papers_are_drawn() -> None:
    """What the list names stays."""
    named = Candidate("T1", "甲", "", 1, ("K12",), ())
    first, second = draw_open([named, Candidate("T2", "乙", "", 1, (), ())], RUBRIC, random.Random(1))
    assert first is named
    assert second.items == draw_items(RUBRIC, random.Random(1))
