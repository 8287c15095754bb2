"""The house style, where it can be counted (docs/contributing: CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import re
import statistics
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import pytest
from tree import ROOT, package_sources, suite_sources, tree_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("house-style")  # one worker parses the tree, once
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN_MAX = 10
FUNCTION_LINES_P90_MAX = 35
BROAD_EXCEPTS_PER_KLOC_MAX = 1.0

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _text(path: Path) -> str:
    return (ROOT / path).read_text()


@cache
def _module(path: Path) -> ast.Module:
    return ast.parse(_text(path))


@cache
def _nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(_module(path)))


@cache
def _functions(path: Path) -> list[Function]:
    return [node for node in _nodes(path) if isinstance(node, Function)]


def _length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_no_file_is_longer_than_400_lines() -> None:
    """One noun a file; a file that needs more has two."""
    sources = [path for path in tree_files() if path.suffix in {".py", ".js", ".sh"} and "vendor" not in path.parts]
    assert [f"{path}: {n}" for path in sources if (n := len(_text(path).splitlines())) > FILE_LINES_MAX] == []


def test_no_function_is_longer_than_70_lines() -> None:
    """A function fits on a screen."""
    long = [
        f"{path}:{function.lineno} {function.name}: {_length(function)}"
        for path in tree_files()
        if path.suffix == ".py"
        for function in _functions(path)
        if _length(function) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_most_functions_are_short() -> None:
    """Median and 90th percentile of the shipped code, where the models stand."""
    lengths = sorted(_length(function) for path in package_sources() for function in _functions(path))
    assert statistics.median(lengths) <= FUNCTION_LINES_MEDIAN_MAX
    assert lengths[len(lengths) * 9 // 10] <= FUNCTION_LINES_P90_MAX


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Catches everything and keeps it. A handler that cleans up and ends in a bare `raise` keeps nothing."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    caught = handler.type
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(name is None or (isinstance(name, ast.Name) and name.id in _BROAD) for name in names)


_BROAD = {"Exception", "BaseException"}


def _broad_excepts() -> list[tuple[Path, int]]:
    return [
        (path, node.lineno)
        for path in package_sources()
        for node in _nodes(path)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    ]


def test_broad_excepts_are_rare() -> None:
    """At most one `except Exception` per thousand lines, counted over all packages."""
    lines = sum(len(_text(path).splitlines()) for path in package_sources())
    found = [f"{path}:{line}" for path, line in _broad_excepts()]
    assert len(found) <= max(1.0, BROAD_EXCEPTS_PER_KLOC_MAX * lines / 1000), found


def test_every_broad_except_gives_its_reason() -> None:
    """A comment on its line or the next one says why this edge must catch everything."""
    silent = []
    for path, line in _broad_excepts():
        beside = _text(path).splitlines()[max(0, line - 2) : line + 1]
        said = " ".join(re.sub(r"#\s*noqa(:\s*[A-Z0-9, ]+)?", "#", text) for text in beside if "#" in text)
        if not re.search(r"#.*[a-z]{3,}", said):
            silent.append(f"{path}:{line}")
    assert silent == []


def test_every_room_says_what_it_owns() -> None:
    """Each module of the packages begins with a docstring."""
    assert [str(path) for path in package_sources() if not ast.get_docstring(_module(path))] == []


def test_every_test_states_its_law() -> None:
    """A test without a docstring says what runs, not what must hold."""
    mute = [
        f"{path}:{function.lineno} {function.name}"
        for path in suite_sources()
        if path.name.startswith("test_") or path.name.endswith("_contract.py")
        for function in _functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert mute == []


def test_test_files_have_globally_unique_names() -> None:
    """Tests are imported by file name alone; `run.py` is a command, started by its path."""
    names = Counter(path.name for path in suite_sources() if path.name not in {"conftest.py", "run.py"})
    assert [name for name, count in names.items() if count > 1] == []
    assert "__init__.py" not in names


def test_no_mocks() -> None:
    """Fakes stand at the seams and are stricter than the real thing; nothing of ours is mocked."""
    word = re.compile(r"^\s*(from|import) +(unittest[. ]*(import )?mock|mock|pytest_mock)\b", re.MULTILINE)
    assert [str(path) for path in suite_sources() if word.search(_text(path))] == []


@pytest.mark.parametrize("pattern", [r"asyncio\.get_event_loop\(", r"^\s*print\(.*file=None", r"\bassert 0\b"])
def test_left_over_idioms_are_gone(pattern: str) -> None:
    """Idioms that only a hurried hand leaves behind."""
    found = re.compile(pattern, re.MULTILINE)
    assert [str(path) for path in package_sources() if found.search(_text(path))] == []
