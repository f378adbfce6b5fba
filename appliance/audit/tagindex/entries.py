"""How the index writes one subject tag of one record: in 8 bytes, inside one of 4,096 buckets.

A tag looks like 16 random bytes (it is the output of AES). Its first 8, read as a little-endian integer, are its
*key*. The key's highest 12 bits choose a bucket, its lowest 24 bits stand in the entry beside the record's number:

    entry = key's lowest 24 bits << 40 | record

36 bits of a tag are not all of it: among 100 million entries a look-up meets a stranger's record about once in 700
times. So what the index gives are candidates, and the log, which stores tags whole, decides. Inside a bucket entries
stay in the order of their records. They are not sorted any further: a bucket is read as a whole, and putting tags in
buckets costs a third of sorting them.

Pure: arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.uint64]

BUCKET_BITS = 12
BUCKETS = 1 << BUCKET_BITS
RECORD_BITS = 40
MOST_RECORDS = 1 << RECORD_BITS
TAG_BYTES = 16
KEY_BYTES = 8

_BUCKET_SHIFT = np.uint64(8 * KEY_BYTES - BUCKET_BITS)
_RECORD_SHIFT = np.uint64(RECORD_BITS)
_RECORD = np.uint64(MOST_RECORDS - 1)
_COMPARED = (1 << (8 * KEY_BYTES - RECORD_BITS)) - 1


class Window(NamedTuple):
    """Records ``first`` up to, not including, ``before``."""

    first: int
    before: int


def key(tag: bytes) -> int:
    """The key of one tag.

    Raises:
        ValueError: not 16 bytes.
    """
    if len(tag) != TAG_BYTES:
        raise ValueError(f"a subject tag has {TAG_BYTES} bytes, not {len(tag)}")
    return int.from_bytes(tag[:KEY_BYTES], "little")


def bucket(wanted: int) -> int:
    """The bucket of a key, 0 … 4,095."""
    return wanted >> int(_BUCKET_SHIFT)


def records_of(entries: Array) -> Array:
    """The number of each entry's record."""
    return entries & _RECORD


def in_buckets(keys: Array, records: Array) -> tuple[Array, Array]:
    """The entries of ``keys[i]`` in ``records[i]``, bucket after bucket, and how many each bucket has.

    ``records`` must not descend; then they do not inside a bucket either (the sort is stable; for 16-bit integers
    numpy's is a radix sort).
    """
    buckets = (keys >> _BUCKET_SHIFT).astype(np.uint16)
    order = np.argsort(buckets, kind="stable")
    entries = np.take((keys << _RECORD_SHIFT) | records, order)
    return entries, np.bincount(buckets, minlength=BUCKETS).astype(np.uint64)


class Sorted:
    """Entries in memory, bucket after bucket; ``counts``: how many each bucket has."""

    def __init__(self, entries: Array, counts: Array) -> None:
        self._entries = entries
        self.counts = counts
        self.starts: list[int] = [0, *np.cumsum(counts).tolist()]

    def buckets(self, begin: int, end: int) -> Array:
        """All entries of the buckets ``begin`` up to, not including, ``end``."""
        return self._entries[self.starts[begin] : self.starts[end]]

    def pieces(self, number: int) -> Iterator[Array]:
        """A bucket's entries, in one piece."""
        yield self.buckets(number, number + 1)


def bucket_sums(entries: Array, counts: Array) -> Array:
    """A checksum of each bucket: its entries' sum modulo 2**64, so that a merged bucket's is that of its parts.

    Any one entry changed, lost or zeroed shows. It is against accidents: an index can be made anew from the log.
    """
    sums = np.zeros(len(counts), np.uint64)
    filled = np.flatnonzero(counts)
    if len(filled):
        sums[filled] = np.add.reduceat(entries, (np.cumsum(counts) - counts)[filled].astype(np.intp))
    return sums


def newest(entries: Array, wanted: int, window: Window, limit: int) -> Array:
    """Of the entries of the key's bucket: the last ``limit`` records in the window that fit, ascending, each once."""
    fits = np.flatnonzero((entries >> _RECORD_SHIFT) == np.uint64(wanted & _COMPARED))
    return clip(records_of(entries[fits]), window, limit)


def clip(records: Array, window: Window, limit: int) -> Array:
    """The last ``limit`` of the records in the window, ascending, each once."""
    if not len(records):  # nearly always: spare the rest
        return records
    kept = records[(records >= np.uint64(window.first)) & (records < np.uint64(window.before))]
    return np.unique(kept)[-limit:]
