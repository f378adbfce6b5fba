"""Rejected rows of a Parquet file, as CSV: text as it is, bytes in hex, lists and structs as JSON, null as nothing."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from appliance.bulk.tables.cells import Flags
from appliance.bulk.tables.parquetsource import ArrowRows, ParquetSource
from appliance.bulk.tables.rejects import RejectsFile
from appliance.bulk.tables.table import Position


def parquet_rejects(source: ParquetSource, folder: Path, position: Position | None = None) -> RejectsFile:
    """For rows of a Parquet file: UTF-8, commas, a newline after each row."""
    return RejectsFile(_lines([source.schema.names])[0], ord(","), _render, folder, position)


def _render(rows: object, mask: Flags) -> list[bytes]:
    assert isinstance(rows, ArrowRows)  # noqa: S101 - source and rejects are opened together
    texts, first = list[bytes](), 0
    for _, records in rows.pieces:
        chosen = np.flatnonzero(mask[first : first + len(records)])
        first += len(records)
        if len(chosen):
            columns = [column.take(pa.array(chosen)).to_pylist() for column in records.columns]
            texts += _lines([[_cell(value) for value in row] for row in zip(*columns, strict=True)])
    return texts


def _lines(rows: list[list[str]]) -> list[bytes]:
    """Each row as a CSV line of its own."""
    lines = []
    for row in rows:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow(row)
        lines.append(text.getvalue().encode())
    return lines


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=_cell)
    return str(value)
