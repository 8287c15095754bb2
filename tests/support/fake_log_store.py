"""The strict fake of the LogStore seam: a log in memory that fails the test on misuse and fails when told to.

It signs for real (a fixed Ed25519 key), so uploads and proofs made from it verify. Misuse (a builder that ignores the
conflict it is told, an opening that opens nothing, a receipt of another log, use after a failure was seen) is an
AssertionError, which no code of ours catches.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scorelog.format.checkpoint import Checkpoint, parse_checkpoint_body, sign_checkpoint
from scorelog.format.commitment import Opening, check_opening
from scorelog.format.entry import parse_entry
from scorelog.format.errors import FormatError
from scorelog.format.note import Ed25519Signer, parse_note
from scorelog.format.tree import MemoryNodes, leaf_hash, root_from
from scorelog.journal.errors import LogClosed, LogFailed, LogFull, LogRefused
from scorelog.journal.request import Built, SigningPlan, built, entry_frame, opening_frame, piece_stop
from scorelog.journal.store import Appended, AppendRequest, Piece, Receipt, Room

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scorelog.format.entry import EntryKey
    from scorelog.journal.store import NewOpening

FAKE_SEED = bytes(range(32))


class FakeLogStore:
    """A LogStore in memory. `fail_next`, `full`, `pause` and `resume` are the test's handles."""

    def __init__(
        self,
        origin: str = "exam.example/gw/gw-01/0",
        key: Ed25519PrivateKey | None = None,
        *,
        generation: int = 0,
    ) -> None:
        self.origin = origin
        self.generation = generation
        self._signer = Ed25519Signer(origin, key or Ed25519PrivateKey.from_private_bytes(FAKE_SEED))
        self.vkey: str = self._signer.vkey
        self.failed: BaseException | None = None
        self._entries: list[bytes] = []
        self._nodes = MemoryNodes()
        self._openings: dict[int, tuple[Opening, ...]] = {}
        self._keys: dict[EntryKey, dict[str, int]] = {}
        self._notes: dict[int, bytes] = {}
        self._receipts: dict[int, bytes] = {}
        self._grown = asyncio.Condition()
        self._gate = asyncio.Event()
        self._gate.set()
        self._order = asyncio.Lock()
        self._closed = False
        self._failing: tuple[str, BaseException] | None = None
        self._room = Room(1 << 40, 1 << 40, 32 << 20, accepts_exams=True, accepts_entries=True)
        self._sign(0)

    # --- the test's handles

    def fail_next(self, error: OSError, *, persisted: bool = False) -> None:
        """The next append fails: nothing of it is stored, or (persisted) all of it; the caller is told it failed."""
        self._failing = ("after" if persisted else "before", error)

    def pause(self) -> None:
        """Appends wait, as behind a slow disk, until `resume`."""
        self._gate.clear()

    def resume(self) -> None:
        self._gate.set()

    def set_room(self, *, accepts_exams: bool, accepts_entries: bool = True) -> None:
        free = 0 if not accepts_entries else 1 << 20
        self._room = Room(free, 1 << 40, 0, accepts_exams=accepts_exams, accepts_entries=accepts_entries)

    # --- LogStore

    @property
    def size(self) -> int:
        return max(self._notes)

    @property
    def receipted_size(self) -> int:
        return max(self._receipts, default=0)

    async def append(
        self,
        build: Callable[[int | None], bytes],
        key: EntryKey | None = None,
        content: str | None = None,
        openings: Sequence[NewOpening] = (),
    ) -> Appended:
        return (await self.append_many([AppendRequest(build, key, content, openings)]))[0]

    async def append_many(self, requests: Sequence[AppendRequest]) -> list[Appended]:
        self._check_usable()
        async with self._order:
            await self._gate.wait()
            self._check_usable()
            return await self._transaction(requests)

    def checkpoint(self) -> bytes:
        return self._notes[self.size]

    async def piece(self, start: int, max_entries: int = 256, max_bytes: int = 1 << 20) -> Piece:
        self._check_open()
        if not 0 <= start <= self.size:
            raise IndexError(f"a piece from {start} of a log of size {self.size}")
        stop = self._piece_stop(start, max_entries, max_bytes)
        if stop not in self._notes:
            self._check_usable()
            self._sign(stop)
        return Piece(start, tuple(self._entries[start:stop]), tuple(self.openings(start, stop)), self._notes[stop])

    def entries(self, start: int, stop: int) -> list[bytes]:
        self._check_range(start, stop)
        return self._entries[start:stop]

    def openings(self, start: int, stop: int) -> list[Opening]:
        self._check_range(start, stop)
        return [opening for index in range(start, stop) for opening in self._openings.get(index, ())]

    def node(self, level: int, index: int) -> bytes:
        self._check_open()
        if level < 0 or index < 0 or (index + 1) << level > self.size:
            raise IndexError(f"no complete subtree at level {level}, index {index} in size {self.size}")
        return self._nodes(level, index)

    def find(self, key: EntryKey) -> int | None:
        self._check_open()
        return min(self._keys.get(key, {}).values(), default=None)

    async def save_receipt(self, note: bytes) -> None:
        self._check_usable()
        try:
            checkpoint = parse_checkpoint_body(parse_note(note).text)
        except FormatError as error:
            raise LogRefused(f"not a cosigned checkpoint: {error}") from error
        if checkpoint.origin != self.origin or checkpoint.size > self.size:
            raise LogRefused(
                f"a receipt of {checkpoint.origin}, size {checkpoint.size}; this is {self.origin}, size {self.size}"
            )
        if checkpoint.root != root_from(checkpoint.size, self._nodes):
            raise LogRefused(f"a receipt of another tree of size {checkpoint.size}")
        self._receipts[checkpoint.size] = note

    def receipt(self) -> Receipt | None:
        size = self.receipted_size
        return Receipt(size, self._receipts[size]) if self._receipts else None

    def receipt_covering(self, index: int) -> Receipt | None:
        size = min((size for size in self._receipts if size > index), default=None)
        return None if size is None else Receipt(size, self._receipts[size])

    def room(self) -> Room:
        return self._room

    async def wait_grown(self, size: int) -> None:
        async with self._grown:
            while self.size <= size:
                self._check_usable()
                await self._grown.wait()

    async def close(self) -> None:
        self._gate.set()
        async with self._order:
            self._closed = True
        async with self._grown:
            self._grown.notify_all()

    # --- inside

    async def _transaction(self, requests: Sequence[AppendRequest]) -> list[Appended]:
        new: list[Built] = []
        keys = {key: dict(known) for key, known in self._keys.items()}
        answers = [self._plan(request, keys, new) for request in requests]
        if new and not self._room.accepts_entries:
            raise LogFull("the fake was told that the disk is full")
        failing, self._failing = (self._failing, None) if new else (None, self._failing)
        if failing is not None and failing[0] == "before":
            await self._fail(failing[1])
        if new:
            self._store(new, keys)
        if failing is not None:
            await self._fail(failing[1])
        async with self._grown:
            self._grown.notify_all()
        return answers

    def _plan(self, request: AppendRequest, keys: dict[EntryKey, dict[str, int]], new: list[Built]) -> Appended:
        known = keys.get(request.key, {}) if request.key is not None else {}
        if request.content is not None and request.content in known:
            index = known[request.content]
            entry = self._entries[index] if index < len(self._entries) else new[index - len(self._entries)].entry
            return Appended(index, leaf_hash(entry), existing=True, conflict_with=None, generation=self.generation)
        conflict = min(known.values(), default=None)
        made = built(request, conflict)
        _check_strictly(made)
        index = len(self._entries) + len(new)
        new.append(made)
        if request.key is not None and request.content is not None:
            keys.setdefault(request.key, {})[request.content] = index
        return Appended(index, made.leaf, existing=False, conflict_with=conflict, generation=self.generation)

    def _store(self, new: list[Built], keys: dict[EntryKey, dict[str, int]]) -> None:
        plan = SigningPlan()
        for made in new:
            if plan.due_before(made.entry_frame, made.openings_frame):
                self._sign(len(self._entries))
            index = len(self._entries)
            self._openings[index] = tuple(Opening(index, *opening) for opening in made.openings)
            self._entries.append(made.entry)
            self._nodes.append(made.leaf)
        self._keys = keys
        self._sign(len(self._entries))

    async def _fail(self, error: BaseException) -> None:
        self.failed = LogFailed(f"the fake was told to fail: {error}")
        async with self._grown:
            self._grown.notify_all()
        raise self.failed from error

    def _sign(self, size: int) -> None:
        self._notes[size] = sign_checkpoint(Checkpoint(self.origin, size, root_from(size, self._nodes)), self._signer)

    def _piece_stop(self, start: int, max_entries: int, max_bytes: int) -> int:
        frames = (
            (
                entry_frame(len(entry)),
                sum(opening_frame(one.field, len(one.value)) for one in self._openings.get(at, ())),
            )
            for at, entry in enumerate(self._entries[start : self.size], start)
        )
        stop = piece_stop(start, frames, max_entries, max_bytes)
        return max((size for size in self._notes if start < size <= stop), default=stop)

    def _check_range(self, start: int, stop: int) -> None:
        self._check_open()
        if not 0 <= start <= stop <= self.size:
            raise IndexError(f"entries [{start}, {stop}) of a log of size {self.size}")

    def _check_open(self) -> None:
        if self._closed:
            raise LogClosed(f"log {self.origin} is closed")

    def _check_usable(self) -> None:
        self._check_open()
        if self.failed is not None:
            raise LogFailed(f"log {self.origin} failed before and takes nothing more") from self.failed


def _check_strictly(made: Built) -> None:
    """What the real log leaves to fsck is a failure of the test here."""
    entry = parse_entry(made.entry)
    assert entry.document.get("conflict_with") == made.conflict_with, "the builder ignored the conflict it was told"
    for field, blind, value in made.openings:
        assert check_opening(Opening(0, field, blind, value), entry), f"the opening of {field} opens no commitment"
