"""Which format a table has, and what reads and writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from appliance.bulk.tables.csvsink import CsvSink
from appliance.bulk.tables.csvsource import CsvSource
from appliance.bulk.tables.errors import FormatUnknown, ParquetMissing
from appliance.bulk.tables.rejects import csv_rejects
from appliance.bulk.tables.table import Position, Rejects, Sink, Source

if TYPE_CHECKING:
    from appliance.bulk.tables.parquetsource import ParquetSource

FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"}


def format_of(path: Path, given: str | None = None) -> str:
    """``csv`` or ``parquet``: as given, else by the file's name.

    Raises:
        FormatUnknown: neither says.
    """
    found = given or FORMATS.get(path.suffix.lower())
    if found in ("csv", "parquet"):
        return found
    raise FormatUnknown(f"{path}: neither .csv nor .parquet", "say which with --format csv or --format parquet")


def open_source(
    path: Path, column: str, fmt: str | None = None, delimiter: str | None = None, encoding: str = "utf-8"
) -> CsvSource | ParquetSource:
    """The table in a file; ``delimiter`` and ``encoding`` are looked at for CSV only (default: comma, in ``.tsv`` tab).

    Raises:
        FormatUnknown, ColumnMissing, TableWrong, TableUnusable, ParquetMissing: see each.
    """
    if format_of(path, fmt) == "csv":
        return CsvSource(path, column, delimiter or ("tab" if path.suffix.lower() == ".tsv" else ","), encoding)
    try:
        from appliance.bulk.tables.parquetsource import ParquetSource  # noqa: PLC0415 - pyarrow is optional, and slow
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise ParquetMissing(f"{path}: Parquet needs pyarrow", "pip install 'kagimori[parquet]'") from None
    return ParquetSource(path, column)


def open_sink(source: Source, folder: Path, position: Position | None = None) -> Sink:
    """Where the source's rows are written, of the same format, in the job's folder; ``position``: one that `sync` gave.

    Raises:
        PartialDamaged, TableUnusable: see each.
    """
    if isinstance(source, CsvSource):
        return CsvSink(source.header, folder, position)
    from appliance.bulk.tables.parquetsink import ParquetSink  # noqa: PLC0415 - see open_source

    return ParquetSink(cast("ParquetSource", source), folder, position)


def open_rejects(source: Source, folder: Path, position: Position | None = None) -> Rejects:
    """Where the source's rejected rows are listed, in the job's folder; ``position``: one that `sync` gave.

    Raises:
        PartialDamaged, TableUnusable: see each.
    """
    if isinstance(source, CsvSource):
        return csv_rejects(source.header, folder, position)
    from appliance.bulk.tables.parquetrejects import parquet_rejects  # noqa: PLC0415 - see open_source

    return parquet_rejects(cast("ParquetSource", source), folder, position)
