"""The Merkle tree of a log: its hashes, its root, and the two proofs (RFC 6962 section 2.1).

Making a proof needs the hashes of perfect subtrees only; where they come from (a list, tiles, a
file) is the caller's. Checking a proof follows RFC 9162, which spells the algorithms of the same
tree out step by step. A checker returns nothing, or raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from appliance.tlog.errors import ConsistencyInvalid, InclusionInvalid, ProofImpossible

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()  # RFC 6962 section 2.1: the hash of an empty list

Subtree = Callable[[int, int], bytes]  # (height, index) -> hash of the leaves [index << height, (index + 1) << height)


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry as a leaf; 32 bytes. The 0x00 keeps leaves and nodes apart."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash above two hashes; 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def parents(hashes: Sequence[bytes]) -> list[bytes]:
    """The hashes above an even number of neighbouring hashes, in order."""
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=True)]


def root(size: int, subtree: Subtree) -> bytes:
    """MTH(D[size]): the root of the tree's first ``size`` leaves."""
    return _range_hash(0, size, subtree)


def inclusion_proof(index: int, size: int, subtree: Subtree) -> tuple[bytes, ...]:
    """PATH(index, D[size]) of RFC 6962 section 2.1.1: from the leaf's sibling up to below the root.

    Raises:
        ProofImpossible: there is no leaf ``index`` in a tree of ``size`` leaves.
    """
    if not 0 <= index < size:
        raise ProofImpossible(f"a tree of {size} leaves has no leaf of index {index}")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(_range_hash(start, middle, subtree))
            start = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, subtree: Subtree) -> tuple[bytes, ...]:
    """PROOF(old, D[new]) of RFC 6962 section 2.1.2; empty if either tree proves itself.

    Nothing needs proving from the empty tree, or between equal sizes.

    Raises:
        ProofImpossible: ``old`` is below 0 or above ``new``.
    """
    if not 0 <= old <= new:
        raise ProofImpossible(f"a tree of {new} leaves never was one of {old}")
    if old in (0, new):
        return ()
    start, end, path = 0, new, []
    while end != old:  # SUBPROOF(old - start, D[start:end], start == 0)
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(_range_hash(start, middle, subtree))
            start = middle
    if start:  # else the verifier knows this hash: it is the old root
        path.append(_range_hash(start, end, subtree))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf of that hash is number ``index`` (from 0) of the tree with that size and root.

    RFC 9162 section 2.1.3.2; the numbers are its steps.

    Raises:
        InclusionInvalid: it is not shown.
    """
    if not 0 <= index < size:  # 1
        raise InclusionInvalid(f"a tree of {size} leaves has no leaf of index {index}")
    _require_hashes((leaf, root, *proof), InclusionInvalid)
    fn, sn, r = index, size - 1, leaf  # 2, 3
    for p in proof:  # 4
        if sn == 0:
            raise InclusionInvalid(f"the inclusion proof has {len(proof)} hashes, more than leaf {index} of {size} has")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or r != root:  # 5
        raise InclusionInvalid(f"the proof does not show leaf {index} in the tree of size {size} and that root")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of ``new_size`` begins with the whole tree of ``old_size``.

    RFC 9162 section 2.1.4.2 for 0 < old < new; the numbers are its steps. Equal sizes need equal
    roots, and the empty tree has one root and precedes every tree (C2SP tlog-witness); both
    without a proof.

    Raises:
        ConsistencyInvalid: it is not shown.
    """
    if not 0 <= old_size <= new_size:
        raise ConsistencyInvalid(f"a tree of {new_size} leaves never was one of {old_size}")
    _require_hashes((old_root, new_root, *proof), ConsistencyInvalid)
    _require_empty_root(old_size, old_root)
    _require_empty_root(new_size, new_root)
    if old_size in (0, new_size):
        _verify_trivial(old_size, old_root, new_size, new_root, proof)
    else:
        _verify_growth(old_size, old_root, new_size, new_root, proof)


def _verify_trivial(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise ConsistencyInvalid(f"from size {old_size} to {new_size} nothing needs proving, yet there is a proof")
    if old_size == new_size and old_root != new_root:
        raise ConsistencyInvalid(f"two different trees of size {new_size}")


def _verify_growth(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    if not proof:  # 1
        raise ConsistencyInvalid(f"no proof between size {old_size} and {new_size}")
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # 2: a power of two
        path.insert(0, old_root)
    fn, sn = old_size - 1, new_size - 1  # 3
    while fn & 1:  # 4
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]  # 5
    for c in path[1:]:  # 6
        if sn == 0:
            raise ConsistencyInvalid(f"the consistency proof has {len(proof)} hashes, more than belong there")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or fr != old_root or sr != new_root:  # 7
        raise ConsistencyInvalid(
            f"the proof does not show that the tree of size {new_size} begins with the one of size {old_size}"
        )


class Frontier:
    """The right edge of a growing tree: the roots of its perfect subtrees, the largest (leftmost) first.

    It is all that is needed to append leaves and to know the root, 32 bytes for every bit set in ``size``.

    Raises:
        ProofImpossible: the number of hashes does not go with the size.
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._hashes = list(hashes)
        if size < 0 or len(self._hashes) != size.bit_count() or any(len(one) != HASH_BYTES for one in self._hashes):
            raise ProofImpossible(f"{len(self._hashes)} hashes are not the right edge of a tree of {size} leaves")

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, from left to right."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf, given its hash."""
        size, hashes, one = self.size, self._hashes, leaf
        while size & 1:
            one = node_hash(hashes.pop(), one)
            size >>= 1
        hashes.append(one)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves, given their hashes: level by level, so that the loop is over lists and not over leaves."""
        level = list(leaves)
        added, size, kept = len(level), self.size, []
        while level:
            if size & 1:
                level.insert(0, self._hashes.pop())
            if len(level) & 1:
                kept.append(level.pop())
            level = parents(level)
            size >>= 1
        self._hashes.extend(reversed(kept))
        self.size += added

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        return _fold(self._hashes)


def _range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    """MTH(D[start:end]), where ``start`` is a multiple of the largest power of two that fits."""
    peaks = []
    while start < end:
        height = (end - start).bit_length() - 1
        peaks.append(subtree(height, start >> height))
        start += 1 << height
    return _fold(peaks)


def _fold(peaks: Sequence[bytes]) -> bytes:
    """The root above perfect subtrees that stand side by side, the largest first."""
    if not peaks:
        return EMPTY_ROOT
    above = peaks[-1]
    for left in reversed(peaks[:-1]):
        above = node_hash(left, above)
    return above


def _split(leaves: int) -> int:
    """The largest power of two smaller than ``leaves`` (RFC 6962 section 2.1: k)."""
    return 1 << (leaves - 1).bit_length() - 1


def _require_hashes(hashes: Sequence[bytes], wrong: type[InclusionInvalid | ConsistencyInvalid]) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise wrong(f"every hash of a proof has {HASH_BYTES} bytes")


def _require_empty_root(size: int, root: bytes) -> None:
    if size == 0 and root != EMPTY_ROOT:
        raise ConsistencyInvalid("the empty tree has one root only, the SHA-256 of nothing")
