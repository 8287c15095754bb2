"""The Merkle tree agrees with RFC 6962, and refuses whatever is not a proof."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorelog.format.errors import ProofError
from scorelog.format.tree import (
    EMPTY_ROOT,
    CompactRange,
    MemoryNodes,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    range_from,
    root_from,
    verify_consistency,
    verify_inclusion,
)

CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
LEAVES = [leaf_hash(b"%d" % number) for number in range(130)]
NODES = MemoryNodes(LEAVES)


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962 section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


def test_the_classic_leaves_have_their_published_roots() -> None:
    """The eight leaves of Certificate Transparency hash to the roots that all implementations know."""
    grown = CompactRange()
    for size, data in enumerate(CT_LEAVES, 1):
        grown.append(leaf_hash(bytes.fromhex(data)))
        if size in CT_ROOTS:
            assert grown.root().hex() == CT_ROOTS[size]
    assert EMPTY_ROOT == CompactRange().root() == root_from(0, NODES) == mth([])


@pytest.mark.parametrize("size", range(40))
def test_roots_and_proofs_equal_the_recursive_definition(size: int) -> None:
    """Every root, path and consistency proof up to size 40 is that of the RFC's recursion."""
    leaves = LEAVES[:size]
    root = mth(leaves)
    grown = CompactRange()
    grown.extend(leaves)
    assert grown.root() == root == root_from(size, NODES)
    assert range_from(size, NODES).hashes == grown.hashes
    for index in range(size):
        assert inclusion_proof(index, size, NODES) == path(index, leaves)
        verify_inclusion(leaves[index], index, size, path(index, leaves), root)
    for old in range(1, size + 1):
        assert consistency_proof(old, size, NODES) == subproof(old, leaves)
        verify_consistency(old, size, subproof(old, leaves), mth(leaves[:old]), root)
    assert consistency_proof(0, size, NODES) == []
    verify_consistency(0, size, [], EMPTY_ROOT, root)


@given(st.data())
def test_no_other_inclusion_verifies(data: st.DataObject) -> None:
    """P3: another leaf, index, size, root or path is refused."""
    size = data.draw(st.integers(1, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(index, size, NODES), root_from(size, NODES)
    leaf = LEAVES[index]
    match data.draw(st.sampled_from(["leaf", "index", "root", "longer", "shorter", "bit"])):
        case "leaf":
            leaf = leaf_hash(b"another")
        case "index":
            index = data.draw(st.integers(0, size).filter(lambda other: other != index))
        case "root":
            root = leaf_hash(b"another")
        case "longer":
            proof = [*proof, leaf]
        case "shorter" if proof:
            proof = proof[:-1]
        case _ if proof:
            place = data.draw(st.integers(0, len(proof) - 1))
            proof[place] = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        case _:
            leaf = leaf_hash(b"another")
    with pytest.raises(ProofError):
        verify_inclusion(leaf, index, size, proof, root)


@given(st.data())
def test_no_other_consistency_verifies(data: st.DataObject) -> None:
    """P3: a rolled back or forked tree has no consistency proof."""
    new = data.draw(st.integers(1, len(LEAVES)))
    old = data.draw(st.integers(0, new))
    proof, old_root, new_root = consistency_proof(old, new, NODES), root_from(old, NODES), root_from(new, NODES)
    match data.draw(st.sampled_from(["old", "new", "longer", "shorter", "bit"])):
        case "new" if old:
            new_root = leaf_hash(b"another")
        case "longer":
            proof = [*proof, new_root]
        case "shorter" if proof:
            proof = proof[:-1]
        case "bit" if proof:
            place = data.draw(st.integers(0, len(proof) - 1))
            proof[place] = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        case _:
            old_root = leaf_hash(b"another")
    with pytest.raises(ProofError):
        verify_consistency(old, new, proof, old_root, new_root)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: CompactRange(3, [bytes(32)]), "1 hashes in a range of size 3; expected 2"),
        (lambda: CompactRange(-1), "size -1"),
        (lambda: CompactRange(1, [bytes(31)]), "31 bytes"),
        (lambda: inclusion_proof(3, 3, NODES), "index 3 in a tree of size 3"),
        (lambda: inclusion_proof(-1, 3, NODES), "index -1"),
        (lambda: consistency_proof(4, 3, NODES), "old size 4, new size 3"),
        (lambda: verify_inclusion(bytes(32), 1, 1, [], bytes(32)), "index 1 in a tree of size 1"),
        (lambda: verify_inclusion(bytes(32), 0, 2, [bytes(33)], bytes(32)), "33 bytes"),
        (lambda: verify_consistency(2, 1, [], bytes(32), bytes(32)), "old size 2"),
        (lambda: verify_consistency(1, 2, [], bytes(32), bytes(32)), "no hashes"),
        (lambda: verify_consistency(1, 1, [bytes(32)], bytes(32), bytes(32)), "expected none from size 1 to 1"),
        (lambda: verify_consistency(1, 1, [], bytes(32), b"\x01" * 32), "two trees of size 1"),
        (lambda: MemoryNodes(LEAVES[:3])(1, 1), "no complete subtree at level 1, index 1"),
        (lambda: MemoryNodes(LEAVES[:3])(-1, 0), "no complete subtree"),
    ],
)
def test_impossible_questions_are_refused(call: object, says: str) -> None:
    """Sizes, indexes and lengths are checked before anything is hashed."""
    with pytest.raises(ProofError, match=says):
        call()  # type: ignore[operator]


def test_a_copy_goes_its_own_way() -> None:
    """Appending to a copy leaves the original as it was."""
    first = range_from(5, NODES)
    second = first.copy()
    second.append(LEAVES[5])
    assert (first.size, second.size) == (5, 6)
    assert first.root() == root_from(5, NODES)
    assert second.root() == root_from(6, NODES)
    assert MemoryNodes(LEAVES[:5]).size == 5
