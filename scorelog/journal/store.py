"""The disk seam: what a gateway asks of its durable, signed log.

Real form: `scorelog.journal.sqlite.SqliteLog`. Strict fake: `tests/support/fake_log_store.py`. One contract suite
runs over both.

    append(...) ──await──> one fsynced transaction: entry, leaf hash, openings, key, signed checkpoint ──> Appended
                                                                                   └──> released: checkpoint(), piece()

P1: nothing is returned by any method here before the transaction that holds it was fsynced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scorelog.format.commitment import Opening
    from scorelog.format.entry import EntryKey

NewOpening = tuple[str, bytes, bytes]  # field, 32-byte blind, value: an opening that has no index yet


@dataclass(frozen=True, slots=True)
class AppendRequest:
    """One entry to be. `build(conflict_with)` gives its final bytes; called at most once, in the writer's thread.

    `key` and `content` are what the built entry will have (both None for entries that no rig record made).
    """

    build: Callable[[int | None], bytes]
    key: EntryKey | None = None
    content: str | None = None
    openings: Sequence[NewOpening] = ()


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an entry is, durably. `existing`: the key and content were there before, nothing was written.

    `generation` is the log's own, except for an existing entry of an earlier one (keys span generations).
    """

    index: int
    leaf: bytes
    existing: bool
    conflict_with: int | None
    generation: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What one upload carries: the entries [start, stop) and a released checkpoint of exactly size stop."""

    start: int
    entries: tuple[bytes, ...]
    openings: tuple[Opening, ...]
    checkpoint: bytes

    @property
    def stop(self) -> int:
        """The size that the checkpoint is of."""
        return self.start + len(self.entries)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A cosigned checkpoint: the server holds the first `size` entries."""

    size: int
    note: bytes


@dataclass(frozen=True, slots=True)
class Room:
    """How much the disk still takes. New exams are refused before a score of a running one would be lost."""

    free_bytes: int
    total_bytes: int
    reserve_bytes: int  # still held back for running exams; 0 when given out
    accepts_exams: bool
    accepts_entries: bool


class LogStore(Protocol):
    """A durable signed log. Sizes and checkpoints seen here are released ones: fsynced before they are visible."""

    @property
    def origin(self) -> str:
        """`<domain>/gw/<gateway id>/<generation>`: name of the log and of its key."""
        ...

    @property
    def generation(self) -> int:
        """The last part of the origin."""
        ...

    @property
    def vkey(self) -> str:
        """Its public key, as a note verifier key."""
        ...

    @property
    def size(self) -> int:
        """How many entries are released."""
        ...

    @property
    def receipted_size(self) -> int:
        """Size of the newest receipt; 0 without one."""
        ...

    @property
    def failed(self) -> BaseException | None:
        """The error after which this log refuses everything; the process must end."""
        ...

    async def append(
        self,
        build: Callable[[int | None], bytes],
        key: EntryKey | None = None,
        content: str | None = None,
        openings: Sequence[NewOpening] = (),
    ) -> Appended:
        """Resolve after the fsync of the transaction that holds the entry (P1).

        Same key and content: the old index. Same key, other content: stored, `build` gets the first index of that key.
        Cancelling gives up the answer only: the entry is then wholly in the log or not at all.
        Raises LogFull (nothing written), AppendRefused (nothing written), LogFailed (fatal).
        """
        ...

    async def append_many(self, requests: Sequence[AppendRequest]) -> list[Appended]:
        """All of them in one transaction, in order; or none."""
        ...

    def checkpoint(self) -> bytes:
        """The newest released signed checkpoint."""
        ...

    async def piece(self, start: int, max_entries: int = 256, max_bytes: int = 1 << 20) -> Piece:
        """A piece from `start` within the limits that ends on a signed size; at least one entry if there is one.

        `start == size` gives no entries and the newest checkpoint. Awaits because a size may have to be signed first.
        """
        ...

    def entries(self, start: int, stop: int) -> list[bytes]:
        """The bytes of [start, stop); IndexError beyond the size."""
        ...

    def openings(self, start: int, stop: int) -> list[Opening]:
        """Those of [start, stop) that are still there, by index and field."""
        ...

    def node(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree of 2^level leaves; IndexError when it is not complete in the released tree."""
        ...

    def find(self, key: EntryKey) -> int | None:
        """First index of this key in this generation (a relogged entry counts), or None."""
        ...

    async def save_receipt(self, note: bytes) -> None:
        """Keep a cosigned checkpoint durably. The caller verified the cosignature; size and root are checked here."""
        ...

    def receipt(self) -> Receipt | None:
        """The newest one."""
        ...

    def receipt_covering(self, index: int) -> Receipt | None:
        """The oldest kept receipt whose tree holds this index: the tightest upper bound in time."""
        ...

    def room(self) -> Room:
        """How much the disk still takes."""
        ...

    async def wait_grown(self, size: int) -> None:
        """Return when the released size is greater than `size`; raises LogFailed or LogClosed when it never will be."""
        ...

    async def close(self) -> None:
        """Orderly: finishes what waits, then closes. Calling it twice is no error."""
        ...
