"""What a bulk job knows of a table: rows in batches, one column of them as lines, and where to read on.

A `Source` gives batches; a `Sink` writes the same rows with new cells in the one column; a `Rejects` lists those that
were left out. None knows what a number is. Everything of a sink goes to partial files in the job's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Position = dict[str, int]  # JSON-able; what is in it is the format's own business
Show = Callable[[int, int], None]  # done, of how much
Flags = NDArray[np.bool_]

LONGEST_CELL = 64  # bytes; a longer one is no number
LARGEST_BATCH = 32 * 1024 * 1024  # bytes of rows; a batch with so many ends, however few rows it has


def unseen(done: int, whole: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class Batch:
    """Rows that follow each other, in the order of the input.

    ``first``: the number of the first of its ``count`` data rows, from 0. ``lines``: the column's cells, exactly
    ``count`` lines that each end with a newline; a cell that is not printable ASCII of at most 64 bytes is an empty
    line. ``empty``: ``bool[count]``, cells that were empty or null. ``broken``: ``bool[count]``, rows that have more
    or fewer cells than the header (their line is empty as well, and a sink takes none of them). ``rows``: what sink and
    rejects need to write them again. ``end``: where to read on after this batch.
    """

    first: int
    count: int
    lines: bytes
    empty: Flags
    broken: Flags
    rows: object
    end: Position


class Source(Protocol):
    """A table that is read. Close it (or leave its ``with``) in the end."""

    path: Path
    column: str

    @property
    def size_units(self) -> int:
        """How much there is to read, in units of its own (bytes or rows)."""

    def done(self, position: Position) -> int:
        """How much of `size_units` lies before the position."""

    def batches(self, start: Position | None, size: int) -> Iterator[Batch]:
        """Batches of at most ``size`` rows from ``start`` on (None: from the first). Never an empty one.

        Rows are the same from whatever position is begun; where batches are cut may differ.

        Raises:
            TableWrong: what is there is no table of this format, or its end is missing.
            TableChanged: the file is not as large as it was when it was opened.
        """

    def fingerprint(self) -> dict[str, str | int]:
        """What tells this file from another, or from itself after a change; compare it before reading on."""

    def sha256(self, show: Show = unseen) -> str:
        """The whole file's digest, in hex; reads it whole."""

    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class _Output(Protocol):
    """What sink and rejects have in common. Everything is in partial files of the job's folder until `finish`."""

    def sync(self) -> Position:
        """Make everything so far durable. A sink opened at this position throws away what was written after it."""

    def complete(self, show: Show = unseen) -> None:
        """Make the partial file whole and durable; nothing can be written afterwards. May be called again."""

    def sha256(self, show: Show = unseen) -> str:
        """The digest of the whole output, in hex; completes it first if need be, and reads it whole."""

    def finish(self, final: Path, show: Show = unseen) -> None:
        """Complete, durable, and only then under its final name. Called again after a kill, it finds that it is done.

        Raises:
            OutputExists: something else is there; it is untouched.
        """

    def close(self) -> None:
        """Let go of the files; what was synced stays."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class Sink(_Output, Protocol):
    """The table that is written: the same rows, new cells in one column."""

    def write(self, batch: Batch, answers: bytes, keep: Flags) -> None:
        """Write the rows where ``keep`` is true.

        ``answers``: one line a row of the batch; what stands for a row that is not kept does not matter. An empty line
        leaves an empty cell (in Parquet: null, where it was null).

        Raises:
            ValueError: answers or keep do not go with the batch, or a broken row is to be kept.
            TableUnusable: the disk is full, or the like.
        """


class Rejects(_Output, Protocol):
    """A CSV file of the rows left out: ``row,reason,`` and the original columns. ``row`` counts data rows from 1."""

    def write(self, batch: Batch, mask: Flags, reasons: Sequence[str]) -> None:
        """Write the rows where ``mask`` is true, with one reason each.

        Raises:
            ValueError: mask or reasons do not go with the batch.
            TableUnusable: the disk is full, or the like.
        """
