"""What is usual: the median of a caller's days, and how far from it a day must be to stand out.

Median and MAD (median absolute deviation) are not moved by the very days that are looked for, as mean and
standard deviation would be (Iglewicz and Hoaglin 1993: modified z-scores). 1.4826 MAD is the standard deviation of a
normal distribution.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from statistics import median

SIGMA = 1.4826
FEWEST_DAYS = 10
DEVIATIONS = 6.0
DEVIATIONS_BELOW = 3.0  # nothing is six of them below an amount that varies by a sixth
LEAST_SPREAD = 0.05  # of the median: who is very regular may still vary a little
TIMES = 2.0


@dataclass(frozen=True, slots=True)
class Usual:
    """Of so many ``days``: the ``middle`` of their amounts, and their ``spread`` (MAD)."""

    days: int
    middle: float
    spread: float

    @property
    def upper(self) -> float:
        """A day above this stands out."""
        return max(self.middle + DEVIATIONS * self._sigma, TIMES * self.middle)

    @property
    def lower(self) -> float:
        """A day below this stands out; below 0: no day can."""
        return min(self.middle - DEVIATIONS_BELOW * self._sigma, self.middle / 5)

    @property
    def _sigma(self) -> float:
        return max(SIGMA * self.spread, LEAST_SPREAD * self.middle, 1.0)


def usual_of(amounts: Collection[int]) -> Usual | None:
    """What is usual among the amounts of active days; None: too few of them to say."""
    if len(amounts) < FEWEST_DAYS:
        return None
    middle = float(median(amounts))
    return Usual(len(amounts), middle, float(median(abs(amount - middle) for amount in amounts)))


def stands_out(found: int, expected: float) -> bool:
    """Whether so many are more than chance makes of the expected number (six deviations of a Poisson count)."""
    return found > expected + DEVIATIONS * math.sqrt(expected + 1.0)
