"""A piece of a CSV file: whole rows as they stand in the file, and where one column's cells are in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from appliance.bulk.tables.cells import Bytes, Flags, Places, exchanged, lines_of, only


@dataclass(frozen=True)
class Layout:
    """What every row should look like: ``columns`` cells, of which the one at ``index`` (from 0) is ours."""

    delimiter: int  # the byte
    columns: int
    index: int


@dataclass(frozen=True)
class Piece:
    """Rows in a block of bytes.

    ``rows``: ``int64[n + 1]``, where each row begins, and where the last one ends (line end included).
    ``starts``, ``widths``: ``int64[n]``, the cells, without quotes around them; empty ones in broken rows.
    """

    block: Bytes
    rows: Places
    starts: Places
    widths: Places
    broken: Flags

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return int(self.rows[-1] - self.rows[0])

    @property
    def empty(self) -> Flags:
        """Rows that are whole and have nothing in the cell."""
        empty: Flags = (self.widths == 0) & ~self.broken
        return empty

    def lines(self) -> bytes:
        """The cells as lines; an empty line for what can be no number."""
        return lines_of(self.block, self.starts, self.widths)

    def part(self, first: int, last: int) -> Piece:
        """Rows ``first`` to ``last - 1``, over the same bytes."""
        chosen = slice(first, last)
        rows = self.rows[first : last + 1]
        return Piece(self.block, rows, self.starts[chosen], self.widths[chosen], self.broken[chosen])

    def rows_within(self, size: int) -> int:
        """How many of the rows go into ``size`` bytes; at least one."""
        return max(1, int(np.searchsorted(self.rows, self.rows[0] + size, "right")) - 1)

    def row(self, number: int) -> bytes:
        """One row's bytes, its line end included."""
        return self.block[self.rows[number] : self.rows[number + 1]].tobytes()

    def exchanged(self, new: tuple[Bytes, Places, Places], keep: Flags) -> Bytes:
        """The kept rows with new cells: a block, and as many starts and widths in it as there are rows."""
        block = self.block[self.rows[0] : self.rows[-1]]
        starts, widths = self.starts - self.rows[0], self.widths
        if not keep.all():
            block, moved = only(block, self.rows, keep)
            starts, widths, new = starts[keep] - moved, widths[keep], (new[0], new[1][keep], new[2][keep])
        return exchanged(block, starts, widths, new)
