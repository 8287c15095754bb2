"""Errors to HTTP, in one table (RFC 9457 bodies; a 409 answers with the size as C2SP does).

Refused     its own status
Behind      409, body: the size, text/x.tlog.size
Busy        429 or 503 with Retry-After
Damaged     503 with Retry-After: an operator must look, the sender keeps its entries
Fatal       503 with Retry-After: this process ends, another one answers the retry
anything    500
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from scorelog.format.upload import SIZE_TYPE, encode_size_answer
from server import limits
from server.errors import Behind, Busy, Damaged, Fatal, Refused

PROBLEM_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the connection."""

    status: int
    body: bytes
    content_type: str
    retry_after_s: int | None = None
    close: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()


def to_answer(error: BaseException) -> Answer:
    """The answer for anything that can be raised."""
    if isinstance(error, Behind):
        return Answer(409, encode_size_answer(error.size), SIZE_TYPE)
    if isinstance(error, Refused):
        unread = error.status in {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT}
        return problem(error.status, error.reason, close=unread, newest=error.newest)
    if isinstance(error, Busy):
        return problem(error.status, error.reason, error.retry_after_s)
    if isinstance(error, Damaged):
        return problem(503, "the stored log is damaged; an operator was alarmed", limits.DAMAGED_RETRY_S)
    if isinstance(error, Fatal):
        return problem(503, "the server is stopping after a failed write", limits.RETRY_AFTER_S, close=True)
    return problem(500, "internal error")


def problem(
    status: int, detail: str, retry_after_s: int | None = None, *, close: bool = False, newest: int | None = None
) -> Answer:
    """An RFC 9457 body; `detail` never holds anything personal."""
    document: dict[str, str | int] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if newest is not None:
        document["newest_generation"] = newest
    return Answer(status, json.dumps(document, ensure_ascii=False).encode(), PROBLEM_TYPE, retry_after_s, close)
