"""Fuzz target of what answers the doctor's question to the server: our server, another one, a portal, or noise.

The law besides: there is always something to say, and all of it can be printed on one line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz_targets import Target

from gateway.doctor.answer import read_answer
from gateway.doctor.report import as_text

if TYPE_CHECKING:
    from gateway.doctor.report import Finding

NOW_S = 1_795_000_000.0


class NoServerError(Exception):
    """It is no answer of ours."""


def parse_answer(data: bytes) -> list[Finding]:
    """What the doctor finds."""
    found = list(read_answer(data, NOW_S))
    assert found
    for line in as_text(found, ("en", "zh")).split("\n"):
        assert line.isprintable(), "an answer wrote to the terminal"
    as_text(found, ("zh", "en")).encode()
    if found[0].step == "server answer":
        raise NoServerError(found[0].en)
    return found


def _seeds() -> list[bytes]:
    head = b"HTTP/1.1 404 Not Found\r\nDate: Thu, 26 Nov 2026 10:00:00 GMT\r\nContent-Length: 40\r\n\r\n"
    return [
        b"HTTP/1.1 200 OK\r\ndate: Thu, 26 Nov 2026 10:00:00 GMT\r\n\r\nexam.example/gw/gw-01/0\n",
        head + b'{"title":"not here","detail":"gateway gw-01 is not enrolled"}',
        b'HTTP/1.1 403 Forbidden\r\n\r\n{"detail":"\\ud800\\u001b[2J"}',
        b"HTTP/1.0 302 Found\r\nLocation: http://portal.example/\r\n\r\n<html>",
        b"HTTP/1.1 \xb200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ]


TARGETS = [
    Target(
        name="doctor-answer",
        parse=parse_answer,
        refusals=(NoServerError,),
        encode=None,
        seeds=_seeds,
        tokens=(
            b"\r\n",
            b"\r\n\r\n",
            b"Date: ",
            b"HTTP/1.1 ",
            b'{"detail":',
            b"[" * 3000,
            b"-9999",
            b"\\ud800",
            b"\x1b",
        ),
    )
]
