"""The table of matches, in the registry. Append-only: a match is undone by another row, and each row is sealed.

`number` counts from 1 without a gap, so that a row that was taken away is missed; `planned` is null in a row that
undoes. `why` is a person's own words and may name somebody: it is shown behind the login and stands in no log.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, LargeBinary, Table, Text

from server.evidence.schema import INT64, registry

matches: Final = Table(
    "matches",
    registry,
    Column("number", INT64, primary_key=True, autoincrement=False),
    Column("staged", Text, nullable=False),
    Column("planned", Text),
    Column("account", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at_us", INT64, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Index("matches_by_staged", "staged", "number"),
    sqlite_strict=True,
)
