"""O5, R11: hostile names on their whole way through the server: every page, every answer of the API, every log line.

Rigs, stations, tickets, names, plan texts and what a gateway says of itself carry markup, templates, SQL, line ends,
NUL, bidirectional and half characters. They must come out as text, or not at all; never as anything that acts.
The way from the wire to the entry is in tests/unit/adapters/test_words.py. No part of the product writes CSV or XLSX
yet (O6): formulas are refused where lists come in, and stand on pages as text.
"""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from people_site import Site, log_in, open_site
from people_world import attempt_id
from planned_world import SESSION, A, document, point, text_of

from server.evidence.database import open_registry
from server.logs import configure
from server.plan.schema import plan_openings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx2
    from people_world import Log

HOSTILE = {
    "markup": "<img src=x onerror=evil()><script>evil()</script>",
    "quotes": "\"' onmouseover=evil() x='",
    "template": "{{1337*1337}}${1337*1337}<%=1337*1337%>#{1337*1337}",
    "sql": "'; DROP TABLE scores; --",
    "lines": "a\r\nset-cookie: evil=1\r\n\r\nlevel=error forged",
    "nul": "a\0b",
    "bidi": "\u202e\u2066evil\u2069\u200f",
    "half": "\ufffd\ud83d".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "link": "javascript:evil()",
    "formula": '=HYPERLINK("http://evil","x")',
    "comment": "--><!-- ]]> </textarea></title></style>",
    "unit": "\u2028evil\u2029\x1b[31m\x07\x7f\x85",
}  # fmt: skip
COMPUTED = str(1337 * 1337)


class Elements(HTMLParser):
    """Every element and attribute that a browser would make."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def acting(page: str) -> list[str]:
    """What of the page could run or lead away because of a name."""
    parser = Elements()
    parser.feed(page)
    found = []
    for tag, attributes in parser.found:
        if tag == "img" or (tag == "script" and not (attributes.get("src") or attributes.get("type"))):
            found.append(f"<{tag} {attributes}>")
        found += [f"<{tag} {name}>" for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action", "formaction"):
            value = (attributes.get(name) or "").strip()
            if value and not value.startswith(("/", "#", "?", "data:image/")):
                found.append(f"<{tag} {name}={value!r}>")
    return found


def hostile_plan(text: str) -> bytes:
    """Texts of a plan that are free: names of point and room."""
    made = document()
    printable = "".join(char if char.isprintable() else "?" for char in text)[:60]
    made["point"]["name"] = {"zh": printable, "en": printable}
    made["rooms"][0]["name"] = {"zh": printable, "en": printable}
    return text_of(made)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as made:
        await fill(made, tmp_path)
        yield made


async def fill(site: Site, folder: Path) -> None:
    """One exam by a planned rig; for each hostile text one by a rig whose every word it is, an alarm, a heartbeat."""
    made = point(Random(3), hostile_plan(HOSTILE["markup"]))
    made.rigs["A-01"].part(A, "K11", 1900, (2, 500), ticket="<b>")
    log, rigs = made.logs["gw-01"], []
    for number, text in enumerate(HOSTILE.values()):
        short = text[:60]
        hostile_exam(log, attempt_id(number), text)
        await site.store.alarm("forked", log.origin, number, f"another root: {text}")
        rigs.append({"rig": short, "station": text, "state": text, "mode": text, "item": text, "last_seq": 5})
    text = "".join(HOSTILE.values())
    for each in made.logs.values():
        await site.upload(each)
        brokers = [{"name": text, "why": text}]
        site.beat(each, rigs, software=text, plan_refused=text, brokers=brokers, clock={"sync": text})
    registry = open_registry(folder / "kept")
    row = {"attempt": A, "sha256": "00" * 32, "session_id": SESSION, "try_no": 1, "version": 1, "blind": bytes(32)}
    rows = [{**row, "field": name, "value": text.encode()} for name in ("ticket", "name")]
    await registry.write(lambda connection: connection.execute(sa.insert(plan_openings), rows))
    await registry.close()


def hostile_exam(log: Log, attempt: str, text: str) -> None:
    """Entries as a gateway could sign them."""
    short = text[:60]
    common = {
        "rig": short, "station": short, "attempt": attempt, "binding": "rig", "epoch": 1, "ordinal": 0,
        "content": "ab" * 32, "profile": "cd" * 32, "guarantee": "latched", "source": "sensor", "raw": [],
    }  # fmt: skip
    kinds = ("identity.checked", "item.started", "deduction", "item.finished", "attempt.finished")
    for seq, kind in enumerate(kinds):
        fields = {"item": short, "ordinal": 1, "line": 1, "points": 1, "outcome": short, "score": 1, "note": text}
        log.add(kind, {"ticket": text.encode(), "name": text.encode()}, seq=seq, fields=fields, **common)
    log.add("gateway.started", reason=text, software=short, instance="00" * 16, clean=True, generation=0, size=0)
    log.add("rig.offline", rig=short, reason=text)


PAGES = (
    *("/", "/attempts", "/attempts?state=staged", "/attempts?before=x", "/sessions", f"/attempts/{A}"),
    *(
        f"/attempts/{attempt_id(0)}",
        f"/attempts/{attempt_id(4)}",
        "/gateways",
        "/gateways/gw-01",
        "/alerts",
        "/alerts?show=all",
        "/plan",
    ),
    *("/plan/hn-cs-01", f"/plan/hn-cs-01/sessions/{SESSION}", f"/sessions/{SESSION}", "/points/hn-cs-01"),
    *("/points/hn-cs-01/rooms/A", "/staged", f"/staged/{attempt_id(7)}", "/login", "/nowhere"),
)
ANSWERS = (
    *("/api/v1/items", "/api/v1/attempts", "/api/v1/live", "/api/v1/rigs", "/api/v1/gateways", "/api/v1/alerts"),
    *("/api/v1/plans", "/api/v1/wall", "/api/v1/staged", f"/api/v1/attempts/{attempt_id(7)}", "/api/v1/policy"),
)


async def test_a_hostile_name_is_text_on_every_page(site: Site) -> None:
    """O5: nothing acts, nothing is computed, no header is split; the page is there in both languages."""
    client, shown = await site.client(), 0
    for path in PAGES:
        for language in ("zh", "en"):
            answer = await client.get(path, params={"lang": language})
            assert answer.status_code in {200, 303, 404}, (path, answer.status_code)
            whole(answer)
            assert acting(answer.text) == [], path
            assert COMPUTED not in answer.text, path
            shown += "evil" in answer.text
    assert shown > 10, "and it is shown"


async def test_a_hostile_name_is_a_string_in_every_answer(site: Site) -> None:
    """O5: JSON that a strict reader reads, of its own media type, sniffed by no browser."""
    token = await site.accounts.create_token("demo", "operator")
    client = await site.client(login=False, headers={"authorization": f"Bearer {token}"})
    found: set[str] = set()
    for path in ANSWERS:
        answer = await client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        whole(answer)
        if answer.headers["content-type"] == "application/json":
            found |= _strings(json.loads(answer.text))
        else:
            assert answer.headers["content-type"].startswith("text/plain")
    assert found >= {text[:60] for text in HOSTILE.values()}, "the very characters that came are answered"
    for wanted in HOSTILE.values():
        answer = await client.post("/api/v1/attempts/search", json={"search": wanted[:60]})
        assert answer.status_code == 200
    assert (await client.get("/api/v1/attempts")).json()["attempts"], "nothing was dropped by a search"


async def test_a_hostile_name_forges_no_log_line(tmp_path: Path) -> None:
    """O5: as the server writes its lines, each is one line, and what was logged is no personal value (P7)."""
    out = io.StringIO()
    configure(out, plain=False)
    async with open_site(tmp_path) as made:
        await fill(made, tmp_path)
        client = await made.client()
        await client.get("/nowhere%0d%0aforged")
        stranger = await made.client(login=False)
        await log_in(stranger, name=HOSTILE["lines"], password="x" * 20)
        token = await made.accounts.create_token("demo", "operator")
        api = await made.client(login=False, headers={"authorization": f"Bearer {token}"})
        await api.post("/api/v1/candidates", json={"attempts": [A]})
    lines = out.getvalue().rstrip("\n").split("\n")
    assert len(lines) > 1
    assert all(json.loads(line)["event"] for line in lines)
    assert "forged" not in out.getvalue()


def whole(answer: httpx2.Response) -> None:
    """Headers as the application set them."""
    assert "set-cookie" not in answer.headers or "evil" not in answer.headers["set-cookie"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert all("\n" not in value and "\r" not in value for value in answer.headers.values())


def _strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {one for part in parts for one in _strings(part)}
