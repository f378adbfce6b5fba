"""How many residents would be alike by mere chance: counted while the register goes by.

The expected number of residents who have a name *and* were born on a day, though they are somebody else:

    (residents of that name and sex) x 4 x (share of residents born on that day)

The residents of that name include the one found, in place of one who may be missing. The share of the day is that of
its year divided by 365, or its own if that is greater: 1 January stands for many a day that nobody knew. The 4 is for
names that are in fashion for a quarter of a lifetime.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from appliance.matching.columns import Columns, Hashes, mixed

FASHION = 4
_FIRST, _YEARS = 1800, 400  # what was born before or after is counted with the first or the last of these years
_DAYS_A_YEAR = 372  # 31 for each month
_UNKNOWN = 1e18  # residents of a name that is none: whatever rests on it is refused
Numbers = npt.NDArray[np.float64]


class Rarity:
    """Counts over a register: the names of those asked for, and all birth dates. Memory grows with those asked for."""

    def __init__(self, asked: Columns) -> None:
        self._names = _Counter(mixed(asked["folded"], asked["sex"]))
        self._given = _Counter(mixed(asked["given"], asked["sex"]))
        self._born = np.zeros((_YEARS, _DAYS_A_YEAR), np.int64)
        self._residents = 0

    def count(self, residents: Columns) -> None:
        """Take a piece of the register."""
        self._names.count(mixed(residents["folded"], residents["sex"]))
        self._given.count(mixed(residents["given"], residents["sex"]))
        np.add.at(self._born, _day(residents["birth"]), 1)
        self._residents += len(residents)

    def namesakes(self, asked: Columns) -> Numbers:
        """Expected residents of each one's name and birth date, by chance."""
        return self._names.of(mixed(asked["folded"], asked["sex"])) * self._share(asked)

    def given(self, asked: Columns) -> Numbers:
        """Expected residents of each one's given name and birth date, by chance."""
        return self._given.of(mixed(asked["given"], asked["sex"])) * self._share(asked)

    def _share(self, asked: Columns) -> Numbers:
        year, day = _day(asked["birth"])
        days: Numbers = np.maximum(self._born[year, day], self._born.sum(axis=1)[year] / 365)
        return FASHION * days / max(self._residents, 1)


def _day(births: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    year, month, day = births // 10_000, births // 100 % 100, births % 100
    return np.clip(year - _FIRST, 0, _YEARS - 1), (month - 1) * 31 + day - 1


class _Counter:
    def __init__(self, hashes: Hashes) -> None:
        self._hashes = np.unique(hashes[hashes != 0])
        self._counts = np.zeros(len(self._hashes) + 1, np.int64)  # the last: of none that is asked for

    def count(self, hashes: Hashes) -> None:
        np.add.at(self._counts, self._places(hashes), 1)

    def of(self, hashes: Hashes) -> Numbers:
        counts = self._counts.astype(np.float64)
        counts[-1] = _UNKNOWN
        return counts[self._places(hashes)]

    def _places(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        if len(self._hashes) == 0:
            return np.zeros(len(hashes), np.int64)
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.where(self._hashes[places] == hashes, places, len(self._hashes))
