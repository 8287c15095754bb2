"""docs/faults.md says of every fault and every bar which test holds it, and each of those tests is there."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache

import pytest
from tree import ROOT, suite_sources

PAGE = ROOT / "docs" / "faults.md"
CATALOGUE = {"R": 13, "M": 10, "G": 13, "N": 13, "S": 10, "B": 20}
IDS = [f"{kind}{number}" for kind, last in CATALOGUE.items() for number in range(1, last + 1)]
LINE = re.compile(r"^\| ([RMGNSB]\d+) \|.*\| ([^|]+) \|$", re.MULTILINE)
TIER = re.compile(r"(commit|long|root|none): ([^;]+)")
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


@dataclass(frozen=True, slots=True)
class Claim:
    """One test that the page names."""

    line: str
    tier: str
    file: str
    name: str


def _lines() -> list[tuple[str, str]]:
    return LINE.findall(PAGE.read_text())


def _claims() -> list[Claim]:
    return [
        Claim(line, tier, file, name)
        for line, cell in _lines()
        for tier, named in TIER.findall(cell)
        for file, name in NAMED.findall(named)
    ]


@cache
def _marks(file: str) -> dict[str, str]:
    """The tests of a file, each with its marks and those of its module as one text."""
    tree = next((ast.parse((ROOT / path).read_text()) for path in suite_sources() if path.name == file), ast.Module([]))
    module = "".join(
        ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    )
    tests = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: module + "".join(_own_marks(node)) for node in tests if node.name.startswith("test_")}


def _own_marks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Marks of the whole test; one that stands on a single case only makes that case long."""
    return [text for text in map(ast.unparse, node.decorator_list) if not text.startswith("pytest.mark.parametrize")]


def test_every_fault_and_every_bar_has_one_line() -> None:
    """Rule 1: none is missing, none is there twice, none is of another catalogue."""
    assert [line for line, _ in _lines()] == IDS


@pytest.mark.parametrize("claim", _claims(), ids=lambda claim: f"{claim.line}-{claim.name}")
def test_every_named_test_is_there_in_its_tier(claim: Claim) -> None:
    """Rule 2: a name that nobody can run, or runs elsewhere, proves nothing."""
    marks = _marks(claim.file)
    assert claim.name in marks, f"{claim.line} names {claim.file}::{claim.name}, which is not there"
    rooted, long = ("pytest.mark.root" in marks[claim.name]), ("pytest.mark.long" in marks[claim.name])
    assert rooted == (claim.tier == "root") or claim.tier == "long", f"{claim.line}: {claim.name} needs root: {rooted}"
    assert not (long and claim.tier == "commit"), f"{claim.line}: {claim.name} runs with --long only"


def test_every_line_names_a_test_or_a_reason() -> None:
    """Rule 1: an empty promise is told from a kept one."""
    tested = {claim.line for claim in _claims()}
    unreasoned = [line for line, cell in _lines() if line not in tested and not re.search(r"none: \S", cell)]
    assert unreasoned == []
