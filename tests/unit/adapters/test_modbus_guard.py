"""The guard's judgement of replies, byte by byte, against vectors laid out by hand; and the refusals' pace."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_adapters.latching.refusals import Refusals
from device_adapters.limits import ATTEMPTS, REFUSAL_AGAIN_S, RETRY_MAX_S, STATUS_RETRY_MAX_S
from device_adapters.modbus.mbap import frame_length, reply_fault
from device_adapters.observation import Evidence

CASES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parents[2] / "vectors/modbus/replies.toml").read_text())[
    "case"
]
GOOD = [(bytes.fromhex(case["request"]), bytes.fromhex(reply)) for case in CASES for reply in case["good"]]
BAD = [(bytes.fromhex(case["request"]), bad) for case in CASES for bad in case["bad"]]


@pytest.mark.parametrize(("request_", "reply"), GOOD)
def test_an_answer_is_accepted_at_every_byte_of_its_way(request_: bytes, reply: bytes) -> None:
    """P5: no prefix of a right answer is taken for a fault, and its end is known."""
    assert [reply_fault(request_, reply[:end]) for end in range(len(reply) + 1)] == [None] * (len(reply) + 1)
    assert frame_length(reply) == len(reply)


@pytest.mark.parametrize(("request_", "bad"), BAD, ids=lambda value: value["why"] if isinstance(value, dict) else "")
def test_a_wrong_answer_is_refused_at_its_first_wrong_byte(request_: bytes, bad: dict[str, Any]) -> None:
    """P5: not a byte later, with the reason in words."""
    reply = bytes.fromhex(bad["reply"])
    faults = [reply_fault(request_, reply[:end]) for end in range(len(reply) + 1)]
    assert faults[: bad["at"]] == [None] * bad["at"]
    assert all(faults[bad["at"] :])
    assert bad["why"] in str(faults[-1])


@given(st.sampled_from(GOOD), st.binary(max_size=300))
def test_only_the_frames_that_answer_are_whole_and_faultless(pair: tuple[bytes, bytes], received: bytes) -> None:
    """P5, fuzz: a complete frame without a fault has every id, function, count and length of the answer."""
    request = pair[0]
    for tried in (received, request[:4] + received, pair[1][:8] + received):
        if reply_fault(request, tried) is None and len(tried) >= 9 and len(tried) == frame_length(tried):
            assert tried[:4] == request[:4]
            assert tried[6] == request[6]
            assert tried[7] & 0x7F == request[7]
            if tried[7] in {3, 4}:
                assert tried[8] == len(tried) - 9 == 2 * int.from_bytes(request[10:12], "big")
            if tried[7] in {1, 2}:
                count = int.from_bytes(request[10:12], "big")
                assert tried[8] == len(tried) - 9 == -(-count // 8)
                assert int.from_bytes(tried[9:], "little") < 1 << count
            if tried[7] in {5, 15, 16}:
                assert tried[8:] == request[8:12]


def refusal(detail: str = "x", asked: int | None = 7) -> Evidence:
    return Evidence("LV-0001", "crc", detail, asked)


@pytest.mark.parametrize(("asked", "longest"), [(7, RETRY_MAX_S), (None, STATUS_RETRY_MAX_S)])
def test_the_third_failure_is_told_and_the_pauses_grow_to_their_limit(asked: int | None, longest: float) -> None:
    """G1: two silent tries, then one round of three after pauses of 1, 2, 4 s … 5 min; of the status block, 10 s."""
    refusals, now, pauses, told = Refusals(), 0.0, [], []
    for _ in range(12):
        assert refusals.given_up(asked) == bool(pauses)
        told += [now for _ in range(ATTEMPTS) if refusals.failed(refusal(asked=asked), now)]
        pauses.append(refusals.pause_s(asked, now))
        now += pauses[-1]
    assert pauses == [min(2.0**number, longest) for number in range(12)]
    assert told[0] == 0
    assert all(later - sooner >= REFUSAL_AGAIN_S for sooner, later in itertools.pairwise(told))


def test_another_refusal_is_told_at_once_and_the_same_again_after_a_while() -> None:
    """The log learns of every change, and is not filled by one bad record."""
    refusals = Refusals()
    assert [refusals.failed(refusal("a"), 0) for _ in range(3)][-1]
    assert [refusals.failed(refusal("b"), 1) for _ in range(3)][-1]
    assert not any(refusals.failed(refusal("b"), 1 + REFUSAL_AGAIN_S - 1) for _ in range(3))
    assert [refusals.failed(refusal("b"), 1 + REFUSAL_AGAIN_S) for _ in range(3)][-1]


def test_records_are_counted_apart_and_success_forgets() -> None:
    """P8: trouble with one record says nothing about another."""
    refusals = Refusals()
    for asked in (7, 8, None):
        refusals.failed(refusal(asked=asked), 0)
        refusals.failed(refusal(asked=asked), 0)
    refusals.good(7)
    assert not refusals.failed(refusal(asked=7), 0)
    assert refusals.failed(refusal(asked=8), 0)
    assert refusals.failed(refusal(asked=None), 0)
    assert (refusals.pause_s(7, 0), refusals.pause_s(8, 0)) == (0, 1)
