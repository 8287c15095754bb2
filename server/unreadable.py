"""Evidence that cannot be read any more, told as a finding: damaged pages, and rows that hold what nobody wrote.

A check that meets such a row says so for its log and goes on with the next one (P8). What SQLite finds out of order
between a table and its index shows to no reader of rows, so `fsck` asks for it. Never repairs, never says a value (P7).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from scorelog.format.errors import FormatError
from server.errors import Damaged, Missing
from server.evidence.check import Finding
from server.evidence.database import EVIDENCE_FILE, REGISTRY_FILE

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

# sqlite3's words about a damaged schema may be no text, which is a UnicodeDecodeError.
UNOPENED: Final = (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError)
UNREADABLE: Final = (*UNOPENED, FormatError, Damaged, Missing, ValueError, TypeError, IndexError)
_LINES: Final = 20


async def readable(origin: str | None, findings: Awaitable[list[Finding]]) -> list[Finding]:
    """The findings, or the one that they cannot be had."""
    try:
        return await findings
    except UNREADABLE as error:
        return [Finding(origin, None, f"what is stored cannot be read ({type(error).__name__})")]


def page_findings(directory: Path) -> list[Finding]:
    """What SQLite says of the pages of evidence and registry; beside a running server too."""
    return [
        Finding(None, None, f"{name}: {line}")
        for name in (EVIDENCE_FILE, REGISTRY_FILE)
        if (directory / name).exists()
        for line in _pages(directory / name)
    ]


def _pages(path: Path) -> list[str]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            lines = [str(line) for (line,) in connection.execute(f"PRAGMA integrity_check({_LINES})")]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return [f"SQLite cannot read it ({type(error).__name__})"]
    return [] if lines == ["ok"] else [" ".join(line.split()) for line in lines]
