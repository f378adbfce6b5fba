"""RFC 6962 section 2.1 written down as it stands there, recursive and slow, to hold the real thing against."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256

from appliance.tlog.tiles import ENTRIES, Tile

ENTRIES_OF_TESTS = 300  # past the first full tile, so that levels 0 and 1 are there


def entry(number: int) -> bytes:
    return b"entry %d" % number


def smaller_power(n: int) -> int:
    """k, the largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


@cache
def mth(start: int, end: int) -> bytes:
    """MTH(D[start:end])."""
    n = end - start
    if n == 0:
        return sha256().digest()
    if n == 1:
        return sha256(b"\x00" + entry(start)).digest()
    k = smaller_power(n)
    return sha256(b"\x01" + mth(start, start + k) + mth(start + k, end)).digest()


def path(m: int, start: int, end: int) -> list[bytes]:
    """PATH(m, D[start:end]), section 2.1.1."""
    n = end - start
    if n == 1:
        return []
    k = smaller_power(n)
    if m < k:
        return [*path(m, start, start + k), mth(start + k, end)]
    return [*path(m - k, start + k, end), mth(start, start + k)]


def subproof(m: int, start: int, end: int, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[start:end], whole), section 2.1.2."""
    n = end - start
    if m == n:
        return [] if whole else [mth(start, end)]
    k = smaller_power(n)
    if m <= k:
        return [*subproof(m, start, start + k, whole), mth(start + k, end)]
    return [*subproof(m - k, start + k, end, False), mth(start, start + k)]


def sides(m: int, n: int) -> list[str]:
    """On which side each hash of PATH(m, D[n]) stands, and whether a level was skipped: what a proof's shape is."""
    if n == 1:
        return []
    k = smaller_power(n)
    return [*sides(m, k), "right"] if m < k else [*sides(m - k, n - k), "left"]


def subtree(height: int, index: int) -> bytes:
    """The hash of a perfect subtree, for the functions of `appliance.tlog.merkle`."""
    return mth(index << height, (index + 1) << height)


def tile_data(tile: Tile) -> bytes:
    """The bytes of a tile of hashes: the formula of C2SP tlog-tiles, "Merkle Tree"."""
    assert tile.level != ENTRIES
    span = 256**tile.level
    first = tile.index * 256
    return b"".join(mth((first + i) * span, (first + i + 1) * span) for i in range(tile.width))


def served(size: int) -> Callable[[Tile], bytes]:
    """A log of that size as a client sees it: tiles it does not have are not there."""
    from appliance.tlog.tiles import tiles_of

    store = {tile: tile_data(tile) for tile in tiles_of(size)}
    return store.__getitem__
