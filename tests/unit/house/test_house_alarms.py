"""Every kind of alarm that the server raises has its words on the pages: a name, what it means, what to do."""

from __future__ import annotations

import ast
import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

from tree import ROOT, package_sources

from server.people.alertwords import MEANINGS
from server.people.i18n import LOCALES, read_catalogue
from server.people.words import ALERTS

if TYPE_CHECKING:
    from collections.abc import Iterator

# By the name of what is called: which argument is the kind. What passes a kind on, under whatever name, is here too.
RAISERS = {"alarm": 0, "_raise": 0, "Alert": 0, "_alert": 1, "_whole_alert": 0, "Refuse": 2, "keep_refused": 3}
SEVERITIES = {"alarm", "warning", "notice"}


class Kinds:
    """The kinds that one module names where something is raised."""

    def __init__(self, module: Any, tree: ast.Module) -> None:
        self._module = module
        self._tree = tree

    def found(self) -> Iterator[str]:
        """As literals or by the constants of this module or another one."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call):
                yield from self._of_call(node)
            elif isinstance(node, ast.Tuple) and len(node.elts) == 2:  # a table: kind and severity
                kind, severity = node.elts
                if isinstance(severity, ast.Constant) and severity.value in SEVERITIES:
                    yield from set(self._values(kind)) - SEVERITIES
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.defaults:
                for name, default in zip(reversed(node.args.args), reversed(node.args.defaults), strict=False):
                    if name.arg == "kind":
                        yield from self._values(default)

    def _of_call(self, call: ast.Call) -> Iterator[str]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name not in RAISERS:
            return
        given = call.args[RAISERS[name] : RAISERS[name] + 1]
        for expression in given + [keyword.value for keyword in call.keywords if keyword.arg == "kind"]:
            yield from self._values(expression)

    def _values(self, expression: ast.expr) -> Iterator[str]:
        if isinstance(expression, ast.Constant):
            yield from [expression.value] if isinstance(expression.value, str) else []
        elif isinstance(expression, ast.IfExp):
            yield from self._values(expression.body)
            yield from self._values(expression.orelse)
        elif isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
            value = getattr(getattr(self._module, expression.value.id, None), expression.attr, None)
            yield from [value] if isinstance(value, str) else []
        elif isinstance(expression, ast.Name):
            value = getattr(self._module, expression.id, None)
            yield from [value] if isinstance(value, str) else self._assigned(expression.id)

    def _assigned(self, name: str) -> Iterator[str]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign) and any(isinstance(at, ast.Name) and at.id == name for at in node.targets):
                yield from self._values(node.value)


@cache
def raised() -> frozenset[str]:
    """Of the whole server."""
    found: set[str] = set()
    for path in package_sources():
        text = (ROOT / path).read_text(encoding="utf-8")
        if path.parts[0] == "server" and any(f"{name}(" in text for name in RAISERS):
            module = importlib.import_module(".".join(path.with_suffix("").parts))
            found |= set(Kinds(module, ast.parse(text)).found())
    return frozenset(found)


def test_every_alarm_that_is_raised_has_words() -> None:
    """A kind without words would stand on the page as a code: each has a name and a meaning, in both languages."""
    english = read_catalogue(LOCALES / "en.po")
    assert raised() - set(ALERTS) == set()
    assert raised() - set(MEANINGS) == set()
    assert {kind for kind in raised() if not {ALERTS[kind], MEANINGS[kind]} <= set(english)} == set()


def test_the_kinds_are_found_however_they_are_named() -> None:
    """A literal, a constant, another module's constant, a choice, a table, a default: none escapes the look above."""
    named = {"gateway_silent", "generation_lost", "wrong_origin", "rolled_back", "clock_stepped", "revoked"}
    assert named <= raised()


def test_no_words_are_kept_for_what_nothing_raises() -> None:
    """Words without an alarm are an alarm that was taken out, or one that this test does not see."""
    assert set(ALERTS) - raised() == set()
