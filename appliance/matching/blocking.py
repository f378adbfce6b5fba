"""Which residents are looked at for whom: those who share two of three things, found by hash, never all pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from appliance.matching.columns import Columns, Hashes, mixed

Places = npt.NDArray[np.int64]


def _keys(columns: Columns) -> Iterator[Hashes]:
    """Name and birth date; lot and birth date; name and lot; given name, birth date and sex. 0: has no such key."""
    yield mixed(columns["folded"], columns["birth"])
    yield mixed(columns["lot"], columns["birth"])
    yield mixed(columns["folded"], columns["lot"])
    yield mixed(columns["given"], columns["birth"], columns["sex"])


class Index:
    """Everybody asked for, by each key. Memory: 24 bytes for each key of each."""

    def __init__(self, asked: Columns) -> None:
        self._sorted = [_Sorted(keys) for keys in _keys(asked)]
        self._asked = len(asked)

    def pairs(self, residents: Columns) -> tuple[Places, Places]:
        """Who of those asked for shares a key with which of the residents: two arrays of places, each pair once."""
        found = [index.pairs(keys) for index, keys in zip(self._sorted, _keys(residents), strict=True)]
        pairs = np.unique(np.concatenate([resident * self._asked + asked for asked, resident in found]))
        return pairs % max(self._asked, 1), pairs // max(self._asked, 1)


class _Sorted:
    """One key of everybody asked for, sorted."""

    def __init__(self, keys: Hashes) -> None:
        places = np.flatnonzero(keys)
        self._order = places[np.argsort(keys[places], kind="stable")]
        self._keys = keys[self._order]

    def pairs(self, keys: Hashes) -> tuple[Places, Places]:
        first = np.searchsorted(self._keys, keys, "left")
        count = np.where(keys == 0, 0, np.searchsorted(self._keys, keys, "right") - first)
        residents = np.repeat(np.arange(len(keys), dtype=np.int64), count)
        within = np.arange(len(residents), dtype=np.int64) - np.repeat(np.cumsum(count) - count, count)
        return self._order[np.repeat(first, count) + within], residents
