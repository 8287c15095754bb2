"""One version of a plan as it is about to be stored: the text, what opens it, the rubrics that it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from scorelog.format.plan import Plan, PlanOpening


@dataclass(frozen=True, slots=True)
class PlanHead:
    """One stored version without its text."""

    point: str
    version: int
    sha256: str
    published_us: int


@dataclass(frozen=True, slots=True)
class AttemptOpening:
    """An opening and whose attempt it belongs to. Personal."""

    opening: PlanOpening
    session_id: str
    try_no: int

    def row(self, version: int) -> dict[str, Any]:
        """As the table `plan_openings` has it."""
        one = self.opening
        return {
            "attempt": one.attempt,
            "field": one.field,
            "sha256": one.sha256,
            "session_id": self.session_id,
            "try_no": self.try_no,
            "version": version,
            "blind": one.blind,
            "value": one.value.encode(),
        }


@dataclass(frozen=True, slots=True)
class Publication:
    """Everything of one version. `rubrics` by hash; `persons`: attempt -> keyed hash of the id number."""

    plan: Plan
    published_us: int
    rubrics: Mapping[str, bytes]
    openings: tuple[AttemptOpening, ...] = field(repr=False)
    persons: Mapping[str, str] = field(repr=False)
