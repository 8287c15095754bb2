"""A planted bug: one thing a hurried hand would do to the product, as text, and the test that must notice.

    Bug ── patches: file, old text, new text (old stands there exactly once)
        └─ test:    file::name, of this suite

Nothing here touches the tree; `planted_copy` plants bugs in a copy of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Patch:
    """One replacement in one file of the packages."""

    file: str
    old: str
    new: str

    def places(self, root: Path) -> int:
        """How often the old text stands in the file."""
        return (root / self.file).read_text("utf-8").count(self.old)

    def applied(self, root: Path) -> str:
        """The file with the bug in it; the file itself stays as it is."""
        return (root / self.file).read_text("utf-8").replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Bug:
    """`sentence` says what the product does wrong with it; `breaks` which promise or fault that is."""

    name: str
    sentence: str
    breaks: str
    test: str
    patches: tuple[Patch, ...]
    quick: bool = False  # planted in the commit tier too

    @property
    def file(self) -> str:
        """The test's file."""
        return self.test.split("::", 1)[0]


def one(file: str, old: str, new: str) -> tuple[Patch, ...]:
    """The usual case."""
    return (Patch(file, old, new),)
