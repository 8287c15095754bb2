"""What a maker's words mean in a profile: the likely name of a field, and our words for a rig's states, modes and ends.

Owns: the words. A guess, and told as one; what is not known gives None. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The narrow words first.
ROLES: tuple[tuple[str, str], ...] = (
    (r"准考证|考生编号|考号|ticket|candidate (no|id)", "ticket"),
    (r"姓名|candidate name|^name$", "name"),
    (r"身份证|id (card|number)", "identity"),
    (r"序列号|设备编号|机号|设备号|serial", "serial"),
    (r"启动次数|上电次数|重启|boot", "boot"),
    (r"最早.*号|oldest", "oldest_seq"),
    (r"(已|所)(确认|应答).*号|acked|acknowledged", "acked_seq"),
    (r"确认|应答|ack", "ack"),
    (r"最新.*号|last[ _]seq|newest", "last_seq"),
    (r"流水号|记录号|成绩序号|sequence|\bseq", "seq"),
    (r"故障代?码|fault code|error code", "fault"),
    (r"项目序数|第几项|ordinal", "ordinal"),
    (r"考试编号|考试序号|exam (no|number)", "exam_no"),
    (r"结束方式|完成方式|考试结果|结果代码|outcome", "outcome"),
    (r"状态|state|status", "state"),
    (r"模式|mode", "mode"),
    (r"开始时间|start(ed)? time", "started"),
    (r"结束时间|完成时间|(end|finish)(ed)? time", "finished"),
    (r"用时|耗时|elapsed|duration", "elapsed_s"),
    (r"限时|时限|time limit", "limit_s"),
    (r"(当前|实时)(成绩|得分)|running score", "running_score"),
    (r"成绩|得分|总分|分数|score", "score"),
    (r"否决|veto", "veto_lines"),
    (r"扣分位|违规位|fault bits", "faults"),
    (r"扣分|deduct", "points"),
    (r"科目|项目|题号|item", "item"),
    (r"校验|crc|checksum", "crc"),
    (r"心跳|heartbeat", "heartbeat"),
)
PERSONAL = frozenset({"ticket", "name", "identity"})
_AGAIN = re.compile(r"复核|重复|再次|again|repeat")
_TWICE = frozenset({"seq", "last_seq"})  # a number that stands before and behind its record
_LIVE = {"seq": "last_seq", "score": "running_score"}  # what these are called in a status block

_OURS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "state": (
        (r"空闲|待机|idle|standby", "idle"),
        (r"故障|报警|fault|error", "fault"),
        (r"结束|完成|完毕|finish|done", "finished"),
        (r"登录|就绪|已刷卡|待考|open|ready", "open"),
        (r"考试中|运行|进行|操作|running|busy", "running"),
    ),
    "mode": (
        (r"练习|训练|培训|practice|training", "practice"),
        (r"维护|检修|调试|maint", "maintenance"),
        (r"考试|考核|exam", "exam"),
    ),
    "outcome": (
        (r"超时|time.?out", "timeout"),
        (r"中止|终止|放弃|abort", "aborted"),
        (r"否决|veto", "veto"),
        (r"完成|正常|finish|complete", "finished"),
    ),
}


def role_of_name(name: str, block: str = "") -> str | None:
    """The field's likely name in a profile; in a status block some have another one."""
    plain = name.strip().lower()
    role = next((role for pattern, role in ROLES if re.search(pattern, plain)), None)
    if role is not None and block == "status":
        role = _LIVE.get(role, role)
    return f"{role}_again" if role in _TWICE and _AGAIN.search(plain) else role


def ours_of(role: str, codes: Mapping[int, str]) -> Mapping[int, str] | None:
    """Our words for all of a maker's codes of this role, or None: a table half translated would be no help."""
    words = _OURS.get(role)
    if words is None or not codes:
        return None
    found = {number: _word(words, meaning) for number, meaning in codes.items()}
    return None if None in found.values() else {number: word for number, word in found.items() if word is not None}


def _word(words: tuple[tuple[str, str], ...], meaning: str) -> str | None:
    plain = meaning.lower()
    return next((word for pattern, word in words if re.search(pattern, plain)), None)
