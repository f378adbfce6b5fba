"""A Parquet file written: schema, metadata, compression and row order of the input, other values in one column.

Rows go into parts as they come (`arrowparts`); completing streams them into one file. Row groups are the input's, as
long as they have at most 1,048,576 rows and 64 MiB in memory; larger ones are split, so that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from appliance.bulk.tables.arrowcolumn import column_of
from appliance.bulk.tables.arrowparts import Appending, Parts
from appliance.bulk.tables.cells import Flags, spans_of
from appliance.bulk.tables.inputfile import using
from appliance.bulk.tables.parquetsource import ArrowRows, ParquetSource
from appliance.bulk.tables.partial import PartialFile, digest, is_published, publish
from appliance.bulk.tables.table import Batch, Position, Show, unseen
from appliance.durable import sync_folder

PARTIAL = "output.partial"
LARGEST_GROUP = 1_048_576  # rows
LARGEST_GROUP_BYTES = 64 * 1024 * 1024


class ParquetSink:
    """See `table.Sink`.

    Raises:
        PartialDamaged: parts that should be there are not.
        TableUnusable: the system refuses.
    """

    def __init__(self, source: ParquetSource, folder: Path, position: Position | None = None) -> None:
        self._schema, self._index = source.schema, source.index
        self._options = written_as(source.file.metadata)
        self._partial = folder / PARTIAL
        self._parts = Parts(folder, source.schema, position)
        if position is None:
            self._forget_completed()

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return self._parts.rows

    def write(self, batch: Batch, answers: bytes, keep: Flags) -> None:
        """See `table.Sink.write`."""
        if len(keep) != batch.count or (keep & batch.broken).any():
            raise ValueError("keep: one flag a row, false for every broken one")
        block, starts, widths = spans_of(answers, batch.count)
        self._forget_completed()  # it lacks these rows
        assert isinstance(batch.rows, ArrowRows)  # noqa: S101 - source and sink are opened together
        first = 0
        for group, records in batch.rows.pieces:
            mine = slice(first, first + len(records))
            kept = keep[mine]
            first += len(records)
            if not kept.all():
                records = records.filter(pa.array(kept))  # noqa: PLW2901
            new = column_of((block, starts[mine][kept], widths[mine][kept]), records.column(self._index))
            columns = [*records.columns[: self._index], new, *records.columns[self._index + 1 :]]
            if len(records):
                self._parts.write(group, pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def _forget_completed(self) -> None:
        with using(self._partial, "written"):
            self._partial.unlink(missing_ok=True)

    def sync(self) -> Position:
        """See `table.Sink.sync`."""
        return self._parts.sync()

    def complete(self, show: Show = unseen) -> None:
        """See `table.Sink.complete`: streams the parts into one file; its name `PARTIAL` says that it is whole."""
        self._parts.sync()
        if self._is_complete():
            return
        merging = self._partial.with_suffix(".merging")
        with PartialFile(merging) as file:
            with pq.ParquetWriter(Appending(file), self._schema, **self._options) as writer:
                self._merge(writer, show)
            file.sync()
        with using(self._partial, "written"):
            merging.replace(self._partial)
            sync_folder(self._partial.parent)

    def _is_complete(self) -> bool:
        """Whether a file with all these rows was completed before; it may have its final name already."""
        try:
            return bool(pq.read_metadata(self._partial).num_rows == self.rows)
        except (pa.ArrowException, OSError):
            return False

    def _merge(self, writer: Any, show: Show) -> None:
        done = 0
        for table in _groups(self._parts.read(), self._schema):
            writer.write_table(table, row_group_size=max(1, len(table)))
            done += len(table)
            show(done, self.rows)

    def sha256(self, show: Show = unseen) -> str:
        """See `table.Sink.sha256`."""
        self.complete()
        return digest(self._partial, show)

    def finish(self, final: Path, show: Show = unseen) -> None:
        """See `table.Sink.finish`."""
        if not is_published(self._partial, final):
            self.complete(show)
        publish(self._partial, final)
        self.close()

    def close(self) -> None:
        """See `table.Sink.close`."""
        self._parts.close()

    def __enter__(self) -> ParquetSink:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _groups(parts: Iterator[tuple[int, Any]], schema: Any) -> Iterator[Any]:
    """The rows as tables, one for each row group to write."""
    held, rows, size, current = list[Any](), 0, 0, -1
    for group, records in parts:
        full = rows + len(records) > LARGEST_GROUP or size + records.nbytes > LARGEST_GROUP_BYTES
        if held and (group != current or full):
            yield pa.Table.from_batches(held, schema)
            held, rows, size = [], 0, 0
        held.append(records)
        rows, size, current = rows + len(records), size + records.nbytes, group
    if held:
        yield pa.Table.from_batches(held, schema)


def written_as(metadata: Any) -> dict[str, Any]:
    """How the input was written, as options of a writer: by column, from its first row group."""
    options: dict[str, Any] = {"version": "2.6", "use_compliant_nested_type": False}
    if not metadata.num_row_groups:
        return options
    group = metadata.row_group(0)
    columns = [group.column(i) for i in range(metadata.num_columns)]
    options["compression"] = {column.path_in_schema: _codec(column.compression) for column in columns}
    options["use_dictionary"] = [column.path_in_schema for column in columns if column.has_dictionary_page] or False
    options["write_statistics"] = [column.path_in_schema for column in columns if column.is_stats_set] or False
    options["use_deprecated_int96_timestamps"] = any(column.physical_type == "INT96" for column in columns)
    return options


def _codec(name: str) -> str:
    return "NONE" if name == "UNCOMPRESSED" else name
