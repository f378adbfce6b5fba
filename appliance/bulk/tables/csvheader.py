"""A CSV file's header: how long it is, which columns there are, and which of them is ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.bulk.tables.csvodd import records, unquoted
from appliance.bulk.tables.csvpiece import Layout
from appliance.bulk.tables.errors import ColumnMissing, FormatUnknown, TableWrong

DELIMITERS = {",": 44, ";": 59, "\t": 9, "tab": 9}
# In these no byte of a longer character is a delimiter, a quote or a line end; ISO-2022-JP and UTF-16 are not so.
ENCODINGS = ("utf-8", "cp932", "euc_jp")
LARGEST_HEADER = 1024 * 1024
BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Header:
    """``text``: the header's bytes as they stand in the file, byte order mark and line end included."""

    text: bytes
    layout: Layout

    @property
    def line_end(self) -> bytes:
        r"""What ends the header: ``\r\n``, or ``\n`` (also when nothing does)."""
        return b"\r\n" if self.text.endswith(b"\r\n") else b"\n"


def delimiter_byte(delimiter: str) -> int:
    """The byte that stands for a delimiter of the command line.

    Raises:
        FormatUnknown: it is none of those that are safe.
    """
    if delimiter not in DELIMITERS:
        raise FormatUnknown("the delimiter can be a comma, a semicolon or a tab", 'give "," or ";" or tab')
    return DELIMITERS[delimiter]


def read_header(head: bytes, path: Path, column: str, delimiter: int, encoding: str) -> Header:
    """The header at the beginning of a file (``head``: at most `LARGEST_HEADER` bytes and one more).

    Raises:
        TableWrong: there is none, or it cannot be read.
        ColumnMissing: the column is not in it, or twice.
        FormatUnknown: the encoding is not one in which bytes can be split.
    """
    if encoding not in ENCODINGS:
        raise FormatUnknown(f"the encoding can be {', '.join(ENCODINGS)}", "convert the file first, or name another")
    if head.startswith(_UTF_16):
        raise TableWrong(f"{path}: is UTF-16", "convert it to UTF-8 first")
    if not head:
        raise TableWrong(f"{path}: is empty; a table begins with a header", "name a file with a header line")
    mark = len(BOM) if head.startswith(BOM) else 0
    whole = head if len(head) > LARGEST_HEADER or head.endswith(b"\n") else head + b"\n"
    first = next(records(whole[mark:], delimiter), None)
    if first is None:
        raise TableWrong(f"{path}: its first line, the header, does not end within {LARGEST_HEADER} bytes")
    cells, end, lone = first
    if lone:
        raise TableWrong(f"{path}: lines end with a carriage return alone", r"write it with \n or \r\n as line end")
    names = [_name(whole[mark:], *cell, encoding, path) for cell in cells]
    return Header(head[: mark + end], Layout(delimiter, len(names), index_of(names, column, path)))


def index_of(names: list[str], column: str, path: Path) -> int:
    """Where the column is, from 0.

    Raises:
        ColumnMissing: it is not there, or twice.
    """
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        raise ColumnMissing(f"{path}: {names.count(column)} columns are called {column}", "rename one of them")
    known = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
    raise ColumnMissing(f"{path}: has no column {column}", f"its columns: {known}")


def _name(data: bytes, start: int, end: int, encoding: str, path: Path) -> str:
    inner, stop = unquoted(data, start, end)
    text = data[inner:stop]
    try:
        return (text.replace(b'""', b'"') if inner > start else text).decode(encoding)
    except UnicodeDecodeError:
        raise TableWrong(f"{path}: the header is not {encoding}", "give --encoding, for example cp932") from None
