"""A parent's integer in a child's format: the same integer, or none of the parent's."""

from __future__ import annotations

import random

import numpy as np
import pytest

from appliance.numbers.embedding import carries, same_digits, to_child, to_parent
from appliance.numbers.formats import BASE36, DECIMAL, Format

CODE, SPIN = Format(DECIMAL, 11), Format(BASE36, 11)
PAIRS = {
    "code in sPIN": (CODE, SPIN),
    "sPIN in decimal 18": (SPIN, Format(DECIMAL, 18)),
    "sPIN in base 36, 24 digits: far above 64 bits": (SPIN, Format(BASE36, 24)),
    "sPIN in binary": (SPIN, Format("01", 126)),
    "the largest parent": (Format("01", 63), Format(DECIMAL, 36)),
    "the largest parent in the largest halves": (Format("01", 63), Format("01", 126)),
    "the same size": (Format("01", 40), Format("0123", 20)),
}
pairs = pytest.mark.parametrize(("parent", "child"), PAIRS.values(), ids=PAIRS)


def halves(fmt: Format, values: list[int]) -> tuple[np.ndarray, np.ndarray]:
    split = [fmt.split(value) for value in values]
    return np.array([left for left, _ in split], np.uint64), np.array([right for _, right in split], np.uint64)


def joined(fmt: Format, a: np.ndarray, b: np.ndarray) -> list[int]:
    return [fmt.join(left, right) for left, right in zip(a.tolist(), b.tolist(), strict=True)]


@pairs
def test_every_integer_of_the_parent_goes_down_and_comes_back(parent: Format, child: Format) -> None:
    assert carries(parent, child)
    rng = random.Random(5)
    values = [0, 1, parent.right_size - 1, parent.right_size, parent.size - 1]
    values += [rng.randrange(parent.size) for _ in range(100)]
    down = to_child(*halves(parent, values), parent, child)
    assert joined(child, *down) == values
    a, b, strange = to_parent(*down, child, parent)
    assert joined(parent, a, b) == values
    assert strange is None


@pairs
def test_an_integer_above_the_parents_is_strange_and_never_wraps_into_one(parent: Format, child: Format) -> None:
    rng = random.Random(6)
    values = [parent.size, parent.size + 1, child.size - 1, 2**64, 2**64 + 5, 2**65, 2**127]
    values += [child.right_size * (2**64 // child.right_size + more) for more in (0, 1, 2)]
    values += [rng.randrange(child.size) for _ in range(200)] + [rng.randrange(parent.size) for _ in range(20)]
    values = [value for value in values if value < child.size]
    a, b, strange = to_parent(*halves(child, values), child, parent)
    expected = [value >= parent.size for value in values]
    assert (strange.tolist() if strange is not None else [False] * len(values)) == expected
    assert joined(parent, a, b) == [0 if value >= parent.size else value for value in values]


def test_equal_digits_are_passed_on_as_they_are() -> None:
    other = Format(BASE36[::-1], 11)
    assert same_digits(SPIN, other)
    a, b = halves(SPIN, [1, 2, 36**11 - 1])
    assert to_child(a, b, SPIN, other)[0] is a
    left, right, strange = to_parent(a, b, other, SPIN)
    assert left is a
    assert right is b
    assert strange is None


def test_arrays_do_not_carry_what_they_cannot_hold() -> None:
    wide = Format(BASE36, 24)
    assert carries(wide, wide)  # passed on as halves, never joined
    assert not carries(wide, Format(DECIMAL, 36 + 2))  # the child's halves
    assert not carries(Format(DECIMAL, 20), wide)  # the parent's integers: 10**20 is above 2**63
    assert carries(Format(DECIMAL, 18), wide)
