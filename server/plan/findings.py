"""What is wrong with a candidate list: where, what, what to do. Never holds a value of the list (P7)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One line for whoever keeps the list. Row 0: the whole file; column "": the whole row."""

    row: int
    column: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        where = ", ".join(part for part in (f"row {self.row}" if self.row else "file", self.column) if part)
        return f"{where}: {self.problem}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A cell whose value cannot be taken as it stands."""

    problem: str
    remedy: str
