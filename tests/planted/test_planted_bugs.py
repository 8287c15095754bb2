"""Would the suite notice? Bugs planted in a copy of the product, each with the test that must fail.

The list: docs/planted-bugs.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from planted_bugs import BUGS, PAGE, page
from planted_copy import PASSED, PlantedCopy
from tree import ROOT, suite_sources

if TYPE_CHECKING:
    from pathlib import Path

    from planted_patch import Bug

QUICK = [bug for bug in BUGS if bug.quick]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> PlantedCopy:
    return PlantedCopy(tmp_path_factory.mktemp("planted") / "tree")


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_patch_still_fits_in_one_place(bug: Bug) -> None:
    """A patch that fits nowhere plants nothing; one that fits twice plants something else."""
    for patch in bug.patches:
        assert patch.places(ROOT) == 1, f"{patch.file}: {patch.old!r}"
        compile(patch.applied(ROOT), patch.file, "exec")
    assert bug.file in {path.name for path in suite_sources()}


def test_at_least_thirty_bugs_are_listed_as_they_are() -> None:
    """The page is what run.py writes; names are unique."""
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 30
    assert PAGE.read_text("utf-8") == page(), "run tests/planted/run.py --write"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", QUICK, ids=lambda bug: bug.name)
def test_a_quick_bug_is_noticed(copy: PlantedCopy, bug: Bug) -> None:
    """The way of planting works at every commit: the bug's own test fails."""
    caught, said = copy.caught(bug)
    assert caught, said


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_bug_is_noticed_and_nothing_else(tmp_path: Path) -> None:
    """Each test fails with its bug and passes without: about five minutes."""
    copy = PlantedCopy(tmp_path / "tree")
    broken = [test for test in sorted({bug.test for bug in BUGS}) if copy.run(test)[0] != PASSED]
    unnoticed = [bug.name for bug in BUGS if not copy.caught(bug)[0]]
    assert (broken, unnoticed) == ([], [])
