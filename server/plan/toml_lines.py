"""In which line of a TOML file each table and each of its keys stands, so that an error can say so.

The reader of the standard library gives values without places. Tables are found by their headers in the order of the
file; one that was written in another way (inline) has no line, and its error names the table alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\- ]+?)\s*\]\]?\s*(?:#.*)?\Z")
_KEY: Final = re.compile(r"""\s*["']?([A-Za-z0-9_\-]+)["']?\s*=""")


@dataclass(slots=True)
class Lines:
    """Of one table."""

    header: int = 0
    keys: dict[str, int] = field(default_factory=dict)

    def of(self, key: str) -> int:
        """The line of a key, else that of the table; 0 if neither is known."""
        return self.keys.get(key, self.header)


class TomlLines:
    """Of a whole file, table by table in its order."""

    def __init__(self, text: str) -> None:
        self._tables: dict[str, list[Lines]] = defaultdict(list)
        here = Lines()
        self._tables[""].append(here)
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.match(line):
                here = Lines(number)
                self._tables[header[2].replace(" ", "")].append(here)
            elif key := _KEY.match(line):
                here.keys.setdefault(key[1], number)

    def next(self, table: str) -> Lines:
        """The next table of this name."""
        left = self._tables[table]
        return left.pop(0) if left else Lines()
