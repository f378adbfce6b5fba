"""Which runs are made one, and how: many small runs make look-ups slow, and large ones are written seldom.

A run's *tier* tells its size, each tier 16 times the one before. Sixteen neighbours of one tier are merged into one
of the next. So a tag is written once and then once a tier (100 million tags: twice in all), and there are never more
than 15 runs a tier (26 for 100 million tags). Merging moves whole buckets side by side, older run first, and sorts
nothing; it needs memory for one block of entries, whatever the size of the runs. A chunk becomes a run the same way: it
is put in buckets part by part (`appliance.audit.tagindex.chunk`), and these are merged.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from appliance.audit.tagindex.entries import BUCKETS, Array, bucket_sums, records_of
from appliance.audit.tagindex.runs import Run, RunWriter, Span

BLOCK = 1 << 15  # entries: merged in less than a millisecond


class Shape(NamedTuple):
    """How large the smallest whole run is, and how many neighbours make one.

    ``apart``: what has so many tags is made in a process of its own.
    """

    chunk: int
    fan: int
    apart: int = 1 << 16  # a millisecond of work

    def tier(self, tags: int) -> int:
        """0: less than a quarter of a chunk (of a short life, say); each next one is ``fan`` times as large."""
        tier, bound = 0, max(1, self.chunk // 4)
        while tags >= bound:
            tier, bound = tier + 1, bound * self.fan
        return tier


def choose(sizes: Sequence[int], shape: Shape) -> slice | None:
    """The neighbours to merge next, given the runs' sizes from the oldest to the newest; None: all is well.

    First of all a run that is followed by a larger one is put together with it, so that tiers only fall from old to
    new. Then a tier's runs are side by side, and the oldest ``fan`` of the lowest tier that has so many are merged.
    """
    tiers = [shape.tier(size) for size in sizes]
    for at in range(1, len(tiers)):
        if tiers[at - 1] < tiers[at]:
            return slice(at - 1, at + 1)
    for tier in sorted(set(tiers)):
        if tiers.count(tier) >= shape.fan:
            return slice(tiers.index(tier), tiers.index(tier) + shape.fan)
    return None


class Part(Protocol):
    """What is merged: entries, bucket after bucket. `Run`, or `appliance.audit.tagindex.entries.Sorted`."""

    @property
    def counts(self) -> Array:
        """How many entries each bucket has."""

    @property
    def starts(self) -> list[int]:
        """How many there are before each bucket; and in all."""

    def buckets(self, begin: int, end: int) -> Array:
        """All entries of the buckets ``begin`` up to, not including, ``end``."""

    def pieces(self, number: int) -> Iterator[Array]:
        """A bucket's entries, in pieces that memory has room for."""


def merging(
    folder: Path, span: Span, parts: Sequence[Part], first: int, block: int = BLOCK
) -> Generator[int, None, Run]:
    """Make one run of neighbours, a block of entries at each step; entries of records before ``first`` are left out.

    The parts stay; whoever asked for it removes them. Ended early, nothing is left. Each step gives how many entries
    it has seen to.

    Raises:
        RunDamaged: a bucket of one of them is not what was written.
        OSError: the system refuses.
    """
    writer = RunWriter(folder, span)
    counts, sums = np.zeros(BUCKETS, np.uint64), np.zeros(BUCKETS, np.uint64)
    try:
        for entries, lengths, where in _blocks(parts, block):
            kept, kept_lengths = _kept(entries, lengths, first)
            counts[where] += kept_lengths
            sums[where] += bucket_sums(kept, kept_lengths)
            writer.write(kept)
            yield len(entries)
        return writer.finish(counts, sums)
    finally:
        writer.abandon()


def _blocks(parts: Sequence[Part], block: int) -> Iterator[tuple[Array, Array, slice]]:
    """The merged entries, a part at a time: entries, how many of them each bucket has, which buckets these are."""
    counts = sum((part.counts for part in parts), np.zeros(BUCKETS, np.uint64))
    for begin, end in _groups(counts, block):
        size = sum(part.starts[end] - part.starts[begin] for part in parts)
        if size > block:  # one bucket with one person's tag over and over
            for part in parts:
                for piece in part.pieces(begin):
                    yield piece, np.array([len(piece)], np.uint64), slice(begin, end)
        elif size:
            yield *_side_by_side(parts, begin, end), slice(begin, end)


def _groups(counts: Array, block: int) -> Iterator[tuple[int, int]]:
    """Ranges of buckets that have ``block`` entries at most, or are one bucket."""
    begin, size = 0, 0
    for number, count in enumerate(counts.tolist()):
        if number > begin and size + count > block:
            yield begin, number
            begin, size = number, 0
        size += count
    yield begin, len(counts)


def _side_by_side(parts: Sequence[Part], begin: int, end: int) -> tuple[Array, Array]:
    """The parts' entries in these buckets, bucket after bucket, the older part first; and the buckets' lengths."""
    entries = np.concatenate([part.buckets(begin, end) for part in parts])
    counts = np.stack([part.counts[begin:end] for part in parts]).astype(np.int64)
    origins = (np.cumsum(counts) - counts.ravel()).reshape(counts.shape)  # where each part's share of a bucket lies now
    lengths = counts.T.ravel()
    shifts = origins.T.ravel() - (np.cumsum(lengths) - lengths)
    order = np.repeat(shifts, lengths) + np.arange(len(entries))
    return np.take(entries, order), np.add.reduce(counts).astype(np.uint64)


def _kept(entries: Array, lengths: Array, first: int) -> tuple[Array, Array]:
    keep = records_of(entries) >= np.uint64(first)
    if keep.all():
        return entries, lengths
    numbers = np.repeat(np.arange(len(lengths)), lengths.astype(np.intp))
    return entries[keep], np.bincount(numbers[keep], minlength=len(lengths)).astype(np.uint64)
