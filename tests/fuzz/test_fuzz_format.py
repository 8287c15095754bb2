"""Every parser keeps its law under fuzzing: a few thousand runs with each commit, 40,000 and more in the long form."""

from __future__ import annotations

import pytest
from fuzz_loop import fuzz
from fuzz_targets import all_targets
from long_times import TIMES, times

TARGETS = all_targets()
COMMIT_RUNS = 2_000
LONG_RUNS = times(40_000)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_kept_input_keeps_the_law(name: str) -> None:
    """Each input of the corpus is refused with a message, or encodes back to itself."""
    corpus = TARGETS[name].corpus()
    assert corpus
    for data in corpus:
        TARGETS[name].check(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_mutation_breaks_a_parser(name: str) -> None:
    """Only refusals leave a parser; accepted bytes encode identically; and the walk reaches both outcomes."""
    outcome = fuzz(TARGETS[name], COMMIT_RUNS // TARGETS[name].slow)
    assert outcome.kinds["accepted"] > 0
    assert len(outcome.kinds) > 1 or not TARGETS[name].refusals


@pytest.mark.long
@pytest.mark.timeout(300 * TIMES)
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_mutation_breaks_a_parser_in_a_long_walk(name: str) -> None:
    """The same law over 40,000 runs, or more."""
    runs = LONG_RUNS // TARGETS[name].slow
    assert fuzz(TARGETS[name], runs, seed=1).runs == runs
