"""Lines of the CSV files that hold people: one person a line, each parsed by itself, strictly."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

LONGEST_LINE = 4096  # bytes


class LineRefused(ValueError):
    """A line that cannot be read; the message names the rule, never what stood there. ``hint``: what to do."""

    def __init__(self, rule: str, hint: str | None = None) -> None:
        super().__init__(rule)
        self.hint = hint


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes | LineRefused]]:
    """Each line with its number, counted from 1; one that is too long is skipped, and told as what it is."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            _skip(file, line)
            yield number, LineRefused(f"longer than {LONGEST_LINE} bytes")
        else:
            yield number, line


def _skip(file: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = file.readline(LONGEST_LINE)


def fields(line: bytes, encoding: str = "utf-8") -> list[str]:
    """The fields of one line, so that an open quote cannot swallow the lines after it.

    Raises:
        LineRefused: another encoding, a byte order mark, or not CSV.
    """
    try:
        text = line.decode(encoding)
    except UnicodeDecodeError:
        hint = "convert the file, for example with iconv -f CP932 -t UTF-8" if encoding == "utf-8" else None
        raise LineRefused(f"not {encoding.upper()}", hint) from None
    if text.startswith("\ufeff"):
        raise LineRefused("begins with a byte order mark", "save the file as UTF-8 without BOM")
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise LineRefused("not CSV: an open quote, text after a closing quote, or a stray carriage return") from None
