"""Rows on their way into a Parquet file: parts in Arrow's stream format, one for each time they were made durable.

A Parquet file has its index at the end and cannot be cut back or gone on with after a kill. Parts can: what was durable
are the first so many parts, and any further one is thrown away. Each record batch says which row group it came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from appliance.bulk.tables.errors import PartialDamaged
from appliance.bulk.tables.inputfile import InputFile, using
from appliance.bulk.tables.partial import PartialFile
from appliance.bulk.tables.table import Position

_GROUP = b"group"
_DISCARD = "something else changed the job's folder; discard the job and start it again"


class Parts:
    """The parts in a job's folder.

    Raises:
        PartialDamaged: parts that should be there are not, or are not as large as they should be.
        TableUnusable: the system refuses.
    """

    def __init__(self, folder: Path, schema: Any, position: Position | None) -> None:
        self._folder, self._schema = folder, schema
        self.rows = position["rows"] if position else 0
        self._count = position["parts"] if position else 0
        self._bytes = position["bytes"] if position else 0
        self._file: PartialFile | None = None
        self._writer: Any = None
        self._forget_later_parts()
        self._check_size()

    def _path(self, number: int) -> Path:
        return self._folder / f"part-{number:06}.arrows"

    def _forget_later_parts(self) -> None:
        with using(self._folder, "written"):
            for path in self._folder.glob("part-*.arrows"):
                if path.name >= self._path(self._count).name:
                    path.unlink()

    def _check_size(self) -> None:
        there = sum(path.stat().st_size for path in self._folder.glob("part-*.arrows"))
        if there != self._bytes:
            raise PartialDamaged(
                f"{self._folder}: its parts have {there} bytes, but {self._bytes} were durable", _DISCARD
            )

    def write(self, group: int, records: Any) -> None:
        """Append record batches of one row group of the input."""
        if self._file is None:
            self._file = PartialFile(self._path(self._count))
            compression = "lz4" if pa.Codec.is_available("lz4") else None
            options = pa.ipc.IpcWriteOptions(compression=compression)
            self._writer = pa.ipc.new_stream(Appending(self._file), self._schema, options=options)
        self._writer.write_batch(records, custom_metadata={_GROUP: b"%d" % group})
        self.rows += len(records)

    def sync(self) -> Position:
        """Close the part that is being written, durably."""
        if self._file is not None:
            self._writer.close()
            self._bytes += self._file.sync()
            self._count += 1
            self.close()
        return {"parts": self._count, "bytes": self._bytes, "rows": self.rows}

    def read(self) -> Iterator[tuple[int, Any]]:
        """All rows of all closed parts, in order: row group and record batch.

        Raises:
            PartialDamaged: a part is not what was written.
        """
        for number in range(self._count):
            try:
                yield from _part(self._path(number))
            except (pa.ArrowException, OSError):
                raise PartialDamaged(f"{self._path(number)}: cannot be read any more", _DISCARD) from None

    def close(self) -> None:
        """Let go of the part being written; it counts only if it was synced."""
        if self._file is not None:
            self._file.close()
            self._file = self._writer = None


def _part(path: Path) -> Iterator[tuple[int, Any]]:
    # StopIteration is the stream's end
    with InputFile(path) as file, pa.ipc.open_stream(file.as_python_file()) as stream, suppress(StopIteration):
        while True:
            records, metadata = stream.read_next_batch_with_custom_metadata()
            yield int(metadata[_GROUP]), records


class Appending:
    """A partial file as pyarrow wants one."""

    closed = False

    def __init__(self, file: PartialFile) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        """Append; how many bytes."""
        self._file.write(memoryview(data))
        return len(data)

    def tell(self) -> int:
        """Bytes so far."""
        return self._file.size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The partial file is closed by its owner."""
