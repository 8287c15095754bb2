"""Calls that the format refuses, and calls at a limit that it takes: plans, their openings, rubrics, scores.

Data for tests/unit/scorelog_format/test_format_words.py: what a refusal says is frozen in tests/vectors/refusals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from format_samples import RUBRIC
from plan_samples import plan_document, plan_openings

from scorelog.format import limits, plan, rubric, scoring
from scorelog.format.scoring import Deduction, ItemScore

if TYPE_CHECKING:
    from collections.abc import Callable

Calls = dict[str, "Callable[[], object]"]

_RUBRIC: Final = rubric.parse_rubric(RUBRIC)
_LONG: Final = "长" * 200


def _plan(where: str, value: Any) -> object:
    """The sample plan with one value put at a path; `...` takes the key out."""
    made = plan_document()
    *path, last = [int(step) if step.isdigit() else step for step in where.split(".")]
    at: Any = made
    for step in path:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return plan.encode_plan(made)


_RIG: Final = "rooms.0.stations.0.rigs.0"
_STATION: Final = "rooms.0.stations.0"
_SESSION: Final = "sessions.0"
_CANDIDATE: Final = "sessions.0.candidates.0"


def _opening(**changed: Any) -> object:
    made: dict[str, Any] = {**plan_openings()[0].to_json(), **changed}
    return plan.parse_openings([made])


def _rubric(old: str, new: str, count: int = 1) -> object:
    assert old in RUBRIC
    return rubric.parse_rubric(RUBRIC.replace(old, new, count))


def _score(code: str, *taken: Deduction, outcome: str = "finished") -> ItemScore:
    return scoring.score_item(_RUBRIC.item(code), taken, outcome)


def _attempt(*codes: str) -> object:
    return scoring.score_attempt(_RUBRIC, [ItemScore(code, 8000) for code in codes])


REFUSED: Final[Calls] = {
    "plan: no object": lambda: plan.parse_plan(b"[]"),
    "plan: bytes beyond": lambda: plan.parse_plan(bytes(limits.PLAN_BYTES_MAX + 1)),
    "plan: no JSON in it": lambda: _plan("point", {"a": 1.5}),
    "plan: an unknown key": lambda: _plan(f"{_CANDIDATE}.name", "x"),
    "plan: a version": lambda: _plan("v", 2),
    "plan: its number": lambda: _plan("version", 0),
    "plan: published": lambda: _plan("published", "yesterday"),
    "plan: no point": lambda: _plan("point", []),
    "plan: its id": lambda: _plan("point.id", "HN"),
    "plan: no English": lambda: _plan("point.name.en", ""),
    "plan: no Chinese": lambda: _plan("point.name.zh", ""),
    "plan: no text": lambda: _plan("point.name.zh", 1),
    "plan: a region": lambda: _plan("point.region", "4301"),
    "plan: gateways": lambda: _plan("point.gateways", ["gw-01", "GW"]),
    "plan: a gateway twice": lambda: _plan("point.gateways", ["gw-01", "gw-02", "gw-01"]),
    "plan: no rooms": lambda: _plan("rooms", ...),
    "plan: a room": lambda: _plan("rooms.0", 1),
    "plan: a room's id": lambda: _plan("rooms.0.id", "房"),
    "plan: a room twice": lambda: _plan("rooms", plan_document()["rooms"] * 2),
    "plan: a station's id": lambda: _plan(f"{_STATION}.id", ""),
    "plan: a station twice": lambda: _plan("rooms.0.stations.1.id", "A-01"),
    "plan: a serial": lambda: _plan(f"{_RIG}.serial", "LV 1"),
    "plan: a serial beyond": lambda: _plan(f"{_RIG}.serial", "L" * 33),
    "plan: a rig twice": lambda: _plan(f"{_RIG}.serial", "LV-0002"),
    "plan: a gateway of nobody": lambda: _plan(f"{_RIG}.gateway", "gw-03"),
    "plan: a purpose": lambda: _plan(f"{_RIG}.purpose", "fun"),
    "plan: a wire": lambda: _plan(f"{_RIG}.wire", "rope"),
    "plan: an item": lambda: _plan(f"{_RIG}.items", ["K21", "k"]),
    "plan: an item twice": lambda: _plan(f"{_RIG}.items", ["K21", "K21"]),
    "plan: no items": lambda: _plan(f"{_RIG}.items", {}),
    "plan: a session": lambda: _plan(f"{_SESSION}.id", "一"),
    "plan: a session twice": lambda: _plan("sessions", plan_document()["sessions"] * 2),
    "plan: an occupation": lambda: _plan(f"{_SESSION}.occupation", "X"),
    "plan: a rubric": lambda: _plan(f"{_SESSION}.rubric", "5C" * 32),
    "plan: a time": lambda: _plan(f"{_SESSION}.opens", 1),
    "plan: closed before it opens": lambda: _plan(f"{_SESSION}.closes", "2026-11-23T00:30:00Z"),
    "plan: an attempt": lambda: _plan(f"{_CANDIDATE}.attempt", _LONG),
    "plan: an attempt twice": lambda: _plan(f"{_CANDIDATE}.attempt", "0a0b0c0d0e0f01020304050607080910"),
    "plan: a try": lambda: _plan(f"{_CANDIDATE}.try", limits.PLAN_TRY_MAX + 1),
    "plan: no try": lambda: _plan(f"{_CANDIDATE}.try", 0),
    "plan: a field": lambda: _plan(f"{_CANDIDATE}.commitments.0.field", "phone"),
    "plan: a commitment": lambda: _plan(f"{_CANDIDATE}.commitments.0.sha256", "x"),
    "plan: a field twice": lambda: _plan(f"{_CANDIDATE}.commitments.0.field", "ticket"),
    "plan: no ticket": lambda: _plan(
        f"{_CANDIDATE}.commitments", plan_document()["sessions"][0]["candidates"][0]["commitments"][:1]
    ),
    "plan: nothing to do": lambda: _plan("sessions.0.candidates.1.items", []),
    "plan: too few places": lambda: _plan(f"{_CANDIDATE}.places", ["A-01"]),
    "plan: a place": lambda: _plan(f"{_CANDIDATE}.places", ["A-02", "A-09"]),
    "plan: a place without a name": lambda: _plan(f"{_CANDIDATE}.places", ["A-02", ""]),
    "plan: a place for other items": lambda: _plan(f"{_CANDIDATE}.places", ["A-01", "A-01"]),
    "plan: an item that only trains": lambda: _plan("sessions.0.candidates.1.items", ["K11"]),
    "plan: a long value": lambda: _plan("point.id", _LONG),
    "plan: a long key": lambda: _plan("k" * 90, 1),
    "parts: too small": lambda: plan.parts("x", 3),
    "parts: a surrogate": lambda: plan.parts("ab\ud800"),
    "parts: another text": lambda: plan.join(["a", "b"], "00" * 40),
    "openings: no list": lambda: plan.parse_openings({}),
    "openings: no object": lambda: plan.parse_openings([plan_openings()[0].to_json(), "x"]),
    "openings: no attempt": lambda: _opening(attempt="9F" * 16),
    "openings: another attempt": lambda: _opening(attempt=1),
    "openings: another field": lambda: _opening(field="phone"),
    "openings: no blind": lambda: _opening(blind="00"),
    "openings: another blind": lambda: _opening(blind=None),
    "openings: no value": lambda: _opening(value=None),
    "openings: a surrogate": lambda: _opening(value="\ud800"),
    "openings: a value beyond": lambda: _opening(value="é" * 32_768),
    "rubric: bytes beyond": lambda: rubric.parse_rubric(bytes(limits.RUBRIC_BYTES_MAX + 1)),
    "rubric: not UTF-8": lambda: rubric.parse_rubric(b"# \xff"),
    "rubric: a surrogate": lambda: rubric.parse_rubric("\ud800"),
    "rubric: another version": lambda: _rubric("rubric = 1", "rubric = 2"),
    "rubric: an id": lambda: _rubric('id = "sample"', 'id = "S"'),
    "rubric: a long id": lambda: _rubric('id = "sample"', f'id = "{_LONG}"'),
    "rubric: its version": lambda: _rubric('version = "1"', 'version = ""'),
    "rubric: a status": lambda: _rubric('"default"', '"draft"'),
    "rubric: a pass mark": lambda: _rubric("8000", "10001"),
    "rubric: a retake": lambda: _rubric('"whole"', '"never"'),
    "rubric: a long retake": lambda: _rubric('"whole"', f'"{_LONG}"'),
    "rubric: a huge number": lambda: _rubric("8000", "0x" + "f" * 5000),
    "rubric: a false number": lambda: _rubric("8000", "true"),
    "rubric: a long text as a number": lambda: _rubric("8000", f'"{_LONG}"'),
    "rubric: no English": lambda: _rubric('en = "Low-voltage electrician"', 'en = ""'),
    "rubric: no subjects": lambda: rubric.parse_rubric(RUBRIC.partition("[[subject]]")[0] + "subject = []\n"),
    "rubric: a subject": lambda: rubric.parse_rubric(RUBRIC.partition("[[subject]]")[0] + "subject = [1]\n"),
    "rubric: a subject twice": lambda: _rubric('"K2"', '"K1"'),
    "rubric: a code": lambda: _rubric('"K1"', '"k1"'),
    "rubric: an item twice": lambda: _rubric('"K12"', '"K11"'),
    "rubric: an item of another subject": lambda: _rubric('"K21"', '"K11"'),
    "rubric: an item's code": lambda: _rubric('"K12"', '"K-12"'),
    "rubric: weights": lambda: _rubric("weight = 6000", "weight = 6001"),
    "rubric: a weight": lambda: _rubric("weight = 6000", "weight = -1"),
    "rubric: draws beyond": lambda: _rubric("draws = 2", "draws = 21"),
    "rubric: more draws than items": lambda: _rubric("draws = 2", "draws = 3"),
    "rubric: draws that do not divide": lambda: _rubric("weight = 4000", "weight = 4001"),
    "rubric: a limit": lambda: _rubric("limit_s = 600", "limit_s = 65536"),
    "rubric: an effect": lambda: _rubric('"item_zeroed"', '"nothing"'),
    "rubric: a line twice": lambda: _rubric("line = 2", "line = 1"),
    "rubric: a line beyond": lambda: _rubric("line = 2", "line = 100"),
    "rubric: maxima": lambda: _rubric("max = 6000", "max = 5999"),
    "rubric: an unknown key": lambda: _rubric("draws = 2", "draws = 2\nother = 1"),
    "rubric: an unknown key of a line": lambda: _rubric("veto = false", "veto = false\nvetos = 1"),
    "rubric: an unknown key of an item": lambda: _rubric("limit_s = 600", "limit_s = 600\nlimit = 1"),
    "rubric: a long unknown key": lambda: _rubric("draws = 2", f"draws = 2\n{'k' * 90} = 1"),
    "rubric: no such item": lambda: _RUBRIC.item("K" * 40),
    "scoring: a deduction": lambda: Deduction.from_fields({"line": 1, "points": "5"}),
    "scoring: a long deduction": lambda: Deduction.from_fields({"line": _LONG}),
    "scoring: a veto": lambda: Deduction.from_fields({"line": 1, "points": 5, "veto": 1}),
    "scoring: no such line": lambda: _score("K21", Deduction(3, 5)),
    "scoring: points below nothing": lambda: _score("K21", Deduction(2, -1)),
    "scoring: an item twice": lambda: _attempt("K11", "K11"),
    "scoring: no such item": lambda: _attempt("K99"),
    "scoring: more than drawn": lambda: _attempt("K11", "K21", "K22"),
}

TAKEN: Final[Calls] = {
    "plan: tries": lambda: [_plan(f"{_CANDIDATE}.try", count) for count in (1, limits.PLAN_TRY_MAX)],
    "plan: a serial as long": lambda: _plan(f"{_RIG}.serial", "L" * limits.PLAN_SERIAL_CHARS_MAX),
    "plan: names as long": lambda: [_plan("rooms.0.id", "r" * 63), _plan("point.id", "p" * 63)],
    "parts: as small": lambda: plan.parts("😀" * 3, 4),
    "openings: a value as long": lambda: _opening(value="x" + "é" * 32_767),
    "rubric: marks": lambda: [_rubric("8000", mark) for mark in ("0", "10000")],
    "rubric: limits": lambda: [_rubric("limit_s = 600", f"limit_s = {limit}") for limit in (1, 65_535)],
    "rubric: lines": lambda: _rubric("line = 3", "line = 99"),
    "rubric: as long": lambda: rubric.parse_rubric(RUBRIC + "#" * (limits.RUBRIC_BYTES_MAX - len(RUBRIC.encode()))),
    "scoring: nothing off": lambda: _score("K21", Deduction(2, 0)),
}
