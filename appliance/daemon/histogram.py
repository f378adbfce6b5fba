"""How are many values kept in little space? Counts in buckets, by one thread, without a lock.

prometheus-client's own histogram takes locks and walks its buckets: about a microsecond for each value, and a request
has several. What is here costs a quarter of that, and becomes one of its families when somebody reads it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
RECORDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 4_096.0)


class Histogram:
    """``counts``: how many values were at most each of ``bounds`` and above the one before; the last: above all.

    ``total``: their sum. One thread observes; another one may read, and then misses at most what is being added.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """A value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_for(self, many: int, value: float) -> None:
        """The same value for so many at once."""
        self.counts[bisect_left(self.bounds, value)] += many
        self.total += value * many
