"""What one slip of the pen or the keyboard makes of a text or of a date."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Dates = npt.NDArray[np.int32]  # 19700131
Where = npt.NDArray[np.bool_]
_DIGITS = 8
_ERAS_APART = (14, 63)  # years, from 大正 to 昭和 and on to 平成; 平成 and 令和 are as far apart as father and son


def one_off(one: str, other: str) -> bool:
    """Whether exactly one character was replaced, left out or put in, or exchanged with its neighbour."""
    start, end = common_ends(one, other)
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    exchanged = len(left) == len(right) == 2 and left == right[::-1]
    return one != other and (max(len(left), len(right)) == 1 or exchanged)


def common_ends(one: str, other: str) -> tuple[int, int]:
    """How many characters at the beginning, and how many of the rest at the end, are the same."""
    shorter = min(len(one), len(other))
    start = next((place for place in range(shorter) if one[place] != other[place]), shorter)
    rest = shorter - start
    end = next((place for place in range(rest) if one[-1 - place] != other[-1 - place]), rest)
    return start, end


def dates_one_off(one: Dates, other: Dates) -> Where:
    """Where two dates differ by one slip: a digit, two neighbouring digits or month and day exchanged, or the era."""
    wrong = (_digits(one) != _digits(other)).sum(axis=0)
    digits = (wrong == 1) | ((wrong == 2) & _neighbours(one, other))
    slip: Where = digits | _turned(one, other) | _other_era(one, other)
    return slip


def _digits(dates: Dates) -> npt.NDArray[np.int32]:
    return np.stack([dates // 10**place % 10 for place in range(_DIGITS)])


def _neighbours(one: Dates, other: Dates) -> Where:
    left, right = _digits(one), _digits(other)
    exchanged = (left[:-1] == right[1:]) & (left[1:] == right[:-1]) & (left[:-1] != left[1:])
    result: Where = exchanged.any(axis=0)
    return result


def _turned(one: Dates, other: Dates) -> Where:
    swapped = one // 10_000 * 10_000 + one % 100 * 100 + one // 100 % 100
    turned: Where = (swapped == other) & (one != other)
    return turned


def _other_era(one: Dates, other: Dates) -> Where:
    apart = np.abs(one // 10_000 - other // 10_000)
    same_day: Where = (one % 10_000 == other % 10_000) & np.isin(apart, _ERAS_APART)
    return same_day
