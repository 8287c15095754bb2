"""The report on paper: one HTML file of its own, A4, Chinese first. A pure function of the signed note.

Owns: the form, and the way back: the note stands whole at the end, so that the file proves itself.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from html import escape, unescape
from typing import Final

from gateway.errors import ConfigError
from gateway.rig.accept.report import FAILED, NOT_DONE, OUTCOMES, TRIALS, Report

_CHINA: Final = timezone(timedelta(hours=8))
_STYLE: Final = """
@page { size: A4; margin: 18mm 16mm }
body { font: 10.5pt/1.5 "Noto Serif CJK SC", "Source Han Serif SC", SimSun, serif;
  color: #000; max-width: 178mm; margin: 0 auto }
h1 { font-size: 18pt; text-align: center; margin: 0 0 2mm }
h1 small, td small, th small { display: block; font-size: 9pt; font-weight: normal; color: #444 }
table { border-collapse: collapse; width: 100%; margin: 4mm 0 }
th, td { border: .3mm solid #000; padding: 1.2mm 2mm; text-align: left; vertical-align: top; overflow-wrap: anywhere }
th { width: 32mm; background: #eee }
.trials th { width: 38mm }
.trials th + th { width: 20mm }
.trials th:last-child { width: auto }
tr { break-inside: avoid }
.verdict { font-size: 14pt; text-align: center; border: .6mm solid #000; padding: 3mm; margin: 4mm 0 }
.bad { font-weight: bold; text-decoration: underline }
.code { font: 8.5pt/1.5 monospace; word-break: break-all }
.signs td { height: 16mm }
pre { font: 6.5pt/1.35 monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  border-top: .3mm solid #000; padding-top: 3mm }
"""
_HEAD: Final = (
    ("设备序列号", "Serial number", "serial"),
    ("固件版本", "Firmware", "firmware"),
    ("设备描述文件", "Profile", "profile"),
    ("描述文件散列", "Its SHA-256", "sha256"),
    ("读取保证", "Guarantee", "guarantee"),
    ("地址", "Place", "place"),
    ("验收人", "Accepted by", "by"),
    ("操作方式", "Driven by", "driven"),
    ("开始（北京时间）", "Began", "began"),
    ("结束（北京时间）", "Ended", "ended"),
    ("工具", "Tool", "tool"),
    ("签名密钥", "Signing key", "key"),
)
_NOTE: Final = re.compile(r'<pre id="signed">\n(.*?)</pre>', re.DOTALL)


def html_of(report: Report, note: bytes) -> str:
    """The page."""
    rows = "\n".join(
        f"<tr><th>{zh}<small>{en}</small></th>{_cell(name, getattr(report, name))}</tr>" for zh, en, name in _HEAD
    )
    trials = "\n".join(
        f"<tr><th>{TRIALS[one.id][0]}<small>{TRIALS[one.id][1]}</small></th><td{_mark(one.outcome)}>{OUTCOMES[one.outcome]}"
        f"<small>{one.outcome}</small></td><td>{escape(one.zh)}<small>{escape(one.en)}</small></td></tr>"
        for one in report.trials
    )
    return f"""<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><title>考分设备验收报告 {escape(report.serial)}</title><style>{_STYLE}</style></head>
<body>
<h1>考分设备验收报告<small>Kaofen rig acceptance report</small></h1>
<p class="verdict"><span{_mark(report.verdict)}>结论：{OUTCOMES[report.verdict]}</span> ({report.verdict})</p>
<table>
{rows}
</table>
<table class="trials">
<tr><th>试验<small>trial</small></th><th>结果<small>outcome</small></th><th>证据<small>evidence</small></th></tr>
{trials}
</table>
<table class="signs"><tr>
<td>验收人签字<small>Signature</small></td>
<td>考试机构签章<small>Seal of the authority</small></td>
<td>日期<small>Date</small></td>
</tr></table>
<p>以下为已签名原文，可用 kaofen-gateway rig accept --verify 校验本文件。<br>
The signed text follows; kaofen-gateway rig accept --verify proves this file by it.</p>
<pre id="signed">
{escape(note.decode())}</pre>
</body>
</html>
"""


def _cell(name: str, value: str) -> str:
    """A time as the authority's clock shows it; what is compared letter by letter in even type."""
    if name in {"sha256", "key"}:
        return f'<td class="code">{escape(value)}</td>'
    if name in {"began", "ended"}:
        try:
            there = datetime.fromisoformat(value).astimezone(_CHINA)
        except ValueError:
            return f"<td>{escape(value)}</td>"
        return f"<td>{there:%Y-%m-%d %H:%M:%S}<small>{escape(value)}</small></td>"
    return f"<td>{escape(value)}</td>"


def note_in(page: str) -> bytes:
    """The note that stands in a page. Raises ConfigError."""
    found = _NOTE.search(page)
    if found is None:
        raise ConfigError("no signed text in this page; is it a report of `rig accept`?")
    return unescape(found[1]).encode()


def _mark(outcome: str) -> str:
    return ' class="bad"' if outcome in {FAILED, NOT_DONE} else ""
