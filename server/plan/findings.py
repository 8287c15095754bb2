"""What is wrong with a plan or a candidate list: where, what, what to do. Never holds a value of a list (P7)."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One line for whoever keeps the file. Row 0: the whole file; column "": the whole row.

    In a TOML file the row is a line and the column a key. `file` is its name, where more than one was read.
    """

    row: int
    column: str
    problem: str
    remedy: str
    file: str = ""
    unit: str = "row"

    def __str__(self) -> str:
        where = ", ".join(part for part in (f"{self.unit} {self.row}" if self.row else "", self.column) if part)
        return f"{': '.join(part for part in (self.file, where) if part) or 'file'}: {self.problem}; {self.remedy}"

    def of(self, file: str) -> Finding:
        """The same, of a file with a name."""
        return replace(self, file=file)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A cell whose value cannot be taken as it stands."""

    problem: str
    remedy: str
