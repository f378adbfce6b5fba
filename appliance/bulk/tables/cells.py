"""The cells of a column, copied between blocks of bytes without any Python per row.

A cell is a start in a block and a width, ``int64[n]`` each. Cells of one width are copied together, each as one item
of that many bytes; what lies between cells is copied by masks, which numpy does run by run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.bulk.tables.table import LONGEST_CELL

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]
_NEWLINE, _QUOTE = 10, 34
_FIRST_PRINTABLE, _PRINTABLE = 0x20, 0x5F  # space to ~


def lines_of(block: Bytes, starts: Places, widths: Places) -> bytes:
    """One line a cell; an empty one where a cell is too long, or not printable ASCII, or has a quote in it."""
    fit = widths if widths.max(initial=0) <= LONGEST_CELL else np.where(widths <= LONGEST_CELL, widths, 0)
    lines = _gather(block, starts, fit)
    strange = _strange(lines)
    if np.count_nonzero(strange) != len(fit):  # the newlines, one a cell, are the ones expected
        ends = np.cumsum(fit + 1) - 1
        strange[ends] = False
        fit = fit.copy()
        fit[np.searchsorted(ends, np.flatnonzero(strange))] = 0
        lines = _gather(block, starts, fit)
    return lines.tobytes()


def _strange(lines: Bytes) -> Flags:
    """Bytes that are in no number: outside space to ~, and quotes."""
    strange = (lines - np.uint8(_FIRST_PRINTABLE)) >= np.uint8(_PRINTABLE)
    strange |= lines == np.uint8(_QUOTE)
    return strange


def spans_of(lines: bytes, count: int) -> tuple[Bytes, Places, Places]:
    """Exactly ``count`` lines as a block and the cells in it, without the newlines.

    Raises:
        ValueError: there are more or fewer lines, or the last one is not whole.
    """
    block = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(block == _NEWLINE)
    if len(ends) != count or (count and ends[-1] != len(block) - 1) or (not count and lines):
        raise ValueError(f"answers: {len(ends)} lines for {count} rows")
    starts = np.zeros(count, np.int64)
    starts[1:] = ends[:-1] + 1
    return block, starts, ends - starts


def packed(block: Bytes, starts: Places, widths: Places) -> Bytes:
    """The cells one after the other, with nothing between them."""
    ends = np.cumsum(widths)
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    _copy(out, ends - widths, block, starts, widths)
    return out


def exchanged(block: Bytes, starts: Places, widths: Places, new: tuple[Bytes, Places, Places]) -> Bytes:
    """The block with other cells: all else is byte for byte as it was.

    ``starts``, ``widths``: the cells to replace, in order; ``new``: a block, and as many starts and widths in it.
    """
    source, new_starts, new_widths = new
    grown = new_widths - widths
    if not grown.any():
        out = block.copy()
    else:
        out = block
        if (grown < 0).any():
            lost = np.maximum(-grown, 0)
            out = out[_outside(len(out), starts, lost)]
            starts = starts - _before(lost)
        if (grown > 0).any():
            added = np.maximum(grown, 0)
            starts = starts + _before(added)
            roomy = np.empty(len(out) + int(added.sum()), np.uint8)
            roomy[_outside(len(roomy), starts, added)] = out
            out = roomy
    _copy(out, starts, source, new_starts, new_widths)
    return out


def only(block: Bytes, rows: Places, keep: Flags) -> tuple[Bytes, Places]:
    """The rows that are kept, as a block of their own, and how far each of them has moved to the front."""
    lengths = np.diff(rows)
    lost = np.where(keep, 0, lengths)
    return block[np.repeat(keep, lengths)], np.cumsum(lost)[keep]


def _gather(block: Bytes, starts: Places, widths: Places) -> Bytes:
    """The cells with a newline after each."""
    ends = np.cumsum(widths + 1) - 1
    lines = np.empty(int(ends[-1]) + 1 if len(ends) else 0, np.uint8)
    lines[ends] = _NEWLINE
    _copy(lines, ends - widths, block, starts, widths)
    return lines


def _before(widths: Places) -> Places:
    """For each one the sum of those before it."""
    return np.cumsum(widths) - widths


def _outside(size: int, starts: Places, widths: Places) -> Flags:
    """A mask of ``size`` bytes that is false inside the cells."""
    mask = np.ones(size, np.bool_)
    nothing = np.zeros(int(widths.max(initial=0)), np.uint8)
    _copy(mask.view(np.uint8), starts, nothing, np.zeros(len(starts), np.int64), widths)
    return mask


def _copy(target: Bytes, to: Places, source: Bytes, at: Places, widths: Places) -> None:
    """Copy cells; those of one width together. Cells of the target must not overlap."""
    if not len(widths):
        return
    width = int(widths[0])
    if (widths == width).all():
        _copy_equal(target, to, source, at, width)
        return
    for width in np.flatnonzero(np.bincount(widths)).tolist():
        chosen = np.flatnonzero(widths == width)
        _copy_equal(target, to[chosen], source, at[chosen], width)


def _copy_equal(target: Bytes, to: Places, source: Bytes, at: Places, width: int) -> None:
    if width:
        _items(target, width)[to] = _items(source, width)[at]


def _items(block: Bytes, width: int) -> NDArray[np.void]:
    """Every place of a block as an item of ``width`` bytes: item i is the bytes from i on."""
    return np.ndarray((len(block) - width + 1,), f"V{width}", block, strides=(1,))
