"""From a parent domain's halves to a child's and back: the same integer, written in another format.

A child's number is the parent's number as an integer, in the child's format, enciphered. Where
the two formats are equal nothing is to be done. Else the parent's integers fit 63 bits (checked by
`carries`), but a child's may be far larger: what was deciphered from a made-up number must come
out as "not one of the parent's", never overflow into one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.numbers.formats import Format
from appliance.numbers.lockstep import LARGEST_HALF, Halves, fits


def same_digits(one: Format, other: Format) -> bool:
    """Whether two formats split integers alike, whatever their alphabets and check digits look like."""
    return (one.radix, one.length) == (other.radix, other.length)


def carries(parent: Format, child: Format) -> bool:
    """Whether arrays of halves can go between the two formats."""
    return fits(parent) and fits(child) and (same_digits(parent, child) or parent.size <= LARGEST_HALF)


def to_child(a: Halves, b: Halves, parent: Format, child: Format) -> tuple[Halves, Halves]:
    """The parent's halves as the child's, ``uint64[n]`` each; the given arrays themselves if the formats are equal."""
    if same_digits(parent, child):
        return a, b
    return _split(a * np.uint64(parent.right_size) + b, child)


def to_parent(a: Halves, b: Halves, child: Format, parent: Format) -> tuple[Halves, Halves, NDArray[np.bool_] | None]:
    """The child's halves as the parent's, and which of them are no number of the parent (None: all are).

    Those are returned as 0.
    """
    if same_digits(parent, child):
        return a, b, None
    # Below this bound on the left half the product is below 2**63 and the sum below 2**64; what is
    # above it may wrap, even into a number of the parent's, but is marked already.
    strange = a > np.uint64((parent.size - 1) // child.right_size)
    value = a * np.uint64(child.right_size) + b
    strange |= value >= np.uint64(parent.size)
    if not strange.any():
        return *_split(value, parent), None
    value[strange] = 0
    return *_split(value, parent), strange


def _split(value: Halves, fmt: Format) -> tuple[Halves, Halves]:
    a = value // np.uint64(fmt.right_size)
    return a, value - a * np.uint64(fmt.right_size)
