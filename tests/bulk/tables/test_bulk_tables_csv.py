"""CSV by column: split as Python's own csv module splits it, and nothing changed but the one cell."""

from __future__ import annotations

import csv
import io
import itertools
from contextlib import suppress
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tablekit import answers_of, copied, longer, same

from appliance.bulk.tables import csvsource
from appliance.bulk.tables.csvodd import scan_odd
from appliance.bulk.tables.csvpiece import Layout
from appliance.bulk.tables.csvscan import scan
from appliance.bulk.tables.errors import ColumnMissing, FormatUnknown, TableError, TableWrong
from appliance.bulk.tables.opening import open_sink, open_source

unhurried = settings(deadline=None)
TOKENS = [b"1", b"A", b",", b'"', b'""', b"\n", b"\r\n", b'",', b'"\n', b',"', b"\xe9\x8e\x8d", b"22", b"x,y,z\n"]
junk = st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join)
junk_with_returns = st.lists(st.sampled_from([*TOKENS, b"\r"]), max_size=40).map(b"".join)
chunks = st.integers(1, 60)
_unique = itertools.count()

CELLS = st.one_of(
    st.from_regex(r"[0-9A-Z]{0,12}", fullmatch=True),
    st.text(st.characters(codec="cp932", exclude_characters="\r\n\x00¢£¬‖−〜"), max_size=8),
    st.sampled_from(['say "hi"', "two\nlines", "two\r\nlines", ",", ";", '"', "", " 1", "7" * 64, "7" * 65, "表ソ|\\"]),
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def _fresh(room: Path) -> Path:
    folder = room / str(next(_unique))
    folder.mkdir()
    return folder


def _is_plain(value: str) -> bool:
    return 0 < len(value) <= 64 and all(" " <= letter <= "~" and letter != '"' for letter in value)


@given(data=junk_with_returns, columns=st.integers(1, 3), index=st.integers(0, 2))
@example(data=b'a"b,"c\n1,2\n', columns=2, index=1)
@example(data=b'"a""",1\r\n"\r",2\r\nb\r,3\n', columns=2, index=0)
@unhurried
def test_the_fast_way_and_the_slow_way_find_the_same(data: bytes, columns: int, index: int) -> None:
    layout = Layout(ord(","), columns, min(index, columns - 1))
    fast, slow = scan(data, layout), scan_odd(data, layout)
    if fast is None or slow is None:
        assert fast is slow is None
        return
    for name in ("rows", "starts", "widths", "broken"):
        assert getattr(fast, name).tolist() == getattr(slow, name).tolist(), name


@given(body=junk, chunk=chunks, size=st.integers(1, 7))
@example(body=b'1,"open\n', chunk=60, size=1)
@example(body=b'1,"A"22,1\n', chunk=3, size=1)
@unhurried
def test_rows_and_cells_are_those_of_the_csv_module(room: Path, body: bytes, chunk: int, size: int) -> None:
    """Also of files that no program should have written; except that a quote left open is an error, not a cell."""
    path = _fresh(room) / "in.csv"
    path.write_bytes(b"a,n,b\n" + body)
    expected = list(csv.reader(io.StringIO(body.decode(), newline="")))
    closed = [*csv.reader(io.StringIO(body.decode() + "\nX,X,X\n", newline=""))][-1:] == [["X", "X", "X"]]
    found: list[tuple[bool, str]] = []
    with mock.patch.object(csvsource, "CHUNK", chunk), open_source(path, "n") as source:
        try:
            for batch in source.batches(None, size):
                assert batch.first == len(found)
                assert batch.count <= size
                found += zip(batch.broken.tolist(), batch.lines.decode().split("\n")[:-1], strict=True)
        except TableWrong as error:
            assert not closed
            assert error.message == f"{path}: a quote in row {len(expected)} is never closed"
            return
    assert closed
    assert [broken for broken, _ in found] == [len(row or [""]) != 3 for row in expected]
    for (broken, line), row in zip(found, expected, strict=True):
        if broken:
            assert line == ""
        elif line:
            assert line == row[1]
        else:  # nothing that could be a number, or a number quoted in a way that nobody quotes
            assert not _is_plain(row[1]) or b'"' in body


@given(body=junk_with_returns, chunk=chunks, size=st.integers(1, 7))
@unhurried
def test_every_byte_of_the_input_is_in_the_output_or_in_the_rejects(
    room: Path, body: bytes, chunk: int, size: int
) -> None:
    """Rows kept and rows left out, in order, are the file; a kept cell that becomes itself is untouched."""
    path = _fresh(room) / "in.csv"
    path.write_bytes(b"n,b\r\n" + body)
    kept, read = bytearray(), bytearray()
    patched = mock.patch.object(csvsource, "CHUNK", chunk)
    with patched, open_source(path, "n") as source, open_sink(source, path.parent) as sink:
        with suppress(TableWrong):  # a quote left open
            for batch in source.batches(None, size):
                lines = batch.lines.split(b"\n")[:-1]
                fit = np.array([line != b"" and b"," not in line for line in lines]) | batch.empty
                sink.write(batch, answers_of(batch, same), fit)
                assert isinstance(batch.rows, csvsource.CsvRows)
                rows = [piece.row(i) for piece in batch.rows.pieces for i in range(len(piece))]
                read += b"".join(rows)
                kept += b"".join(row for row, it_fits in zip(rows, fit, strict=True) if it_fits)
        sink.finish(path.parent / "out.csv")
    assert body.startswith(read)
    assert (path.parent / "out.csv").read_bytes() == b"n,b\r\n" + bytes(kept)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=12),
    encoding=st.sampled_from(["utf-8", "cp932"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    style=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    last=st.booleans(),
    column=st.integers(0, 2),
    chunk=st.integers(1, 400),
)
@unhurried
def test_only_the_one_cell_changes(  # noqa: PLR0917
    room: Path,
    rows: list[tuple[str, str, str]],
    encoding: str,
    delimiter: str,
    end: str,
    style: int,
    last: bool,
    column: int,
    chunk: int,
) -> None:
    """Written by the csv module, converted, read by the csv module; quotes, encoding and line ends as they were."""
    names = ["住民票コード", "表番号", 'a "name"']
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=style).writerows([names, *rows])
    written = text.getvalue() if last else text.getvalue().removesuffix(end)
    folder = _fresh(room)
    path = folder / "in.csv"
    path.write_bytes(written.encode(encoding))
    with mock.patch.object(csvsource, "CHUNK", chunk):
        out = copied(path, folder / "job", names[column], longer, delimiter=delimiter, encoding=encoding)
    result = out.read_bytes()
    assert (folder / "job" / "rejects.csv").read_bytes().count(b"wrong_columns") == 0
    expected = [list(row) for row in rows]
    for row in expected:
        cell = row[column]
        row[column] = longer(cell.encode() if _is_plain(cell) else b"").decode()
    assert [*csv.reader(io.StringIO(result.decode(encoding), newline=""), delimiter=delimiter)] == [names, *expected]
    assert result.endswith(end.encode()) == last or not rows or rows[-1][2].endswith("\n")


@pytest.mark.parametrize("body", [b"", b"1,2,3", b"1,2,3\n4,5,6", b'1,"2",3\r\n4,"5",6\r\n', b"\n1,2,3\n\n,,\n"])
def test_bytes_are_the_same_when_numbers_are(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b'\xef\xbb\xbf"a",n,b\n' + body)
    out = copied(path, tmp_path / "job", "a")
    whole = [line for line in body.splitlines(keepends=True) if line.count(b",") == 2]
    assert out.read_bytes() == b'\xef\xbb\xbf"a",n,b\n' + b"".join(whole)
    assert out.stat().st_mode & 0o777 == 0o600


def test_rejected_rows_keep_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes('n;名\r\n1;"一;二"\r\n2;three;many\r\n\r\n3;x\r\nshort'.encode("cp932"))
    out = copied(path, tmp_path / "job", "n", longer, delimiter=";", encoding="cp932")
    assert out.read_bytes().decode("cp932") == 'n;名\r\n<1>;"一;二"\r\n<3>;x\r\n'
    assert (tmp_path / "job" / "rejects.csv").read_bytes().decode("cp932") == (
        "row;reason;n;名\r\n2;wrong_columns;2;three;many\r\n3;wrong_columns;\r\n5;wrong_columns;short\r\n"
    )


def test_a_return_alone_ends_no_line_and_breaks_its_row(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"n,b\n1,x\ry\n2,y\n3,\r\n")
    assert copied(path, tmp_path / "job", "n").read_bytes() == b"n,b\n2,y\n3,\r\n"


@pytest.mark.parametrize(
    ("head", "options", "kind", "message"),
    [
        (b"", {}, TableWrong, "is empty; a table begins with a header"),
        (b"\xff\xfen\x00", {}, TableWrong, "is UTF-16"),
        (b"a,n\r1,2\r", {}, TableWrong, "lines end with a carriage return alone"),
        (b'a,"n', {}, TableWrong, "its first line, the header, does not end"),
        (b"a,b\n", {}, ColumnMissing, "has no column n\n  → its columns: a, b"),
        (b"n,n\n", {}, ColumnMissing, "2 columns are called n"),
        ("n,名\n".encode("cp932"), {}, TableWrong, "the header is not utf-8\n  → give --encoding"),
        (b"a,n\n", {"encoding": "utf-16"}, FormatUnknown, "the encoding can be utf-8, cp932, euc_jp"),
        (b"a|n\n", {"delimiter": "|"}, FormatUnknown, "the delimiter can be a comma, a semicolon or a tab"),
    ],
)
def test_headers_that_say_nothing(
    tmp_path: Path, head: bytes, options: dict[str, str], kind: type[TableError], message: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(head)
    with pytest.raises(kind) as caught:
        open_source(path, "n", **options)
    assert message in str(caught.value)


def test_a_row_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvsource, "LARGEST_ROW", 1000)
    path = tmp_path / "in.csv"
    path.write_bytes(b'n\n1\n2\n"3' + b"x" * 1_000_000)
    with open_source(path, "n") as source, pytest.raises(TableWrong, match="row 3 is longer than 1000 bytes"):
        list(source.batches(None, 10))


def test_a_batch_ends_when_its_rows_are_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvsource, "LARGEST_BATCH", 1000)
    path = tmp_path / "in.csv"
    path.write_bytes(b"n,b\n" + b"".join(b"%d,%b\n" % (i, b"x" * 300) for i in range(10)))
    with open_source(path, "n") as source:
        counts = [batch.count for batch in source.batches(None, 100)]
    assert sum(counts) == 10
    assert max(counts) == 3


def test_answers_that_do_not_go_with_the_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"n,b\n1,x\nbroken\n")
    with open_source(path, "n") as source, open_sink(source, tmp_path) as sink:
        (batch,) = source.batches(None, 10)
        for answers in (b"", b"1\n", b"1\n2\n3\n", b"1\n2", b"1\n2\n3"):
            with pytest.raises(ValueError, match="lines for 2 rows"):
                sink.write(batch, answers, ~batch.broken)
        with pytest.raises(ValueError, match="keep: one flag a row, false for every broken one"):
            sink.write(batch, b"1\n2\n", batch.broken)
        with pytest.raises(TableError, match="a new number has a delimiter or a quote in it"):
            sink.write(batch, b"1,\n2\n", ~batch.broken)
