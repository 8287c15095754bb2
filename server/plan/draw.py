"""The server draws the items of candidates whose list leaves them open: per subject, uniformly, none twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from scorelog.format.rubric import Rubric
    from server.plan.candidates import Candidate


def draw_items(rubric: Rubric, source: random.Random) -> tuple[str, ...]:
    """The items of one paper. A real exam draws from `random.SystemRandom`, a test from a seed."""
    return tuple(
        code for subject in rubric.subjects.values() for code in source.sample(list(subject.items), subject.draws)
    )


def draw_open(candidates: Iterable[Candidate], rubric: Rubric, source: random.Random) -> tuple[Candidate, ...]:
    """The same candidates, each with items; what a list names stays as it is."""
    return tuple(one if one.items else replace(one, items=draw_items(rubric, source)) for one in candidates)
