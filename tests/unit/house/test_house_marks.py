"""The search for marked names finds what it looks for: a search that finds nothing proves nothing (P7)."""

from __future__ import annotations

import base64
import gzip
import io
import json
import sqlite3
import urllib.parse
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from marked_names import Marks, Outputs

if TYPE_CHECKING:
    from pathlib import Path

MARKS = Marks()
WORDS = [Marks.TICKET + "-0001", "name: " + Marks.NAME, Marks.MASKED]


def packed(word: str) -> dict[str, bytes]:
    """One word as it could come out."""
    gbk = word.encode("gb18030")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.json", word)
    inner = base64.b64encode(b"\x00\x01" + gbk + b"\x02").decode()
    return {
        "text": word.encode(),
        "gbk": gbk,
        "json": json.dumps({"a": word}).encode(),
        "url": urllib.parse.quote(word).encode(),
        "hex": word.encode().hex().upper().encode(),
        "log": repr(gbk).encode(),
        "base64 0": base64.b64encode(gbk),
        "base64 1": base64.b64encode(b"x" + gbk),
        "base64 2": base64.urlsafe_b64encode(b"xy" + gbk + b"z"),
        "registers": b"".join(gbk.ljust(40, b"\0")[at : at + 2][::-1] for at in range(0, 40, 2)),
        "zip": archive.getvalue(),
        "gzip": gzip.compress(word.encode()),
        "base64 in base64": base64.b64encode(json.dumps({"bytes": inner}).encode()),
        "utf-16": word.encode("utf-16-le"),
    }


@pytest.mark.parametrize("word", WORDS)
def test_a_mark_is_found_in_every_form(word: str) -> None:
    """Whatever way a value is written, the search names it."""
    for form, content in packed(word).items():
        out = Outputs()
        out.add("thing", b"before " + content if form not in {"zip", "gzip"} else content)
        assert MARKS.leaks(out), form


def test_what_holds_no_mark_has_no_leak() -> None:
    """No false alarm: neither random text nor a neighbour of a mark."""
    out = Outputs()
    out.add("thing", json.dumps({"ticket": "S20261123-0001", "name": "龘爨"}))
    out.add("thing", base64.b64encode(bytes(range(256)) * 40))
    assert MARKS.leaks(out) == []


def test_a_database_is_searched_column_by_column(tmp_path: Path) -> None:
    """A mark is allowed in the named columns only."""
    with closing(sqlite3.connect(tmp_path / "some.db")) as connection:
        connection.execute("CREATE TABLE opening (field TEXT, value BLOB)")
        connection.execute("INSERT INTO opening VALUES (?, ?)", (Marks.NAME, Marks.NAME.encode("gbk")))
        connection.commit()
    out = Outputs()
    out.folder(tmp_path, allowed=["opening.value"])
    (leak,) = MARKS.leaks(out)
    assert "opening.field" in leak
