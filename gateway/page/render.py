"""Rows to one HTML page. Every text is escaped here; the one style sheet is inside, so that nothing else is fetched."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from gateway.page.facts import Facts, Row, local_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.page.words import Language

RENEW_S: Final = 5
_NAMED_MAX: Final = 6
_SIGNS: Final = {"ok": "✓", "warn": "◆", "bad": "▲", "": "·"}
_SHEET: Final = resources.files("gateway").joinpath("page/page.css").read_text("utf-8")
_SHEET_HASH: Final = base64.b64encode(hashlib.sha256(_SHEET.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_SHEET_HASH}'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def render(status: Mapping[str, Any], language: Language, now_us: int, *, renewing: bool = True) -> bytes:
    """The whole page."""
    facts = Facts(status, language, now_us)
    word = facts.word
    box, brokers, buses, rigs = facts.box(), facts.brokers(), facts.buses(), facts.rigs()
    pushes = facts.pushes()
    parts = [
        _table(facts, "box", ("thing", "value"), box, ""),
        _table(facts, "sessions", ("session", "value", "opens", "closes"), facts.sessions(), ""),
        _table(facts, "brokers", ("broker", "value", "reason"), brokers, ""),
        _table(facts, "pushes", ("push", "value", "connections", "reason"), pushes, ""),
        _table(facts, "buses", ("bus", "value", "waiting", "turn", "silent", "odd", "strays", "left"), buses, ""),
        _table(
            facts, "rigs", ("station", "serial", "value", "item", "last record", "since", "reason"), rigs, "no rigs"
        ),
        _table(facts, "refusals", ("time", "rig", "reason"), facts.refusals(), "no refusals"),
    ]
    page = f"""<!doctype html>
<html lang="{"zh-CN" if language == "zh" else "en"}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(word("title"))}</title><style>{_SHEET}</style></head>
<body>
<header><h1>{escape(word("title"))}</h1><span class="soft">{escape(str(status["origin"]))}</span>
{_nav(facts, language, renewing)}</header>
<main>
{_summary(facts, [*box, *brokers, *pushes, *buses, *rigs])}
<p class="soft">{escape(word("as of"))} <time>{local_time(now_us)}</time> ·
{escape(word("renews" if renewing else "paused"))}</p>
{"".join(parts)}
</main>
<footer><p>{escape(word("foot"))}<code>kaofen-gateway doctor</code> ·
{escape(str(status.get("software", "")))}</p></footer>
</body>
</html>
"""
    return page.encode()


def _nav(facts: Facts, language: Language, renewing: bool) -> str:
    other = "en" if language == "zh" else "zh"
    kept = "" if renewing else "&amp;renew=off"
    turn = f'<a href="/?lang={language}{"&amp;renew=off" if renewing else ""}">'
    turn += f"{escape(facts.word('pause' if renewing else 'renew'))}</a>"
    there = escape(facts.word("other"))
    return f'<nav>{turn}<a href="/?lang={other}{kept}" lang="{other}" hreflang="{other}">{there}</a></nav>'


def _summary(facts: Facts, rows: Sequence[Row]) -> str:
    bad = [row for row in rows if row.mark == "bad"]
    if not bad:
        return f'<p class="sum sum-ok">✓ {escape(facts.word("all good"))}</p>'
    names = ", ".join(row.cells[0] for row in bad[:_NAMED_MAX])
    more = f" … ({len(bad)})" if len(bad) > _NAMED_MAX else ""
    return f'<p class="sum sum-bad">▲ {escape(facts.word("to do"))}: {escape(names)}{more}</p>'


def _table(facts: Facts, title: str, columns: Sequence[str], rows: Sequence[Row], empty: str) -> str:
    """A heading and its table; a part without rows is left out, or says so where `empty` names the words."""
    heading = f'<h2 id="{title}">{escape(facts.word(title))}</h2>\n'
    if not rows:
        return f'{heading}<p class="soft">{escape(facts.word(empty))}</p>\n' if empty else ""
    sign = f'<th scope="col" class="mark"><span class="unseen">{escape(facts.word("mark"))}</span></th>'
    head = sign + "".join(f'<th scope="col">{escape(facts.word(column))}</th>' for column in columns)
    body = "\n".join(_row(facts, row) for row in rows)
    return (
        f'{heading}<div class="wrap" tabindex="0" role="region" aria-labelledby="{title}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>\n"
    )


def _row(facts: Facts, row: Row) -> str:
    said = facts.word(f"mark {row.mark}") if row.mark else ""
    sign = f'<span aria-hidden="true">{_SIGNS[row.mark]}</span><span class="unseen">{escape(said)}</span>'
    first, second, *rest = (escape(cell) for cell in row.cells)
    cells = "".join(f"<td>{cell}</td>" for cell in rest)
    cells = f'<th scope="row">{first}</th><td class="key">{second}</td>{cells}'
    return f'<tr class="{row.mark}"><td class="mark">{sign}</td>{cells}</tr>'
