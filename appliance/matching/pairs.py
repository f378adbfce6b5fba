"""The pairs of somebody asked for and a resident who may be meant, kept while the register goes by.

Of each person's pairs only the best few are needed to decide, so memory grows with who is asked for and not with the
register, whatever stands in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from appliance.matching import rules
from appliance.matching.blocking import Places
from appliance.matching.decision import MOST_CANDIDATES
from appliance.matching.evidence import Codes

T = TypeVar("T")
KEPT = MOST_CANDIDATES + 1  # one more than is shown tells that there are more
_SPARE = 100_000  # pairs beyond those that everybody may keep, before the worst are dropped


@dataclass(frozen=True, slots=True)
class Pairs:
    """Parallel arrays, sorted: by who is asked for, each one's best first, equal ones in the register's order."""

    asked: Places
    resident: Places  # the number of its line in the register
    code: Codes  # packed evidence

    def __len__(self) -> int:
        return len(self.asked)

    def where(self, kept: npt.NDArray[np.bool_] | Places) -> Pairs:
        """Some of them."""
        return Pairs(self.asked[kept], self.resident[kept], self.code[kept])

    def best(self, most: int) -> Pairs:
        """Of each one's pairs the best ``most``."""
        order = np.lexsort((self.resident, self.code, -rules.worth(self.code).astype(np.int16), self.asked))
        ranked = self.where(order)
        rank = np.arange(len(ranked)) - np.searchsorted(ranked.asked, ranked.asked, "left")
        return ranked.where(rank < most)


class Kept(Generic[T]):
    """Pairs as they are found, and what the caller wants back of their residents."""

    def __init__(self, asked: int) -> None:
        self._pieces = [_NONE]
        self._pairs = 0
        self._limit = asked * KEPT + _SPARE
        self._residents: dict[int, T] = {}

    def add(self, found: Pairs, first: int, residents: Sequence[T]) -> None:
        """Take pairs with a piece of the register, whose first line has the number ``first``."""
        found = found.where(rules.worth(found.code) > rules.Worth.NOTHING)
        self._residents.update((line, residents[line - first]) for line in np.unique(found.resident).tolist())
        self._pieces.append(found)
        self._pairs += len(found)
        if self._pairs > self._limit:
            self._drop()

    def done(self) -> tuple[Pairs, dict[int, T]]:
        """The best of all, and the residents in them by line."""
        self._drop()
        return self._pieces[0], self._residents

    def _drop(self) -> None:
        best = _joined(self._pieces).best(KEPT)
        lines = np.unique(best.resident).tolist()
        self._residents = {line: self._residents[line] for line in lines}
        self._pieces, self._pairs = [best], len(best)


_NONE = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))


def _joined(pieces: Sequence[Pairs]) -> Pairs:
    asked, resident, code = zip(*((piece.asked, piece.resident, piece.code) for piece in pieces), strict=True)
    return Pairs(np.concatenate(asked), np.concatenate(resident), np.concatenate(code))
