"""Which tests reach a mutant: the statement that it changes, and the tests that were seen to run that statement.

Owns the reading of mutmut's output (every mutant is a copy of its function beside the original) and of coverage
contexts. Runs nothing.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from coverage import CoverageData

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARK = "__mutmut_"
_METHOD = "ǁ"


class Reach:
    """Mutant → ids of the tests that run what it changes."""

    def __init__(self, sources: Path, mutants: Path, coverage: Path) -> None:
        self._sources, self._mutants = sources, mutants
        self._data = CoverageData(str(coverage))
        self._data.read()
        self._files = self._data.measured_files()
        self.known = {context.rpartition("|")[0] for context in self._data.measured_contexts() if context}

    def tests(self, mutant: str) -> set[str]:
        """Names of tests; a name that ends in `::` stands for all tests of that file."""
        module, _, function = mutant.rpartition(".")
        path = Path(*module.split(".")).with_suffix(".py")
        where = changed_lines(self._sources / path, self._mutants / path, function)
        contexts = self._contexts(path)
        found = {name for line in where.statement for name in contexts.get(line, ())}
        return _names(found or {name for line in where.function for name in contexts.get(line, ())})

    @cache  # noqa: B019  # one object a run
    def _contexts(self, path: Path) -> dict[int, list[str]]:
        (measured,) = (name for name in self._files if name.endswith(f"/{path}"))
        return self._data.contexts_by_lineno(measured)


def _names(contexts: set[str]) -> set[str]:
    """A fixture that several tests share is set up in the first of them: all tests of that file may notice."""
    found = set()
    for context in contexts - {""}:
        name, _, phase = context.rpartition("|")
        found.add(name if phase == "run" else name.partition("::")[0] + "::")
    return found


@dataclass(frozen=True, slots=True)
class Where:
    """Lines of the original file."""

    statement: range
    function: range


def changed_lines(source: Path, mutated: Path, mutant: str) -> Where:
    """The statement that a mutant changes, and its function."""
    name, _, _ = mutant.rpartition(_MARK)
    functions = _functions(mutated)
    before, after = functions[f"{name}{_MARK}orig"], functions[mutant]
    original = _functions(source)[name.removeprefix("x").removeprefix("_").strip(_METHOD).replace(_METHOD, ".")]
    lines = zip(_text(mutated, before), _text(mutated, after), strict=False)
    first = next((number for number, (one, two) in enumerate(lines) if number and one != two), 0)
    function = range(original.lineno, (original.end_lineno or original.lineno) + 1)
    line = original.lineno + first
    return Where(_statement(original, line) if first else function, function)


def diff(mutated: Path, mutant: str) -> list[str]:
    """What a mutant changes, in lines of minus and plus."""
    functions = _functions(mutated)
    before = functions[f"{mutant.rpartition(_MARK)[0]}{_MARK}orig"]
    pairs = list(zip(_text(mutated, before), _text(mutated, functions[mutant]), strict=False))[1:]
    return [f"{sign}{text.strip()}" for one, two in pairs if one != two for sign, text in (("-", one), ("+", two))]


@cache
def _functions(path: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text("utf-8"))
    return dict(_named(tree, ""))


def _named(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (child.name if _MARK in child.name else f"{prefix}{child.name}"), child
        elif isinstance(child, ast.ClassDef):
            yield from _named(child, f"{prefix}{child.name}.")


@cache
def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").split("\n")


def _text(path: Path, function: ast.AST) -> list[str]:
    return _lines(path)[function.lineno - 1 : function.end_lineno]  # type: ignore[attr-defined]


def _statement(function: ast.AST, line: int) -> range:
    """The innermost statement at a line; of one that holds others, the head."""
    best = range(line, line + 1)
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and node is not function and node.lineno <= line <= (node.end_lineno or 0):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            if line <= max(end, node.lineno):
                best = range(node.lineno, max(end, node.lineno) + 1)
    return best


def show(mutants: Path, names: Iterable[str]) -> Iterator[str]:
    """Each mutant and what it changes."""
    for name in names:
        module, _, function = name.rpartition(".")
        yield name
        yield from (f"    {line}" for line in diff(mutants.joinpath(*module.split(".")).with_suffix(".py"), function))


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in show(Path(sys.argv[1]), sys.stdin.read().split()))
