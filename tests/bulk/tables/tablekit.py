"""Copying a table through source and sink the way a bulk job does, with a conversion that needs no daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from appliance.bulk.tables.opening import open_rejects, open_sink, open_source
from appliance.bulk.tables.table import Batch, Flags

Convert = Callable[[bytes], bytes]  # a line to a line, both without the newline


def same(line: bytes) -> bytes:
    """The cell as it was."""
    return line


def longer(line: bytes) -> bytes:
    """Another cell, of another width, with nothing in it that splits rows."""
    return b"<" + line[::-1].translate(None, b",;") + b">"


def answers_of(batch: Batch, convert: Convert) -> bytes:
    """The answer to a batch's lines; there must be as many as rows."""
    lines = batch.lines.split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == batch.count == len(batch.empty) == len(batch.broken)
    return b"".join(convert(line) + b"\n" for line in lines)


def copied(path: Path, folder: Path, column: str, convert: Convert = same, size: int = 3, **options: str) -> Path:
    """All rows that are whole through a sink, the broken ones into rejects; both published beside each other."""
    folder.mkdir()
    source = open_source(path, column, **options)
    with source, open_sink(source, folder) as sink, open_rejects(source, folder) as rejects:
        for batch in source.batches(None, size):
            sink.write(batch, answers_of(batch, convert), ~batch.broken)
            rejects.write(batch, batch.broken, ["wrong_columns"] * int(batch.broken.sum()))
        sink.finish(folder / f"out{path.suffix}")
        rejects.finish(folder / "rejects.csv")
    return folder / f"out{path.suffix}"


def flags(*values: bool) -> Flags:
    """An array of flags."""
    return np.array(values, np.bool_)
