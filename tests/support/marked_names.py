"""Marked names: unique words that stand for a candidate, and the search for them in everything that came out (P7).

    marks = Marks()                                 # ticket, name, masked id that occur nowhere else in the world
    out = Outputs()
    out.add("gateway log", path.read_bytes())       # any bytes, with a label that says where they came from
    out.folder(box.data, allowed=…)                 # every file; a SQLite file table by table, column by column
    assert marks.leaks(out) == []

A mark is found in any encoding that a program of ours or of a stranger could write: UTF-8, GBK, UTF-16, JSON and URL
escapes, HTML entities, hex, base64 at every offset, byte-swapped words; and inside what is packed: base64 in JSON,
zip, gzip. Whoever adds an output to the product adds it to an `Outputs` here, and his personal fields to `Marks`.
"""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import re
import sqlite3
import urllib.parse
import zipfile
import zlib
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_DEEP: Final = 6  # nesting of what is unpacked
_PACKED: Final = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_SQLITE: Final = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Mark:
    """One personal value; `core` is the shortest piece of it that is still unmistakable."""

    field: str
    value: str
    core: str


@dataclass(frozen=True, slots=True)
class Leak:
    """A mark where none may be."""

    where: str
    field: str
    form: str
    around: str

    def __str__(self) -> str:
        return f"{self.where}: {self.field} as {self.form}: {self.around}"


@dataclass(slots=True)
class Outputs:
    """Labelled bytes."""

    found: list[tuple[str, bytes]] = field(default_factory=list)

    def add(self, label: str, content: bytes | str) -> None:
        """One more thing that came out."""
        self.found.append((label, content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content))

    def folder(
        self, path: Path, *, skip: Callable[[Path], bool] = lambda _: False, allowed: Iterable[str] = ()
    ) -> None:
        """Every file below; `allowed` are `table.column` of SQLite files where a person's words may stand."""
        columns = frozenset(allowed)
        for file in sorted(one for one in path.rglob("*") if one.is_file() and not skip(one)):
            label = str(file.relative_to(path.parent))
            self.add(f"{label} (name)", label)
            if file.name.endswith(("-wal", "-shm", "-journal")):
                continue  # read through its database
            content = file.read_bytes()
            if content.startswith(_SQLITE):
                self.found += [(f"{label} {where}", one) for where, one in _rows(file, columns)]
            else:
                self.add(label, content)


class Marks:
    """The words of one candidate."""

    TICKET: Final = "ZQX7KVJ9W"  # the beginning of every ticket of the simulators' session
    NAME: Final = "龘爨鱻麤"
    MASKED: Final = "43*17K*9"

    def __init__(self, *more: Mark) -> None:
        self.all = (
            Mark("ticket", self.TICKET, self.TICKET[1:]),
            Mark("name", self.NAME, self.NAME),
            Mark("masked_id", self.MASKED, self.MASKED),
            *more,
        )
        every = {form: (mark, name) for mark in self.all for name, form in _forms(mark.core)}
        self._folded = {form: found for form, found in every.items() if form == form.lower()}
        self._exact = {form: found for form, found in every.items() if form != form.lower()}

    def leaks(self, outputs: Outputs) -> list[str]:
        """Every place where a mark was found, one line each."""
        found = (leak for label, content in dict.fromkeys(outputs.found) for leak in self.search(label, content))
        return [str(leak) for leak in dict.fromkeys(found)]

    def search(self, label: str, content: bytes, depth: int = 0) -> Iterator[Leak]:
        """In the bytes, and in what is packed in them."""
        for text, forms in ((content, self._exact), (content.lower(), self._folded)):
            for form, (mark, name) in forms.items():
                at = text.find(form)
                if at >= 0:
                    yield Leak(label, mark.field, name, repr(content[max(0, at - 60) : at + len(form) + 20])[:200])
        if depth < _DEEP:
            for name, inner in _unpacked(content):
                yield from self.search(f"{label} > {name}", inner, depth + 1)


def _forms(text: str) -> Iterator[tuple[str, bytes]]:
    """A word in every spelling; those that are case-blind in lower case."""
    for coding in ("utf-8", "gb18030", "utf-16-le", "utf-16-be"):
        raw = text.encode(coding)
        yield coding, raw
        yield f"{coding} hex", raw.hex().encode()
        yield f"{coding} spaced hex", raw.hex(" ").encode()
        yield f"{coding} escaped", "".join(f"\\x{byte:02x}" for byte in raw).encode()
        yield f"{coding} URL", "".join(f"%{byte:02x}" for byte in raw).encode()
        yield f"{coding} numbers", ", ".join(map(str, raw)).encode()
        yield f"{coding} swapped", _swapped(raw)
        yield f"{coding} swapped", _swapped(raw[1:])
        for offset in range(3):
            yield f"{coding} base64", _base64_core(raw, offset)
    yield "JSON", json.dumps(text)[1:-1].lower().encode()
    yield "URL", urllib.parse.quote(text).lower().encode()
    yield "HTML", "".join(f"&#{ord(one)};" for one in text).encode()
    yield "HTML hex", "".join(f"&#x{ord(one):x};" for one in text).encode()
    yield "HTML named", html.escape(text).encode()
    yield "plain text, lower case", text.lower().encode()
    yield "plain text", text.encode()


def _swapped(raw: bytes) -> bytes:
    return b"".join(raw[at : at + 2][::-1] for at in range(0, len(raw) - len(raw) % 2, 2))


def _base64_core(raw: bytes, offset: int) -> bytes:
    """The characters of base64 that do not depend on what stands before and behind."""
    whole = base64.b64encode(bytes(offset) + raw)
    return whole[-(-offset * 4 // 3) : (offset + len(raw)) * 4 // 3]


def _unpacked(content: bytes) -> Iterator[tuple[str, bytes]]:
    if content.startswith(b"PK"):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist())
        return
    if content.startswith(b"\x1f\x8b"):
        with suppress(OSError, zlib.error, EOFError):
            yield "gzip", gzip.decompress(content)
        return
    for match in _PACKED.finditer(content):
        word = match.group().rstrip(b"=")
        with suppress(ValueError):
            yield "base64", base64.b64decode(word + b"=" * (-len(word) % 4), altchars=b"-_" if b"-" in word else None)


def _rows(path: Path, allowed: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # names from the file itself
            names = [one[0] for one in rows.description]
            for row in rows:
                for name, value in zip(names, row, strict=True):
                    if f"{table}.{name}" not in allowed and isinstance(value, str | bytes):
                        yield f"{table}.{name}", value.encode() if isinstance(value, str) else value
