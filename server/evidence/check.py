"""Re-derives one stored log from its bytes and names what is not as it was: used by `fsck` and by the background audit.

    entries -> leaf hashes -> tree -> root  ==  signed checkpoint of every bundle  ==  state row  ==  cosigned note
                  |                                 (log's key)                        (mirror's key)
                  +-- stored leaves, tiles          openings -> commitments in the entries

Believes nothing but keys. Owns the finding of the first index that is wrong; never changes anything, never stops at the
first finding. What no log covers, server/evidence/rowcheck.py looks at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from scorelog.format.checkpoint import open_checkpoint
from scorelog.format.cosignature import verify_cosignature
from scorelog.format.errors import FormatError, ProofError, TileError
from scorelog.format.keys import CosignatureVerifier, Ed25519Verifier
from scorelog.format.tiles import unframe_entries
from scorelog.format.tree import EMPTY_ROOT, CompactRange, leaf_hash
from server import limits
from server.evidence.committed import wrong_fields
from server.evidence.rows import split_hashes
from server.evidence.schema import TILE_WIDTH
from server.evidence.tiles import fold
from server.ingest.origins import parse_origin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.evidence.store import EntryStore, LogState, StoredBundle

OPENING_MISMATCH: Final = "opening_mismatch"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the server stored it."""

    origin: str | None
    index: int | None
    detail: str

    def __str__(self) -> str:
        where = self.origin or "evidence"
        place = where if self.index is None else f"{where} index {self.index}"
        return f"{place}: {self.detail}"


@dataclass(slots=True)
class _Walk:
    """Where the check of one log stands."""

    state: LogState
    key: Ed25519Verifier | None
    excused: frozenset[int]  # indices whose openings were already wrong when they came
    found: list[Finding] = field(default_factory=list)
    tree: CompactRange | None = field(default_factory=CompactRange)
    next: int = 0
    seq: int = 0
    latest_s: int = 0
    roots: dict[int, bytes] = field(default_factory=lambda: {0: EMPTY_ROOT})
    leaves: list[bytes] = field(default_factory=list)  # of the tile that is being filled
    levels: list[list[bytes]] = field(default_factory=list)  # roots of full tiles, by level, of the tile being filled
    last: StoredBundle | None = None

    def say(self, index: int | None, detail: str) -> None:
        if len(self.found) < limits.FINDINGS_PER_LOG_MAX:
            self.found.append(Finding(self.state.origin, index, detail))


async def check_log(
    store: EntryStore,
    state: LogState,
    log_key: bytes | None,
    mirror: CosignatureVerifier,
    *,
    pace: Callable[[int], Awaitable[None]] | None = None,
) -> list[Finding]:
    """Every finding in one log, as of the size that `state` says; later uploads are not waited for."""
    walk = _Walk(state, _verifier(state, log_key), await _excused(store, state.origin))
    while walk.next < state.size:
        bundles = await store.stored_bundles(state.origin, walk.next, limits.AUDIT_BUNDLES_AT_ONCE)
        bundles = [each for each in bundles if each.ref.start < state.size]
        if not bundles:
            break
        for bundle in bundles:
            await _bundle(store, walk, bundle)
            await _openings(store, walk, bundle)
            await _tiles(store, walk)
            if pace is not None:
                await pace(len(bundle.entries) + len(bundle.leaves))
    await _end(store, walk, mirror)
    return walk.found


def check_head(state: LogState, log_key: bytes | None, mirror: CosignatureVerifier) -> list[Finding]:
    """The cheap look between two passes: the state row against the signatures it carries."""
    walk = _Walk(state, _verifier(state, log_key), frozenset())
    _state_row(walk, mirror)
    return walk.found


# -- one bundle ----------------------------------------------------------------------------------------------------


async def _bundle(store: EntryStore, walk: _Walk, bundle: StoredBundle) -> None:
    start, stop = bundle.ref.start, bundle.ref.stop
    if start != walk.next:
        detail = (
            f"the entries [{walk.next}, {start}) are missing" if start > walk.next else f"entries from {start} twice"
        )
        walk.say(min(walk.next, start), detail)
        walk.tree = None
        walk.leaves, walk.levels = [], []
        if start < walk.next:
            walk.next = max(stop, walk.next)
            return
    if not bundle.sealed:
        walk.say(start, f"the times of the bundle [{start}, {stop}) are not as the server wrote them")
    if bundle.ref.seq <= walk.seq:
        walk.say(start, f"the bundle [{start}, {stop}) stands before an earlier one")
    walk.seq = max(walk.seq, bundle.ref.seq)
    walk.latest_s = max(walk.latest_s, bundle.cosigned_s)
    await _entries(store, walk, bundle)
    walk.next = max(stop, walk.next)
    walk.last = bundle


async def _entries(store: EntryStore, walk: _Walk, bundle: StoredBundle) -> None:
    start, stop = bundle.ref.start, bundle.ref.stop
    stored = split_hashes(bundle.leaves)
    try:
        derived = tuple(leaf_hash(entry) for entry in unframe_entries(bundle.entries))
    except TileError as error:
        walk.say(start, f"the entries [{start}, {stop}) cannot be read: {error}")
        derived = ()
    if len(derived) != stop - start:
        walk.say(start + min(len(derived), stop - start), f"{len(derived)} entries in the bundle [{start}, {stop})")
    if len(stored) != stop - start:
        walk.say(start, f"{len(stored)} leaf hashes in the bundle [{start}, {stop})")
    for index, (one, other) in enumerate(zip(derived, stored, strict=False), start):
        if one != other:
            walk.say(index, "the entry does not have the leaf hash that was stored with it")
    walk.leaves += await _root(store, walk, bundle, derived, stored)


async def _root(
    store: EntryStore, walk: _Walk, bundle: StoredBundle, derived: tuple[bytes, ...], stored: tuple[bytes, ...]
) -> tuple[bytes, ...]:
    """The leaves with which the tree has the root that the log signed after this bundle.

    Those of the entries, if nothing was changed. Else the ones that were stored with them or, when these were changed
    too, the ones in the tiles: then it is known which entries are wrong, and the walk goes on behind them.
    """
    start, stop = bundle.ref.start, bundle.ref.stop
    signed = _signed_root(walk, bundle)
    if walk.tree is None:
        return derived
    if signed is None:
        walk.tree = _grown(walk.tree, derived)
        return derived
    for leaves in (derived, stored, await _tiled(store, walk, derived, start)):
        tree = _grown(walk.tree, leaves)
        if (tree.size, tree.root()) == (stop, signed):
            walk.tree = tree
            walk.roots[stop] = signed
            for index, (one, other) in enumerate(zip(derived, leaves, strict=False), start):
                if one != other:
                    walk.say(index, "the entry is not the one that the log signed")
            return leaves
    walk.say(_first_wrong(walk, derived, start), f"the entries [{start}, {stop}) do not have the signed root")
    walk.tree = None
    return derived


async def _tiled(store: EntryStore, walk: _Walk, derived: tuple[bytes, ...], start: int) -> tuple[bytes, ...]:
    """The leaves as the tiles have them, where there are tiles."""
    leaves = list(derived)
    for tile in await store.stored_tiles(walk.state.origin, 0, start // TILE_WIDTH, len(leaves) // TILE_WIDTH + 2):
        for index, leaf in enumerate(split_hashes(tile.hashes), tile.n * TILE_WIDTH):
            if 0 <= index - start < len(leaves):
                leaves[index - start] = leaf
    return tuple(leaves)


def _signed_root(walk: _Walk, bundle: StoredBundle) -> bytes | None:
    stop = bundle.ref.stop
    if walk.key is None:
        walk.say(bundle.ref.start, "the gateway of this log is not in the registry: its signatures cannot be checked")
        return None
    try:
        checkpoint, _ = open_checkpoint(bundle.checkpoint, walk.key)
    except FormatError as error:
        walk.say(bundle.ref.start, f"the checkpoint of size {stop}: {error}")
        return None
    if checkpoint.size != stop:
        walk.say(bundle.ref.start, f"the bundle ends at {stop}, its checkpoint is of size {checkpoint.size}")
        return None
    return checkpoint.root


def _grown(tree: CompactRange, leaves: tuple[bytes, ...]) -> CompactRange:
    grown = tree.copy()
    grown.extend(leaves)
    return grown


def _first_wrong(walk: _Walk, derived: tuple[bytes, ...], start: int) -> int:
    """The first index at which this bundle is known to be wrong; its start when only the root says so."""
    known = [finding.index for finding in walk.found if finding.index is not None and finding.index >= start]
    return min(known, default=start) if derived else start


# -- openings and tiles --------------------------------------------------------------------------------------------


async def _openings(store: EntryStore, walk: _Walk, bundle: StoredBundle) -> None:
    start, stop = bundle.ref.start, bundle.ref.stop
    openings = await store.openings(walk.state.origin, start, stop)
    if not openings:
        return
    try:
        entries = unframe_entries(bundle.entries)
    except TileError:
        return  # said already
    for index, mine in groupby(openings, lambda each: each.index):
        entry = entries[index - start] if index - start < len(entries) else b""
        for name in wrong_fields(mine, entry) if index not in walk.excused else ():
            walk.say(index, f"the opening of field {name} opens no commitment of the entry")


async def _tiles(store: EntryStore, walk: _Walk) -> None:
    """Compare every tile that this log has filled, level by level, as soon as it is full."""
    while len(walk.leaves) >= TILE_WIDTH and walk.tree is not None:
        full, walk.leaves = walk.leaves[:TILE_WIDTH], walk.leaves[TILE_WIDTH:]
        n = (walk.next - len(walk.leaves)) // TILE_WIDTH - 1
        await _tile(store, walk, 0, n, full)
        await _carry(store, walk, 0, n, fold(full))


async def _carry(store: EntryStore, walk: _Walk, level: int, n: int, root: bytes) -> None:
    if len(walk.levels) == level:
        walk.levels.append([])
    row = walk.levels[level]
    row.append(root)
    if len(row) == TILE_WIDTH:
        walk.levels[level] = []
        upper = n // TILE_WIDTH
        await _tile(store, walk, level + 1, upper, row)
        await _carry(store, walk, level + 1, upper, fold(row))


async def _tile(store: EntryStore, walk: _Walk, level: int, n: int, hashes: list[bytes]) -> None:
    first = n * TILE_WIDTH << (8 * level)
    rows = await store.stored_tiles(walk.state.origin, level, n, 1)
    if not rows or rows[0].n != n:
        walk.say(first, f"tile {level}/{n} is missing")
        return
    for place, (one, other) in enumerate(zip(hashes, split_hashes(rows[0].hashes), strict=False)):
        if one != other:
            walk.say(first + (place << (8 * level)), f"hash {place} of tile {level}/{n} is not that of the entries")
    if len(rows[0].hashes) != len(b"".join(hashes)) or rows[0].root != fold(hashes):
        walk.say(first, f"tile {level}/{n} does not have the root of its entries")


# -- the end of the log --------------------------------------------------------------------------------------------


async def _end(store: EntryStore, walk: _Walk, mirror: CosignatureVerifier) -> None:
    state = walk.state
    if walk.next != state.size:
        walk.say(walk.next, f"the entries [{walk.next}, {state.size}) are missing")
    _state_row(walk, mirror)
    if walk.tree is not None and walk.next == state.size:
        if (walk.tree.root(), walk.tree.hashes) != (state.root, state.range_hashes):
            walk.say(state.size, "the state row has another root or range than the entries")
        _cosigned_root(walk)
        if state.cosigned_s != walk.latest_s:
            walk.say(state.size, "the state row's cosignature time is that of no cosignature")
    last = walk.last
    if last is not None and last.ref.stop == state.size:
        if last.checkpoint != state.checkpoint:
            walk.say(state.size, "the state row has another checkpoint than the last bundle")
        if last.ref.received_us != state.updated_us:
            walk.say(state.size, "the state row has another time than the last bundle")
    await _beyond(store, walk)


async def _beyond(store: EntryStore, walk: _Walk) -> None:
    """Rows behind the end; an upload that came during the check has moved the end, and the next pass sees it."""
    state = walk.state
    for extra in await store.stored_bundles(state.origin, state.size, 1):
        now = await store.log(state.origin)
        if now is not None and now.size == state.size:
            walk.say(extra.ref.start, f"a bundle [{extra.ref.start}, {extra.ref.stop}) behind the end at {state.size}")
    for extra_opening in (await store.openings(state.origin, state.size, 1 << 62))[:1]:
        now = await store.log(state.origin)
        if now is not None and now.size == state.size:
            walk.say(extra_opening.index, f"an opening behind the end at {state.size}")


def _state_row(walk: _Walk, mirror: CosignatureVerifier) -> None:
    state = walk.state
    origin = parse_origin(state.origin)
    if origin is None or (origin.gateway_id, origin.generation) != (state.gateway_id, state.generation):
        walk.say(None, f"the state row names gateway {state.gateway_id}, generation {state.generation}")
    try:
        if CompactRange(state.size, state.range_hashes).root() != state.root:
            walk.say(state.size, "the state row's range does not have its root")
        if walk.key is not None:
            checkpoint, _ = open_checkpoint(state.checkpoint, walk.key)
            if (checkpoint.size, checkpoint.root) != (state.size, state.root):
                walk.say(state.size, f"the state row says size {state.size}, its checkpoint {checkpoint.size}")
    except (FormatError, ProofError) as error:
        walk.say(state.size, f"the state row: {error}")
    _cosigned(walk, mirror)


def _cosigned(walk: _Walk, mirror: CosignatureVerifier) -> None:
    state = walk.state
    if state.cosigned is None:
        if state.cosigned_size:
            walk.say(state.cosigned_size, "the cosigned note is missing")
        return
    try:
        time_s = verify_cosignature(state.cosigned, mirror)
        checkpoint, _ = open_checkpoint(state.cosigned, walk.key) if walk.key else (None, None)
    except FormatError as error:
        walk.say(state.cosigned_size, f"the cosigned note: {error}")
        return
    if checkpoint is not None and checkpoint.size != state.cosigned_size:
        walk.say(state.cosigned_size, f"the cosigned note is of size {checkpoint.size}, not {state.cosigned_size}")
    if max(state.cosigned_size, checkpoint.size if checkpoint else 0) > state.size:
        walk.say(state.size, f"size {state.cosigned_size} was cosigned, only {state.size} entries are stored")
    if time_s > state.cosigned_s:
        walk.say(state.size, "the state row's cosignature time lies before a cosignature")
    walk.latest_s = max(walk.latest_s, time_s)


def _cosigned_root(walk: _Walk) -> None:
    state = walk.state
    if state.cosigned is None or walk.key is None:
        return
    try:
        checkpoint, _ = open_checkpoint(state.cosigned, walk.key)
    except FormatError:
        return  # said already
    if walk.roots.get(checkpoint.size) != checkpoint.root:
        walk.say(checkpoint.size, "the cosigned note is of another tree")


def _verifier(state: LogState, log_key: bytes | None) -> Ed25519Verifier | None:
    try:
        return Ed25519Verifier(state.origin, log_key) if log_key is not None else None
    except FormatError:
        return None


async def check_witnessed(
    store: EntryStore, state: LogState, log_key: bytes | None, witness: CosignatureVerifier
) -> list[Finding]:
    """The witness's row of this log against the note that it holds."""
    kept = await store.witnessed(state.origin)
    if kept is None or log_key is None:
        return []
    try:
        time_s = verify_cosignature(kept.note, witness)
        checkpoint, _ = open_checkpoint(kept.note, Ed25519Verifier(state.origin, log_key))
    except FormatError as error:
        return [Finding(state.origin, kept.size, f"the witness's note: {error}")]
    if (checkpoint.size, checkpoint.root, time_s) != (kept.size, kept.root, kept.cosigned_s):
        return [Finding(state.origin, kept.size, "the witness's row is not what its note says")]
    return []


async def _excused(store: EntryStore, origin: str) -> frozenset[int]:
    alarms, after = [], 0
    while page := await store.alarms(after):
        alarms += [each for each in page if each.origin == origin and each.kind == OPENING_MISMATCH]
        after = page[-1].id
    return frozenset(each.index for each in alarms if each.index is not None)
