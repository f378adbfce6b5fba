"""A CSV file read by column: rows as they stand, and the cells of one column beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from appliance.bulk.tables.csvheader import LARGEST_HEADER, Header, delimiter_byte, read_header
from appliance.bulk.tables.csvpiece import Piece
from appliance.bulk.tables.csvscan import scan
from appliance.bulk.tables.errors import TableWrong
from appliance.bulk.tables.inputfile import InputFile
from appliance.bulk.tables.table import LARGEST_BATCH, Batch, Position

CHUNK = 96 * 1024  # bytes split at once: arrays of this size come from the heap, larger ones as fresh pages each time
LARGEST_ROW = 16 * 1024 * 1024


@dataclass(frozen=True)
class CsvRows:
    """What a batch of a CSV file carries for sink and rejects."""

    pieces: tuple[Piece, ...]


class CsvSource(InputFile):
    """See `table.Source`. Units are bytes.

    Raises:
        TableUnusable: the file cannot be opened, or is no regular file.
        TableWrong, ColumnMissing, FormatUnknown: see `csvheader.read_header`.
    """

    def __init__(self, path: Path, column: str, delimiter: str = ",", encoding: str = "utf-8") -> None:
        byte = delimiter_byte(delimiter)
        super().__init__(path)
        self.column = column
        try:
            self.header: Header = read_header(self.read(0, LARGEST_HEADER + 1), path, column, byte, encoding)
        except BaseException:
            self.close()
            raise

    @property
    def size_units(self) -> int:
        """Bytes of the file."""
        return self.size

    def done(self, position: Position) -> int:
        """Bytes before the position."""
        return position["byte"]

    def batches(self, start: Position | None, size: int) -> Iterator[Batch]:
        """See `table.Source.batches`."""
        byte, row = (start["byte"], start["row"]) if start else (len(self.header.text), 0)
        parts, count, room = list[Piece](), 0, LARGEST_BATCH
        for whole in self._pieces(byte, row):
            piece = whole
            while len(piece):
                taken = min(size - count, piece.rows_within(room), len(piece))
                part, piece = piece.part(0, taken), piece.part(taken, len(piece))
                parts.append(part)
                count, room, byte = count + taken, room - part.size, byte + part.size
                if count == size or room <= 0 or len(piece):
                    yield _batch(parts, row, byte)
                    parts, count, room, row = [], 0, LARGEST_BATCH, row + count
        if parts:
            yield _batch(parts, row, byte)

    def _pieces(self, offset: int, row: int) -> Iterator[Piece]:
        """The file from a row's beginning on, in pieces of whole rows."""
        data = b""
        while block := self.read(offset + len(data), max(CHUNK - len(data), len(data), 1)):
            data += block
            piece = scan(data, self.header.layout)
            if piece is None and len(data) > LARGEST_ROW:
                raise TableWrong(f"{self.path}: row {row + 1} is longer than {LARGEST_ROW} bytes", _OPEN_QUOTE)
            if piece is not None:
                yield piece
                offset, row, data = offset + piece.size, row + len(piece), data[piece.size :]
        self.check_end(offset + len(data))
        if data:
            yield self._last(data, row)

    def _last(self, data: bytes, row: int) -> Piece:
        """The last row, which has no line end."""
        piece = scan(data + b"\n", self.header.layout)
        if piece is None:
            raise TableWrong(f"{self.path}: a quote in row {row + 1} is never closed", _OPEN_QUOTE)
        rows = piece.rows.copy()
        rows[-1] -= 1
        return replace(piece, rows=rows)


_OPEN_QUOTE = "look for a quote that opens a cell and is not closed; nothing from that row on was read"


def _batch(parts: list[Piece], row: int, byte: int) -> Batch:
    count = sum(len(part) for part in parts)
    return Batch(
        first=row,
        count=count,
        lines=b"".join(part.lines() for part in parts),
        empty=np.concatenate([part.empty for part in parts]),
        broken=np.concatenate([part.broken for part in parts]),
        rows=CsvRows(tuple(parts)),
        end={"byte": byte, "row": row + count},
    )
