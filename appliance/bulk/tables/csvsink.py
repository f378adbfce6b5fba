"""A CSV file written: the input's own bytes, with other cells in one column."""

from __future__ import annotations

from pathlib import Path

from appliance.bulk.tables.cells import Flags, packed, spans_of
from appliance.bulk.tables.csvheader import Header
from appliance.bulk.tables.csvsource import CsvRows
from appliance.bulk.tables.errors import TableError
from appliance.bulk.tables.output import FileOutput
from appliance.bulk.tables.table import Batch, Position

PARTIAL = "output.partial"


class CsvSink(FileOutput):
    """See `table.Sink`; ``header`` is the source's and is written as it is."""

    def __init__(self, header: Header, folder: Path, position: Position | None = None) -> None:
        super().__init__(folder / PARTIAL, header.text, position)
        self._splits = (bytes([header.layout.delimiter]), b'"')

    def write(self, batch: Batch, answers: bytes, keep: Flags) -> None:
        """See `table.Sink.write`.

        Raises:
            ValueError: answers or keep do not go with the batch, or a broken row is to be kept.
            TableError: an answer has a delimiter or a quote in it, and would not be one cell.
            TableUnusable: the disk is full, or the like.
        """
        if len(keep) != batch.count or (keep & batch.broken).any():
            raise ValueError("keep: one flag a row, false for every broken one")
        block, starts, widths = spans_of(answers, batch.count)
        if any(split in answers for split in self._splits):
            kept = packed(block, starts[keep], widths[keep]).tobytes()
            if any(split in kept for split in self._splits):
                raise TableError("a new number has a delimiter or a quote in it", "use another delimiter, or Parquet")
        assert isinstance(batch.rows, CsvRows)  # noqa: S101 - source and sink are opened together
        first = 0
        for piece in batch.rows.pieces:
            mine = slice(first, first + len(piece))
            self._file.write(piece.exchanged((block, starts[mine], widths[mine]), keep[mine]).data)
            first += len(piece)
        self._rows += int(keep.sum())
