"""What the server said to the doctor's one question: clock and enrolment. Pure.

Whoever answers may be no server of ours: whatever bytes came give findings and nothing else, and of its words only what
can be printed is shown.
"""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from gateway.doctor.report import fail, good, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.doctor.report import Finding

_SKEW_S: Final = 5.0
_DETAIL_MAX: Final = 200
_STATUS_LINE: Final = re.compile(r"HTTP/1\.[0-9]+ ([1-5][0-9][0-9])(?: .*)?")
_STATUS: Final = {
    200: ("ok", "the server knows this gateway and its log", "服务器认识本网关及其日志"),
    403: ("FAIL", "the server refuses this gateway. Ask its operator", "服务器拒绝本网关，请联系服务器管理员"),
    404: ("warn", "not enrolled, or nothing of this log arrived yet", "未登记，或尚未收到本日志的任何内容"),
}


def read_answer(answer: bytes, now_s: float) -> Iterator[Finding]:
    """Of a whole HTTP answer, or of whatever came instead; `now_s` is this clock when it came."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = _STATUS_LINE.fullmatch(first)
    if status is None:
        yield fail("server answer", "none that our server gives. Ask its operator.", "应答异常，请联系服务器管理员。")
        return
    date = next((line[5:].strip() for line in lines if line.lower().startswith("date:")), None)
    if date is not None:
        yield _skew(date, now_s)
    yield _enrolment(int(status[1]), body)


def _skew(date: str, now_s: float) -> Finding:
    try:
        ahead = now_s - parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):  # what the parser of dates is known to let out
        return warn("clock and server", "the server's date cannot be read", "无法读取服务器时间")
    en, zh = f"{ahead:+.0f} s against the server", f"与服务器相差 {ahead:+.0f} 秒"
    if abs(ahead) <= _SKEW_S:
        return good("clock and server", en, zh)
    return warn("clock and server", f"{en}: look at the time source", f"{zh}，请检查时间源")


def _enrolment(status: int, body: bytes) -> Finding:
    step, why = "enrolment", _detail(body)
    level, en, zh = _STATUS.get(status, ("FAIL", f"the server answers {status}", f"服务器应答 {status}"))
    if level == "ok":
        return good(step, en, zh)
    return (warn if level == "warn" and "enrolled" not in why else fail)(step, f"{en} ({why})", f"{zh}（{why}）")


def _detail(body: bytes) -> str:
    try:
        told = str(json.loads(body)["detail"])[:_DETAIL_MAX]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "no reason given"
    return "".join(letter if letter.isprintable() else " " for letter in told)
