"""The rows that were left out, as CSV: number, reason, and all original columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from appliance.bulk.tables.cells import Flags
from appliance.bulk.tables.csvheader import BOM, Header
from appliance.bulk.tables.csvsource import CsvRows
from appliance.bulk.tables.output import FileOutput
from appliance.bulk.tables.table import Batch, Position

PARTIAL = "rejects.partial"
NUMBER, REASON = b"row", b"reason"
Render = Callable[[object, Flags], list[bytes]]  # the chosen rows of a batch, each with its line end


class RejectsFile(FileOutput):
    """See `table.Rejects`. ``header`` and what ``render`` gives are CSV with the same delimiter, a byte."""

    def __init__(self, header: bytes, delimiter: int, render: Render, folder: Path, position: Position | None) -> None:
        self._delimiter, self._render = bytes([delimiter]), render
        mark = BOM if header.startswith(BOM) else b""
        names = self._delimiter.join([NUMBER, REASON, header.removeprefix(BOM)])
        super().__init__(folder / PARTIAL, mark + names, position)

    def write(self, batch: Batch, mask: Flags, reasons: Sequence[str]) -> None:
        """See `table.Rejects.write`."""
        numbers = np.flatnonzero(mask)
        if len(mask) != batch.count or len(reasons) != len(numbers):
            raise ValueError("mask and reasons: one flag a row, one reason a rejected row")
        if len(numbers):
            rows = self._render(batch.rows, mask)
            places = (numbers + (batch.first + 1)).tolist()
            marks = (
                b"%d%b%b%b" % (place, self._delimiter, reason.encode("ascii"), self._delimiter)
                for place, reason in zip(places, reasons, strict=True)
            )
            self._file.write(b"".join(mark + row for mark, row in zip(marks, rows, strict=True)))
            self._rows += len(rows)


def csv_rejects(header: Header, folder: Path, position: Position | None = None) -> RejectsFile:
    """For rows of a CSV file: each as it stands there, its quotes, encoding and line end included."""
    line_end = header.line_end

    def render(rows: object, mask: Flags) -> list[bytes]:
        assert isinstance(rows, CsvRows)  # noqa: S101 - source and rejects are opened together
        texts, first = list[bytes](), 0
        for piece in rows.pieces:
            chosen = np.flatnonzero(mask[first : first + len(piece)]).tolist()
            texts += [_ended(piece.row(number), line_end) for number in chosen]
            first += len(piece)
        return texts

    return RejectsFile(_ended(header.text, line_end), header.layout.delimiter, render, folder, position)


def _ended(row: bytes, line_end: bytes) -> bytes:
    return row if row.endswith(b"\n") else row.removesuffix(b"\r") + line_end
