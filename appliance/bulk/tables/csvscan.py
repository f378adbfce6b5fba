"""Where rows and cells are in a block of CSV bytes, without any Python per row.

A block begins with a row. Splitting at single bytes is safe in UTF-8, Shift_JIS (CP932) and EUC-JP: no second byte of
theirs is a delimiter, a quote or a line end (CP932's begin at 0x40). Blocks without a quote are split at
every delimiter and line end. In blocks with quotes, those between an odd and an even quote belong to a
cell: right as long as every quote stands where RFC 4180 (section 2) puts it, at the ends of a cell or doubled in it.
That is checked; a block with any other quote, or with a carriage return that ends no line, goes to `csvodd`.
"""

from __future__ import annotations

import numpy as np

from appliance.bulk.tables.cells import Bytes, Flags, Places
from appliance.bulk.tables.csvodd import scan_odd
from appliance.bulk.tables.csvpiece import Layout, Piece

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


def scan(data: bytes, layout: Layout) -> Piece | None:
    """The whole rows that a block begins with; None if not even the first is whole.

    A row is whole when its line end is there. What may follow the last whole row is not looked at.
    """
    block = np.frombuffer(data, np.uint8)
    if b"\r" in data and _has_lone_return(block):
        return scan_odd(data, layout)
    if b'"' not in data:
        places = np.flatnonzero((block == layout.delimiter) | (block == _NEWLINE))
        return _piece(block, places, layout)
    outside = _outside_quotes(block, layout)
    return scan_odd(data, layout) if outside is None else _piece(block, outside, layout, quoted=True)


def _has_lone_return(block: Bytes) -> bool:
    """Whether a carriage return is followed by anything but a newline (what follows the last byte is not known yet)."""
    is_return = block[:-1] == _RETURN
    return bool((is_return & (block[1:] != _NEWLINE)).any())


def _outside_quotes(block: Bytes, layout: Layout) -> Places | None:
    """Delimiters and line ends outside quotes; None if some quote is not where it should be."""
    places = np.flatnonzero((block == layout.delimiter) | (block == _NEWLINE) | (block == _QUOTE))
    is_quote = block[places] == _QUOTE
    inside = (np.cumsum(is_quote) & 1).astype(np.bool_)  # after the place itself
    opening, closing = places[is_quote & inside], places[is_quote & ~inside]
    before = block[opening[opening > 0] - 1]
    after = block[closing[closing < len(block) - 1] + 1]
    ends = _is_any(after, layout.delimiter, _NEWLINE, _RETURN, _QUOTE)
    if not (_is_any(before, layout.delimiter, _NEWLINE, _QUOTE).all() and ends.all()):
        return None
    outside: Places = places[~is_quote & ~inside]
    return outside


def _is_any(block: Bytes, *values: int) -> Flags:
    found = np.zeros(len(block), np.bool_)
    for value in values:
        found |= block == value
    return found


def _regular(places: Places, count: int, layout: Layout) -> tuple[Places, Places, Places, Flags]:
    """Rows, starts, ends and broken ones, where all rows have as many cells as they should."""
    grid = places[: count * layout.columns].reshape(count, layout.columns)
    rows = np.zeros(count + 1, np.int64)
    np.add(grid[:, -1], 1, out=rows[1:])
    starts = grid[:, layout.index - 1] + 1 if layout.index else rows[:-1]
    return rows, starts, grid[:, layout.index], np.zeros(count, np.bool_)


def _irregular(places: Places, last: Places, layout: Layout) -> tuple[Places, Places, Places, Flags]:
    """The same where some have not; ``last``: which of the places end a row."""
    rows = np.zeros(len(last) + 1, np.int64)
    rows[1:] = places[last] + 1
    broken = np.diff(last, prepend=-1) != layout.columns
    ours = np.where(broken, last, last + (layout.index + 1 - layout.columns))  # the place at the cell's end
    starts = rows[:-1]
    if layout.index:
        starts = np.where(broken, starts, places[ours - 1] + 1)
    return rows, starts, np.where(broken, starts, places[ours]), broken


def _piece(block: Bytes, places: Places, layout: Layout, *, quoted: bool = False) -> Piece | None:
    """The piece whose delimiters and line ends are at ``places``."""
    is_end = block[places] == _NEWLINE
    count = int(np.count_nonzero(is_end))
    if not count:
        return None
    if is_end[layout.columns - 1 :: layout.columns].sum() == count == is_end[: count * layout.columns].sum():
        rows, starts, ends, broken = _regular(places, count, layout)
    else:
        rows, starts, ends, broken = _irregular(places, np.flatnonzero(is_end), layout)
    if layout.index == layout.columns - 1:
        ends = ends - ((block[ends - 1] == _RETURN) & (ends > starts))
    if quoted:
        inner = (block[starts] == _QUOTE) & (ends - starts >= 2)  # then the last byte is a quote as well
        starts, ends = starts + inner, ends - inner
    return Piece(block, rows, starts, ends - starts, broken)
