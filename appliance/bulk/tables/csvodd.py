"""CSV cell by cell, for what the fast way cannot split: stray quotes, carriage returns, and the header.

Quotes mean what they mean to Python's ``csv`` module (and to spreadsheets): one that begins a cell opens it, a doubled
one inside is a quote, and any other is a letter. A carriage return outside quotes that ends no line would be a line end
to some readers and none to others, so a row with one counts as broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from appliance.bulk.tables.csvpiece import Layout, Piece

Cell = tuple[int, int]  # start, end


@lru_cache(maxsize=8)
def _cell_pattern(delimiter: int) -> re.Pattern[bytes]:
    """One cell and what ends it: the delimiter, a line end, or a lone carriage return.

    Possessive throughout, so that time stays linear, and a closing quote at the block's end never passes for a letter.
    """
    stop = re.escape(bytes([delimiter]))
    letters = rb"[^" + stop + rb"\r\n]*+"
    return re.compile(rb'(?>"(?:[^"]++|"")*+"|(?!"))' + letters + rb"(" + stop + rb"|\r?+\n|\r(?=[^\n]))")


def records(data: bytes, delimiter: int) -> Iterator[tuple[list[Cell], int, bool]]:
    """The whole rows a block begins with: cells (quotes included), where the row ends, and whether a return is lone."""
    pattern = _cell_pattern(delimiter)
    at, cells, lone = 0, list[Cell](), False
    while match := pattern.match(data, at):
        cells.append((at, match.start(1)))
        at = match.end()
        ending = match[1]
        lone |= ending == b"\r"
        if ending.endswith(b"\n"):
            yield cells, at, lone
            cells, lone = [], False


def scan_odd(data: bytes, layout: Layout) -> Piece | None:
    """As `csvscan.scan`, for any block."""
    rows, found = [0], list[tuple[int, int, bool]]()
    for cells, end, lone in records(data, layout.delimiter):
        whole = len(cells) == layout.columns and not lone
        start, stop = unquoted(data, *cells[layout.index]) if whole else (rows[-1], rows[-1])
        found.append((start, stop - start, not whole))
        rows.append(end)
    if not found:
        return None
    starts, widths, broken = zip(*found, strict=True)
    block = np.frombuffer(data, np.uint8)
    places = (np.array(numbers, np.int64) for numbers in (rows, starts, widths))
    return Piece(block, next(places), next(places), next(places), np.array(broken, np.bool_))


def unquoted(data: bytes, start: int, end: int) -> Cell:
    """The cell without the quotes around it, if there are both."""
    quoted = end - start >= 2 and data[start] == data[end - 1] == ord('"')
    return (start + 1, end - 1) if quoted else (start, end)
