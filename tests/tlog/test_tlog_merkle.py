"""Roots and proofs against a naive RFC 6962, for every size up to 300; and what is no proof is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlognaive import ENTRIES_OF_TESTS, entry, mth, path, served, sides, subproof, subtree

from appliance.tlog import merkle
from appliance.tlog.errors import ConsistencyInvalid, InclusionInvalid, ProofImpossible
from appliance.tlog.merkle import EMPTY_ROOT, Frontier, leaf_hash
from appliance.tlog.tiles import TileTree

SIZES = range(ENTRIES_OF_TESTS + 1)
LEAVES = [leaf_hash(entry(number)) for number in range(ENTRIES_OF_TESTS)]
OTHER = bytes(32)


def flipped(data: bytes) -> bytes:
    return bytes((data[0] ^ 1,)) + data[1:]


def damaged(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Each hash altered, left out, doubled or cut short; one more at either end; two neighbours swapped."""
    found = [(*proof, OTHER), (OTHER, *proof)]
    for place, one in enumerate(proof):
        before, after = proof[:place], proof[place + 1 :]
        found += [(*before, *new, *after) for new in ((flipped(one),), (), (one, one), (one[:-1],))]
        found += [(*before, after[0], one, *after[1:])] if after and after[0] != one else []
    return found


# --- the hashes --------------------------------------------------------------------------------


def test_hashes_of_the_standard() -> None:
    """RFC 6962 section 2.1: nothing, one empty leaf, and a leaf that looks like a node is not one."""
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != merkle.node_hash(left, right) == mth(0, 2)
    assert merkle.parents(LEAVES[:6]) == [mth(0, 2), mth(2, 4), mth(4, 6)]
    assert merkle.parents([]) == []


# --- every size --------------------------------------------------------------------------------


def test_root_of_every_size() -> None:
    one_by_one = Frontier()
    for size in SIZES:
        at_once = Frontier()
        at_once.extend(LEAVES[:size])
        tiles = TileTree(served(size), size)
        assert merkle.root(size, subtree) == merkle.root(size, tiles.subtree) == mth(0, size)
        assert one_by_one.root() == at_once.root() == mth(0, size)
        assert one_by_one.hashes == at_once.hashes
        assert one_by_one.size == at_once.size == size
        if size < ENTRIES_OF_TESTS:
            one_by_one.append(LEAVES[size])


def test_frontier_grows_the_same_in_any_steps() -> None:
    for first in range(0, ENTRIES_OF_TESTS, 7):
        for second in range(first, ENTRIES_OF_TESTS, 31):
            edge = Frontier()
            edge.extend(LEAVES[:first])
            edge = Frontier(edge.size, edge.hashes)
            edge.extend(iter(LEAVES[first:second]))
            edge.extend([])
            assert (edge.size, edge.root()) == (second, mth(0, second))


def test_frontier_refuses_hashes_that_do_not_fit_the_size() -> None:
    for size, hashes in ((1, ()), (2, LEAVES[:2]), (-1, LEAVES[:1]), (3, LEAVES[:3]), (1, (b"short",))):
        with pytest.raises(ProofImpossible, match="are not the right edge of a tree of"):
            Frontier(size, hashes)


@pytest.mark.parametrize("over", ["hashes", "tiles"])
def test_every_inclusion(over: str) -> None:
    """Every index of every size: the standard's own proof, and it verifies."""
    for size in SIZES:
        source = subtree if over == "hashes" else TileTree(served(size), size).subtree
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, source)
            assert list(proof) == path(index, 0, size)
            merkle.verify_inclusion(LEAVES[index], index, size, proof, mth(0, size))


@pytest.mark.parametrize("over", ["hashes", "tiles"])
def test_every_consistency(over: str) -> None:
    """Every pair of sizes, the empty tree and the same size included."""
    for new in SIZES:
        source = subtree if over == "hashes" else TileTree(served(new), new).subtree
        for old in range(new + 1):
            proof = merkle.consistency_proof(old, new, source)
            assert list(proof) == (subproof(old, 0, new, True) if old else [])
            merkle.verify_consistency(old, mth(0, old), new, mth(0, new), proof)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(0, 2**62))
def test_trees_of_any_size(a: int, b: int, c: int) -> None:
    """A tree whose leaves are all equal needs no storage, so its proofs are tried at sizes no machine holds."""
    perfect = [LEAVES[0]]
    while len(perfect) < 64:
        perfect.append(merkle.node_hash(perfect[-1], perfect[-1]))
    same: Callable[[int, int], bytes] = lambda height, index: perfect[height]  # noqa: E731
    index, old, new = sorted((a, b, c))
    new += 1
    roots = merkle.root(old, same), merkle.root(new, same)
    merkle.verify_inclusion(LEAVES[0], index, new, merkle.inclusion_proof(index, new, same), roots[1])
    proof = merkle.consistency_proof(old, new, same)
    assert len(proof) <= 64
    merkle.verify_consistency(old, roots[0], new, roots[1], proof)
    if 0 < old < new:
        with pytest.raises(ConsistencyInvalid):
            merkle.verify_consistency(old, flipped(roots[0]), new, roots[1], proof)


# --- what is refused ---------------------------------------------------------------------------

SAMPLE = (*range(1, 34), 255, 256, 257, 300)


@pytest.mark.parametrize("size", SAMPLE)
def test_wrong_inclusion_is_refused(size: int) -> None:
    root = mth(0, size)
    for index in range(size) if size < 34 else (0, 1, 127, 128, size - 2, size - 1):
        proof = merkle.inclusion_proof(index, size, subtree)
        for wrong in damaged(proof):
            with pytest.raises(InclusionInvalid, match="proof"):
                merkle.verify_inclusion(LEAVES[index], index, size, wrong, root)
        for leaf, tried in ((flipped(LEAVES[index]), root), (LEAVES[index], flipped(root)), (LEAVES[index], OTHER)):
            with pytest.raises(InclusionInvalid, match=f"does not show leaf {index} in the tree of size {size}"):
                merkle.verify_inclusion(leaf, index, size, proof, tried)
        for other in set(range(size)) - {index}:
            with pytest.raises(InclusionInvalid, match="inclusion proof has|does not show"):
                merkle.verify_inclusion(LEAVES[index], other, size, proof, root)


def test_inclusion_under_another_size_only_where_the_proof_is_the_same() -> None:
    """RFC 9162: the size is bound by the signed checkpoint; a proof alone binds it as far as its shape does."""
    refused = 0
    for size in range(1, 34):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, subtree)
            for other in set(range(40)) - {size}:
                if index < other and sides(index, other) == sides(index, size):
                    continue
                refused += 1
                with pytest.raises(InclusionInvalid, match=r"proof|has no leaf of index"):
                    merkle.verify_inclusion(LEAVES[index], index, other, proof, mth(0, size))
    assert refused > 15_000


@pytest.mark.parametrize("new", SAMPLE)
def test_wrong_consistency_is_refused(new: int) -> None:
    for old in range(1, new) if new < 34 else (1, 2, 127, 128, 129, new - 1):
        proof = merkle.consistency_proof(old, new, subtree)
        for wrong in (*damaged(proof), ()):
            with pytest.raises(ConsistencyInvalid, match="proof"):
                merkle.verify_consistency(old, mth(0, old), new, mth(0, new), wrong)
        for before, after in ((flipped(mth(0, old)), mth(0, new)), (mth(0, old), flipped(mth(0, new))), (OTHER, OTHER)):
            with pytest.raises(ConsistencyInvalid, match=f"of size {new} begins with the one of size {old}"):
                merkle.verify_consistency(old, before, new, after, proof)
        for other in range(1, new):
            if other != old:
                with pytest.raises(ConsistencyInvalid, match="proof"):
                    merkle.verify_consistency(other, mth(0, other), new, mth(0, new), proof)


def test_a_forked_log_has_no_proof() -> None:
    """One record of the first tree was altered in the second; whatever proof the second can make, it fails."""
    forked = [*LEAVES]
    forked[3] = leaf_hash(b"another past")
    levels = [forked[:16]]
    while len(levels[-1]) > 1:
        levels.append(merkle.parents(levels[-1]))
    for old in range(4, 16):
        proof = merkle.consistency_proof(old, 16, lambda height, index: levels[height][index])
        with pytest.raises(ConsistencyInvalid) as refusal:
            merkle.verify_consistency(old, mth(0, old), 16, levels[-1][0], proof)
        assert refusal.value.hint is not None
        assert "Do not cosign it" in refusal.value.hint


def test_sizes_that_make_no_sense() -> None:
    for index, size in ((0, 0), (5, 5), (6, 5), (-1, 5), (0, -1)):
        with pytest.raises(ProofImpossible, match="has no leaf of index"):
            merkle.inclusion_proof(index, size, subtree)
        with pytest.raises(InclusionInvalid, match="has no leaf of index"):
            merkle.verify_inclusion(LEAVES[0], index, size, (), mth(0, 1))
    for old, new in ((6, 5), (-1, 5), (0, -1)):
        with pytest.raises(ProofImpossible, match=f"a tree of {new} leaves never was one of {old}"):
            merkle.consistency_proof(old, new, subtree)
        with pytest.raises(ConsistencyInvalid, match=f"a tree of {new} leaves never was one of {old}"):
            merkle.verify_consistency(old, OTHER, new, OTHER, ())


def test_consistency_without_a_proof() -> None:
    merkle.verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
    merkle.verify_consistency(0, EMPTY_ROOT, 5, mth(0, 5), ())
    merkle.verify_consistency(5, mth(0, 5), 5, mth(0, 5), ())
    with pytest.raises(ConsistencyInvalid, match="two different trees of size 5"):
        merkle.verify_consistency(5, mth(0, 5), 5, mth(1, 6), ())
    with pytest.raises(ConsistencyInvalid, match="no proof between size 3 and 5"):
        merkle.verify_consistency(3, mth(0, 3), 5, mth(0, 5), ())
    for old, root in ((0, EMPTY_ROOT), (5, mth(0, 5))):
        with pytest.raises(
            ConsistencyInvalid, match=f"from size {old} to 5 nothing needs proving, yet there is a proof"
        ):
            merkle.verify_consistency(old, root, 5, mth(0, 5), (OTHER,))
    for old, before, new, after in ((0, OTHER, 5, mth(0, 5)), (0, EMPTY_ROOT, 0, OTHER), (0, OTHER, 0, OTHER)):
        with pytest.raises(ConsistencyInvalid, match="the empty tree has one root only"):
            merkle.verify_consistency(old, before, new, after, ())


def test_a_proof_that_goes_on_above_the_root() -> None:
    """Said as what it is, before anything is hashed with it."""
    for size in (1, 2, 7, 256):
        proof = (*merkle.inclusion_proof(size - 1, size, subtree), OTHER)
        message = f"the inclusion proof has {len(proof)} hashes, more than leaf {size - 1} of {size} has"
        with pytest.raises(InclusionInvalid, match=message):
            merkle.verify_inclusion(LEAVES[size - 1], size - 1, size, proof, mth(0, size))
    for old, new in ((1, 2), (3, 7), (255, 256)):
        proof = (*merkle.consistency_proof(old, new, subtree), OTHER)
        message = f"the consistency proof has {len(proof)} hashes, more than belong there"
        with pytest.raises(ConsistencyInvalid, match=message):
            merkle.verify_consistency(old, mth(0, old), new, mth(0, new), proof)


def test_hashes_have_32_bytes() -> None:
    """Joined hashes of odd lengths could otherwise be cut in another place and mean another tree."""
    for leaf, proof, root in ((LEAVES[0][:31], (LEAVES[1],), mth(0, 2)), (LEAVES[0], (LEAVES[1],), mth(0, 2) + b"\0")):
        with pytest.raises(InclusionInvalid, match="every hash of a proof has 32 bytes"):
            merkle.verify_inclusion(leaf, 0, 2, proof, root)
    with pytest.raises(ConsistencyInvalid, match="every hash of a proof has 32 bytes"):
        merkle.verify_consistency(1, LEAVES[0], 2, mth(0, 2), (LEAVES[1] + b"\0",))
