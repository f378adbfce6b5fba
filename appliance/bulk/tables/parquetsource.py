"""A Parquet file read by column: record batches as they are, and the cells of one column beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from appliance.bulk.tables.arrowcolumn import column_lines, is_text
from appliance.bulk.tables.csvheader import index_of
from appliance.bulk.tables.errors import TableError, TableWrong
from appliance.bulk.tables.inputfile import InputFile
from appliance.bulk.tables.table import LARGEST_BATCH, Batch, Position

_READ_AT_ONCE = 16_384  # rows; what a reader holds of every column beside the pages
_PAGES = 1_048_576  # bytes of a column's pages read at once, however long the row group


class ColumnNotText(TableError):
    """The column holds no strings: an integer has lost its leading zeros."""


@dataclass(frozen=True)
class ArrowRows:
    """What a batch of a Parquet file carries: record batches, each with the number of its row group."""

    pieces: tuple[tuple[int, Any], ...]


class ParquetSource(InputFile):
    """See `table.Source`. Units are rows. ``index``: where the column is, from 0.

    Raises:
        TableUnusable: the file cannot be opened, or is no regular file.
        TableWrong: it is no Parquet file, or one with encrypted columns.
        ColumnMissing, ColumnNotText: the column is not there, or holds no strings.
    """

    def __init__(self, path: Path, column: str) -> None:
        super().__init__(path)
        self.column = column
        try:
            self.file = self._opened()
            self.schema = self.file.schema_arrow
            self.index = index_of(self.schema.names, column, path)
            self._check_type(self.schema.field(self.index).type)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file, and so that nobody reads what has its descriptor next; may be called again."""
        if file := getattr(self, "file", None):
            file.close(force=True)
        super().close()

    def _opened(self) -> Any:
        try:
            # Without these two, a whole row group is read into memory before its first row comes out.
            return pq.ParquetFile(self.as_python_file(), pre_buffer=False, buffer_size=_PAGES)
        except (pa.ArrowException, OSError) as error:
            raise TableWrong(f"{self.path}: cannot be read as Parquet ({_first_line(error)})") from None

    def _check_type(self, kind: Any) -> None:
        if not is_text(kind):
            raise ColumnNotText(
                f"{self.path}: column {self.column} is {kind}, not a string",
                "write the numbers as strings, with their leading zeros, and try again",
            )

    @property
    def size_units(self) -> int:
        """Rows of the file."""
        return int(self.file.metadata.num_rows)

    def done(self, position: Position) -> int:
        """Rows before the position."""
        return position["row"]

    def batches(self, start: Position | None, size: int) -> Iterator[Batch]:
        """See `table.Source.batches`."""
        row = start["row"] if start else 0
        parts, count, room = list[tuple[int, Any]](), 0, LARGEST_BATCH
        for group, whole in self._records(row, min(size, _READ_AT_ONCE)):
            records = whole
            while len(records):
                taken = min(size - count, len(records))
                part, records = records.slice(0, taken), records.slice(taken)
                parts.append((group, part))
                count, room = count + taken, room - part.nbytes
                if count == size or room <= 0:
                    yield self._batch(parts, row, count)
                    parts, count, room, row = [], 0, LARGEST_BATCH, row + count
        self.check_end(self.size_now)
        if parts:
            yield self._batch(parts, row, count)

    def _records(self, row: int, size: int) -> Iterator[tuple[int, Any]]:
        """Record batches of at most ``size`` rows, from a row on."""
        skip = row
        for group in range(self.file.metadata.num_row_groups):
            rows = self.file.metadata.row_group(group).num_rows
            if skip >= rows:
                skip -= rows
                continue
            for records in self._read_group(group, size):
                if skip < len(records):
                    yield group, records.slice(skip)
                skip = max(0, skip - len(records))

    def _read_group(self, group: int, size: int) -> Iterator[Any]:
        try:
            yield from self.file.iter_batches(batch_size=size, row_groups=[group])
        except (pa.ArrowException, OSError) as error:
            raise TableWrong(f"{self.path}: row group {group} cannot be read ({_first_line(error)})") from None

    def _batch(self, parts: list[tuple[int, Any]], row: int, count: int) -> Batch:
        columns = [column_lines(records.column(self.index)) for _, records in parts]
        return Batch(
            first=row,
            count=count,
            lines=b"".join(lines for lines, _ in columns),
            empty=np.concatenate([empty for _, empty in columns]),
            broken=np.zeros(count, np.bool_),
            rows=ArrowRows(tuple(parts)),
            end={"row": row + count},
        )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
