"""What the doctor makes of an answer that no server of ours gave: a finding in words, whatever came."""

from __future__ import annotations

import pytest

from gateway.doctor.answer import read_answer
from gateway.doctor.report import as_text

NOW_S = 1_795_000_000.0
NOT_OURS = "none that our server gives"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
    ],
)
def test_what_is_no_status_is_no_answer(answer: bytes) -> None:
    """Found by fuzzing: digits that are no numbers, and numbers too long to be read, ended the doctor."""
    assert [NOT_OURS in one.en for one in read_answer(answer, NOW_S)] == [True]


def test_a_body_of_a_thousand_depths_gives_no_reason() -> None:
    """Found by fuzzing: brackets deeper than the reader goes ended the doctor."""
    (found,) = read_answer(b"HTTP/1.1 404 x\r\n\r\n" + b"[" * 100_000, NOW_S)
    assert found.en.endswith("(no reason given)")


def test_an_answer_writes_nothing_to_the_terminal_but_letters() -> None:
    """Found by fuzzing: escapes would paint the integrator's screen, and half a letter cannot be printed at all."""
    (found,) = read_answer(b'HTTP/1.1 403 x\r\n\r\n{"detail":"\\u001b[2J\\ud800 not\\nenrolled"}', NOW_S)
    assert found.en.endswith("( [2J  not enrolled)")
    assert as_text([found], ("zh", "en")).encode()


@pytest.mark.parametrize(
    ("date", "said"),
    [
        (b"Thu, 19 Nov 2026 10:00:00 GMT", "s against the server"),
        (b"Thu, 01 Jan 0001 00:00:00 +2359", "s against the server"),
        (b"Thu, 32 Nov 2026 10:00:00 GMT", "the server's date cannot be read"),
        (b"", "the server's date cannot be read"),
    ],
)
def test_a_date_is_read_or_called_unreadable(date: bytes, said: str) -> None:
    """The clock is compared with any date that there can be."""
    found, _ = read_answer(b"HTTP/1.1 200 OK\r\nDate: " + date + b"\r\n\r\n", NOW_S)
    assert said in found.en
