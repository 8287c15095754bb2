"""What an acceptance found, as plain data and as the text that is signed. The text is the report; HTML is made of it.

Owns: the lines of the text, strictly written and strictly read: `parse(text_of(report)) == report`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.errors import ConfigError

TITLE: Final = "考分设备验收报告 Kaofen rig acceptance report 1"
PASSED, PART, FAILED, NOT_THERE, NOT_DONE = "passed", "part", "failed", "absent", "not-done"
UNSEEN: Final = "unseen"  # not proven at this bench, and no failure of the rig
OUTCOMES: Final = {
    PASSED: "合格",
    PART: "部分验证",
    FAILED: "不合格",
    NOT_THERE: "设备无此功能",
    NOT_DONE: "未进行",
    UNSEEN: "本台未验证",
}
TRIALS: Final = {
    "profile": ("描述文件", "profile"),
    "identity": ("身份", "identity"),
    "limits": ("边界", "limits"),
    "coherence": ("负载下一致读取", "coherence under load"),
    "order": ("顺序与重复", "order and repetition"),
    "clock": ("时钟", "clock"),
    "kept": ("未确认成绩保留", "unacknowledged results kept"),
    "restart": ("断电重启", "restart"),
    "handshake": ("确认握手", "handshake"),
    "ready": ("网关未就绪时拒考", "refusal while no gateway is ready"),
    "seen": ("出现过的代码", "codes that were seen"),
}
_HEAD: Final = (
    ("serial", "序列号 serial"),
    ("firmware", "固件 firmware"),
    ("profile", "描述文件 profile"),
    ("sha256", "散列 sha256"),
    ("guarantee", "保证 guarantee"),
    ("place", "地址 place"),
    ("by", "验收人 by"),
    ("driven", "操作 driven by"),
    ("began", "开始 began"),
    ("ended", "结束 ended"),
    ("tool", "工具 tool"),
    ("key", "密钥 key"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One test: what came of it, and its evidence in both languages."""

    id: str
    outcome: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of it."""

    serial: str
    firmware: str
    profile: str
    sha256: str
    guarantee: str
    place: str
    by: str
    driven: str
    began: str
    ended: str
    tool: str
    key: str
    trials: tuple[Trial, ...]

    @property
    def verdict(self) -> str:
        """Failed if anything failed or was not done; in part if anything was shown in part."""
        outcomes = {trial.outcome for trial in self.trials}
        if not outcomes or outcomes & {FAILED, NOT_DONE}:
            return FAILED
        return PART if PART in outcomes else PASSED


def plain(text: str) -> str:
    """One line that can stand in the text."""
    return " ".join("".join(char if char.isprintable() else " " for char in text.replace("|", "/")).split())


def text_of(report: Report) -> str:
    """The text that is signed."""
    lines = [TITLE, f"结论 verdict: {report.verdict} {OUTCOMES[report.verdict]}"]
    lines += [f"{label}: {plain(getattr(report, name))}" for name, label in _HEAD]
    lines += [
        f"试验 {one.id}: {one.outcome} {OUTCOMES[one.outcome]} | {plain(one.zh)} | {plain(one.en)}"
        for one in report.trials
    ]
    return "\n".join(lines) + "\n"


def parse(text: str) -> Report:
    """Raises ConfigError that names the line."""
    lines = text.rstrip("\n").split("\n")
    if lines[0] != TITLE:
        raise ConfigError("line 1: not a report of `rig accept`, or of a newer program")
    values: dict[str, str] = {}
    for number, (name, label) in enumerate(_HEAD, 3):
        if len(lines) < number or not lines[number - 1].startswith(f"{label}: "):
            raise ConfigError(f"line {number}: {label} is missing")
        values[name] = lines[number - 1].removeprefix(f"{label}: ")
    first = len(_HEAD) + 3
    report = Report(
        **values, trials=tuple(_trial(number, line) for number, line in enumerate(lines[first - 1 :], first))
    )
    if text_of(report) != text:
        raise ConfigError("line 2: the verdict is not what the trials say, or a line is not as this program writes it")
    return report


def _trial(number: int, line: str) -> Trial:
    head, _, rest = line.partition(": ")
    outcome, zh, en = [*rest.split(" | "), "", ""][:3]
    level = outcome.partition(" ")[0]
    if not head.startswith("试验 ") or head.removeprefix("试验 ") not in TRIALS or level not in OUTCOMES:
        raise ConfigError(f"line {number}: no trial that this program knows")
    return Trial(head.removeprefix("试验 "), level, zh, en)
