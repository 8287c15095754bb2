r"""The Merkle tree of RFC 6962 section 2.1: hashes, the compact range, inclusion and consistency proofs.

Owns the arithmetic and nothing else: where nodes are stored is the caller's business. A *node source* is a
function `(level, index) -> hash` of the complete subtree over the leaves [index << level, (index + 1) << level).

        root(5)                     compact range of size 5 = (node(2,0), node(0,4))
        /     \
     node(2,0) node(0,4)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from scorelog.format.errors import ProofError
from scorelog.format.limits import HASH_BYTES

NodeSource: TypeAlias = Callable[[int, int], bytes]

EMPTY_ROOT = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return _sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The right edge of a tree: one hash per complete subtree, largest first. Mutable, O(1) amortised append."""

    __slots__ = ("_size", "_stack")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        stack = list(hashes)
        if size < 0 or len(stack) != size.bit_count():
            raise ProofError(f"{len(stack)} hashes in a range of size {size}", expected=f"{max(size, 0).bit_count()}")
        _check_hashes(stack)
        self._size = size
        self._stack = stack

    @property
    def size(self) -> int:
        """How many leaves the range covers."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, largest first."""
        return tuple(self._stack)

    def append(self, leaf: bytes) -> None:
        """Take one more leaf hash."""
        stack = self._stack
        size = self._size
        while size & 1:
            leaf = _sha256(b"\x01" + stack.pop() + leaf).digest()
            size >>= 1
        stack.append(leaf)
        self._size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Take more leaf hashes in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The root hash of the tree of this size."""
        return _fold(self._stack) if self._stack else EMPTY_ROOT

    def copy(self) -> CompactRange:
        """An independent range of the same state."""
        return CompactRange(self._size, self._stack)


class MemoryNodes:
    """A node source over leaf hashes held in memory; every complete subtree is computed once."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Take one more leaf hash."""
        level = 0
        self._levels[0].append(leaf)
        while len(self._levels[level]) % 2 == 0:
            row = self._levels[level]
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(node_hash(row[-2], row[-1]))

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of one complete subtree."""
        if not 0 <= level < len(self._levels) or not 0 <= index < len(self._levels[level]):
            raise ProofError(f"no complete subtree at level {level}, index {index}")
        return self._levels[level][index]


def root_from(size: int, node: NodeSource) -> bytes:
    """The root of the tree of `size` leaves."""
    return _subtree(0, size, node) if size else EMPTY_ROOT


def range_from(size: int, node: NodeSource) -> CompactRange:
    """The compact range of the first `size` leaves."""
    return CompactRange(size, _complete_parts(0, size, node))


def inclusion_proof(index: int, size: int, node: NodeSource) -> list[bytes]:
    """The audit path of a leaf, from leaf to root (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        raise ProofError(f"index {index} in a tree of size {size}", expected="an index below the size")
    begin, end, path = 0, size, []
    while end - begin > 1:
        split = _split(begin, end)
        if index < split:
            path.append(_subtree(split, end, node))
            end = split
        else:
            path.append(_subtree(begin, split, node))
            begin = split
    path.reverse()
    return path


def consistency_proof(old: int, new: int, node: NodeSource) -> list[bytes]:
    """The proof that the tree of `new` leaves begins with the tree of `old` leaves (RFC 6962 section 2.1.2)."""
    if not 0 <= old <= new:
        raise ProofError(f"old size {old}, new size {new}", expected="an old size not above the new one")
    if old in (0, new):
        return []
    begin, end, path, known = 0, new, [], True
    while end != old:
        split = _split(begin, end)
        if old <= split:
            path.append(_subtree(split, end, node))
            end = split
        else:
            path.append(_subtree(begin, split, node))
            begin, known = split, False
    if not known:
        path.append(_subtree(begin, end, node))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ProofError unless the leaf is at `index` in the tree of `size` leaves (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofError(f"index {index} in a tree of size {size}", expected="an index below the size")
    _check_hashes((leaf, root, *proof))
    first, last, current = index, size - 1, leaf
    for place, sibling in enumerate(proof):
        if last == 0:
            raise ProofError(f"{len(proof)} hashes", where="inclusion proof", expected=f"{place}")
        if first & 1 or first == last:
            current = node_hash(sibling, current)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            current = node_hash(current, sibling)
        first >>= 1
        last >>= 1
    if last:
        raise ProofError(f"only {len(proof)} hashes", where="inclusion proof", expected="more for this index and size")
    _same_root(current, root, f"inclusion proof of index {index} in size {size}")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Raise ProofError unless the new tree begins with the old one (RFC 9162 section 2.1.4.2).

    Old size 0 and equal sizes take an empty proof; RFC 9162 leaves them to the caller.
    """
    if not 0 <= old <= new:
        raise ProofError(f"old size {old}, new size {new}", expected="an old size not above the new one")
    _check_hashes((old_root, new_root, *proof))
    if old in (0, new):
        _verify_trivial(old, new, proof, old_root, new_root)
        return
    if not proof:
        raise ProofError("no hashes", where="consistency proof", expected=f"a proof from size {old} to {new}")
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    first, last = old - 1, new - 1
    while first & 1:
        first >>= 1
        last >>= 1
    old_side = new_side = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError(f"{len(proof)} hashes", where="consistency proof", expected="fewer for these sizes")
        if first & 1 or first == last:
            old_side = node_hash(sibling, old_side)
            new_side = node_hash(sibling, new_side)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            new_side = node_hash(new_side, sibling)
        first >>= 1
        last >>= 1
    if last:
        raise ProofError(f"only {len(proof)} hashes", where="consistency proof", expected="more for these sizes")
    _same_root(old_side, old_root, f"old tree of size {old}")
    _same_root(new_side, new_root, f"new tree of size {new}")


def _verify_trivial(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    if proof:
        raise ProofError(f"{len(proof)} hashes", where="consistency proof", expected=f"none from size {old} to {new}")
    if old == 0:
        _same_root(EMPTY_ROOT, old_root, "old tree of size 0")
    if old == new:
        _same_root(old_root, new_root, f"two trees of size {old}")


def _split(begin: int, end: int) -> int:
    return begin + (1 << ((end - begin - 1).bit_length() - 1))


def _complete_parts(begin: int, end: int, node: NodeSource) -> list[bytes]:
    parts = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        parts.append(node(level, begin >> level))
        begin += 1 << level
    return parts


def _subtree(begin: int, end: int, node: NodeSource) -> bytes:
    return _fold(_complete_parts(begin, end, node))


def _fold(parts: Sequence[bytes]) -> bytes:
    current = parts[-1]
    for place in range(len(parts) - 2, -1, -1):
        current = _sha256(b"\x01" + parts[place] + current).digest()
    return current


def _check_hashes(hashes: Iterable[bytes]) -> None:
    for one in hashes:
        if len(one) != HASH_BYTES:
            raise ProofError(f"a hash of {len(one)} bytes", expected=f"{HASH_BYTES} bytes")


def _same_root(computed: bytes, stated: bytes, what: str) -> None:
    if computed != stated:
        raise ProofError(f"{what} leads to root {computed.hex()}", expected=f"root {stated.hex()}")
