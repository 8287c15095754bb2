"""B9, coverage-guided: a walk that follows the lines gets behind conditions that a blind one does not meet together."""

from __future__ import annotations

import sys
from functools import cache

import pytest
from fuzz_lines import Lines
from fuzz_loop import Outcome, fuzz
from fuzz_targets import Target, all_targets
from long_times import TIMES, times

ADAPTERS = (
    "doctor-answer", "heard-message", "json-spans", "live-status-message", "message-capture", "modbus-record",
    "modbus-status", "profile", "push-batch", "push-request", "push-signature", "pushed-body", "record-message",
    "rig-capture", "rig-message", "rig-plain-values", "rtu-answer", "spark-birth", "spark-data", "spark-payload",
    "tcp-answer", "toml-lines",
)  # fmt: skip
RUNS = 120


class Refused(Exception):  # noqa: N818  # what the parser below refuses with
    """Always in the same words: the kinds of refusal lead nowhere."""


def doors(data: bytes) -> None:
    """Four doors behind each other, each opened by one bit."""
    if data[0:1] != b"\x01":
        raise Refused("no")
    if data[1:2] != b"\x02":
        raise Refused("no")
    if data[2:3] != b"\x04":
        raise Refused("no")
    if data[3:4] == b"\x08":
        raise AssertionError("behind all of them")


TOY = Target("doors", doors, (Refused,), None, lambda: [bytes(4)])


def test_a_guided_walk_gets_where_a_blind_one_does_not() -> None:
    """The same number of runs with the same mutations: what decides is that each opened door is kept."""
    assert fuzz(TOY, 5_000).kinds.total() == 5_000
    with pytest.raises(AssertionError, match="behind all of them"):
        fuzz(TOY, 5_000, guide=Lines((__file__,)))


@cache
def guided(name: str) -> tuple[Outcome, Lines]:
    lines = Lines()
    return fuzz(all_targets()[name], RUNS // min(8, all_targets()[name].slow), seed=3, guide=lines), lines


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_laws_of_the_decoders_hold_on_a_guided_walk(name: str) -> None:
    """B9: decoders, captures, the doctor's answers, pushes; what reaches further is kept and mutated again."""
    outcome, lines = guided(name)
    assert outcome.kinds["accepted"] > 0
    assert lines.seen


@pytest.mark.long
@pytest.mark.timeout(600 * TIMES)
@pytest.mark.parametrize("name", sorted(all_targets()))
def test_the_laws_of_all_parsers_hold_on_a_long_guided_walk(name: str) -> None:
    """B9, issue 5: each parser there is, bounded by runs; with another seed each way of the lines that were found."""
    target = all_targets()[name]
    runs = times(6_000) // target.slow
    assert fuzz(target, runs, seed=4, guide=Lines()).runs == runs


def test_what_runs_outside_our_packages_is_not_followed() -> None:
    """The lines of libraries and of the fuzzer itself guide nobody, and a walk leaves no trace function behind."""
    _, lines = guided("json-spans")
    assert {code.co_filename.rsplit("/", 2)[-2] for code, _ in lines.seen} <= {"language", "device_adapters"}
    assert sys.gettrace() != lines._called
