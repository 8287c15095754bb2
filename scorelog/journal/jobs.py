"""The pieces of work that the writer's thread takes from its queue."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from scorelog.journal import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scorelog.journal.batch import Batch
    from scorelog.journal.rows import CheckpointRow
    from scorelog.journal.store import Appended, AppendRequest


class Job(Protocol):
    """One piece of work for a transaction; its future is settled after the commit."""

    @property
    def weight(self) -> int:
        """How much of a group it takes."""
        ...

    @property
    def future(self) -> Future[object]:
        """Settled after the commit, or with what went wrong."""
        ...

    def plan(self, batch: Batch) -> object:
        """Add to the batch and return the answer; raises a refusal with nothing added."""
        ...

    def writes(self, answer: object) -> bool:
        """Whether this answer is true only if the transaction is committed."""
        ...


@dataclass(slots=True)
class AppendJob:
    """Requests that are stored together or not at all."""

    requests: Sequence[AppendRequest]
    future: Future[object] = field(default_factory=Future)

    @property
    def weight(self) -> int:
        """How much of a group it takes."""
        return len(self.requests)

    def plan(self, batch: Batch) -> list[Appended]:
        """Their answers; a refusal of one takes all back."""
        mark = len(batch.new)
        try:
            return [batch.plan(request) for request in self.requests]
        except BaseException:
            batch.forget(mark)
            raise

    def writes(self, answer: object) -> bool:
        """Unless every request of it was known."""
        return answer != [] and not all(one.existing for one in cast("list[Appended]", answer))


@dataclass(slots=True)
class ReceiptJob:
    """A cosigned checkpoint to keep."""

    row: CheckpointRow
    weight: int = 1
    future: Future[object] = field(default_factory=Future)

    def plan(self, batch: Batch) -> None:
        """Add the row."""
        batch.receipts.append(self.row)

    def writes(self, answer: object) -> bool:  # noqa: ARG002  # it always does
        """Always."""
        return True


@dataclass(slots=True)
class SignJob:
    """An older size that an upload piece must end on."""

    size: int
    weight: int = 1
    future: Future[object] = field(default_factory=Future)

    def plan(self, batch: Batch) -> None:
        """Unless somebody signed it meanwhile."""
        if rows.checkpoint_within(batch.connection, self.size - 1, self.size) is None:
            batch.sign.add(self.size)

    def writes(self, answer: object) -> bool:  # noqa: ARG002  # it always does
        """Always."""
        return True
