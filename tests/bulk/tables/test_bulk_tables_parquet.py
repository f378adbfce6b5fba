"""Parquet by column: types, nulls, metadata, row groups and all other columns as they were."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tablekit import answers_of, copied, flags, longer, same

from appliance.bulk.tables import parquetsink, parquetsource
from appliance.bulk.tables.arrowcolumn import column_lines
from appliance.bulk.tables.errors import ColumnMissing, TableError, TableWrong
from appliance.bulk.tables.opening import open_rejects, open_sink, open_source

TEXT_TYPES = [
    pa.string(),
    pa.large_string(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string()),
]
CELLS = st.lists(st.one_of(st.none(), st.sampled_from(["", "12345", "ABC", "番号", "7" * 65, "a\nb"])), max_size=30)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def _changed(cell: str | None) -> str | None:
    if cell is None:
        return longer(b"").decode()
    return longer(cell.encode() if cell.isascii() and "\n" not in cell and len(cell) <= 64 else b"").decode()


@pytest.mark.parametrize("kind", TEXT_TYPES, ids=str)
@given(cells=CELLS, group=st.integers(1, 12), size=st.integers(1, 20), pages=st.booleans())
@settings(deadline=None, max_examples=25)
def test_only_the_one_column_changes(
    tmp_path_factory: pytest.TempPathFactory, kind: Any, cells: list[str | None], group: int, size: int, pages: bool
) -> None:
    folder = tmp_path_factory.mktemp("table")
    table = pa.table({"i": pa.array(range(len(cells)), pa.uint32()), "n": pa.array(cells, pa.string()).cast(kind)})
    pq.write_table(table, folder / "in.parquet", row_group_size=group, data_page_size=64 if pages else None)
    table = pq.read_table(folder / "in.parquet")  # what Parquet can keep of the types
    out = pq.read_table(copied(folder / "in.parquet", folder / "job", "n", longer, size))
    assert out.schema.equals(table.schema, check_metadata=True)
    assert out["i"].equals(table["i"])
    assert out["n"].to_pylist() == [_changed(cell) for cell in cells]


def _rich_table() -> Any:
    rows = 1000
    return pa.table(
        {
            "numbers": pa.array([None if i % 7 == 0 else f"{i:011}" for i in range(rows)], pa.string()),
            "when": pa.array(
                [datetime.datetime(2020, 1, 1, 0, i % 60) for i in range(rows)], pa.timestamp("ns", "Asia/Tokyo")
            ),
            "list": pa.array([[{"a": i, "b": "x"}] * (i % 3) for i in range(rows)]),
            "sum": pa.array([Decimal(i) / 100 for i in range(rows)], pa.decimal128(10, 2)),
            "bytes": pa.array([b"\x00\xff" * (i % 2) for i in range(rows)]),
            "kind": pa.array(["east" if i % 2 else "west" for i in range(rows)]).dictionary_encode(),
        }
    ).replace_schema_metadata({"made by": "a test", "pandas": "{}"})


@pytest.mark.parametrize(
    ("compression", "options"),
    [
        ("snappy", {}),
        ({"numbers": "zstd", "sum": "gzip"}, {"use_dictionary": ["kind"], "write_statistics": False}),
        ("none", {"use_compliant_nested_type": False, "store_schema": False, "version": "1.0"}),
        ("snappy", {"use_deprecated_int96_timestamps": True}),
    ],
)
def test_everything_else_is_written_as_it_was(tmp_path: Path, compression: Any, options: dict[str, Any]) -> None:
    """Values, types, key-value metadata, row groups, codecs, dictionaries, physical types."""
    pq.write_table(_rich_table(), tmp_path / "in.parquet", row_group_size=300, compression=compression, **options)
    out = copied(tmp_path / "in.parquet", tmp_path / "job", "numbers", same, 128)
    old, new = pq.ParquetFile(tmp_path / "in.parquet"), pq.ParquetFile(out)
    assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True)
    if options.get("version") != "1.0":
        assert new.schema.equals(old.schema)
    assert new.read().equals(old.read())
    assert [new.metadata.row_group(i).num_rows for i in range(4)] == [300, 300, 300, 100]
    for i in range(old.metadata.num_columns):
        was, is_now = old.metadata.row_group(1).column(i), new.metadata.row_group(1).column(i)
        for what in ("path_in_schema", "compression", "physical_type", "has_dictionary_page", "is_stats_set"):
            assert getattr(is_now, what) == getattr(was, what), (was.path_in_schema, what)
    assert out.stat().st_mode & 0o777 == 0o600
    old.close()
    new.close()


@pytest.mark.parametrize("codec", ["snappy", "gzip", "brotli", "zstd", "lz4", "none"])
def test_every_codec_is_kept(tmp_path: Path, codec: str) -> None:
    pq.write_table(pa.table({"n": ["1", "2"]}), tmp_path / "in.parquet", compression=codec)
    out = copied(tmp_path / "in.parquet", tmp_path / "job", "n", longer)
    codecs = [pq.read_metadata(path).row_group(0).column(0).compression for path in (tmp_path / "in.parquet", out)]
    assert codecs[0] == codecs[1]


def test_a_table_of_pandas_comes_back_as_one(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"n": ["001", None, "003"], "x": [1.5, 2.5, None]}, index=pd.Index(["a", "b", "c"], name="key")
    )
    frame.to_parquet(tmp_path / "in.parquet")
    back = pd.read_parquet(copied(tmp_path / "in.parquet", tmp_path / "job", "n", lambda line: line and line + b"9"))
    frame["n"] = ["0019", None, "0039"]
    pd.testing.assert_frame_equal(back, frame)


def test_rejected_rows_are_left_out_and_listed_as_csv(tmp_path: Path) -> None:
    table = pa.table(
        {
            "n": ["1", "2", None, "4"],
            "name": ["a", 'b "c", d', "二\n三", None],
            "more": pa.array([[1], None, [datetime.date(2020, 1, 1).day], []]),
            "raw": [b"\x01", b"\x02", None, b""],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=3)
    source = open_source(tmp_path / "in.parquet", "n")
    with source, open_sink(source, tmp_path) as sink, open_rejects(source, tmp_path) as rejects:
        (batch,) = source.batches(None, 10)
        assert batch.empty.tolist() == [False, False, True, False]
        sink.write(batch, answers_of(batch, longer), flags(False, False, False, True))
        rejects.write(batch, flags(True, True, True, False), ["unknown_number", "malformed_number", "empty"])
        with pytest.raises(ValueError, match="one reason a rejected row"):
            rejects.write(batch, flags(True, False, False, False), [])
        sink.finish(tmp_path / "out.parquet")
        rejects.finish(tmp_path / "rejects.csv")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [{"n": "<4>", "name": None, "more": [], "raw": b""}]
    assert (tmp_path / "rejects.csv").read_text() == (
        "row,reason,n,name,more,raw\n"
        "1,unknown_number,1,a,[1],01\n"
        '2,malformed_number,2,"b ""c"", d",,02\n'
        '3,empty,,"二\n三",[1],\n'
    )


def test_nulls_that_are_kept_stay_null(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": ["1", None, ""]}), tmp_path / "in.parquet")
    out = copied(tmp_path / "in.parquet", tmp_path / "job", "n", lambda line: line and longer(line))
    assert pq.read_table(out)["n"].to_pylist() == ["<1>", None, ""]


def test_bytes_under_a_null_are_not_read() -> None:
    """Arrow allows them; a number nobody meant to give must not be converted."""
    whole = pa.array(["111", "222", "333"])
    valid = pa.array([True, False, True]).buffers()[1]
    masked = pa.StringArray.from_buffers(3, *whole.buffers()[1:], valid)
    lines, empty = column_lines(masked)
    assert lines == b"111\n\n333\n"
    assert empty.tolist() == [False, True, False]


@pytest.mark.parametrize("table", [pa.table({"n": pa.array([], pa.string())}), pa.table({"n": ["1"]}).slice(1)])
def test_a_table_without_rows(tmp_path: Path, table: Any) -> None:
    pq.write_table(table, tmp_path / "in.parquet")
    assert pq.read_table(copied(tmp_path / "in.parquet", tmp_path / "job", "n")).equals(table)


def test_large_row_groups_are_split_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquetsink, "LARGEST_GROUP", 40)
    pq.write_table(pa.table({"n": [str(i) for i in range(130)]}), tmp_path / "in.parquet", row_group_size=100)
    out = pq.ParquetFile(copied(tmp_path / "in.parquet", tmp_path / "job", "n", size=20))
    assert [out.metadata.row_group(i).num_rows for i in range(out.num_row_groups)] == [40, 40, 20, 30]
    out.close()


def test_a_batch_ends_when_its_rows_are_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquetsource, "LARGEST_BATCH", 1000)
    monkeypatch.setattr(parquetsource, "_READ_AT_ONCE", 2)
    pq.write_table(pa.table({"n": ["1"] * 10, "b": ["x" * 300] * 10}), tmp_path / "in.parquet")
    with open_source(tmp_path / "in.parquet", "n") as source:
        assert [batch.count for batch in source.batches(None, 100)] == [4, 4, 2]


def test_what_is_no_column_of_numbers_is_refused(tmp_path: Path) -> None:
    table = pa.table({"i": pa.array([1], pa.int64()), "d": pa.array([1]).dictionary_encode(), "n": ["1"]})
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(TableError) as caught:
        open_source(tmp_path / "in.parquet", "i")
    assert caught.value.message == f"{tmp_path}/in.parquet: column i is int64, not a string"
    assert caught.value.hint == "write the numbers as strings, with their leading zeros, and try again"
    with pytest.raises(TableError, match="not a string"):
        open_source(tmp_path / "in.parquet", "d")
    with pytest.raises(ColumnMissing, match="has no column x\n  → its columns: i, d, n"):
        open_source(tmp_path / "in.parquet", "x")


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"n\n1\n2\n" * 100])
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "in.parquet").write_bytes(damage)
    with pytest.raises(TableWrong, match="cannot be read as Parquet"):
        open_source(tmp_path / "in.parquet", "n")


def test_a_damaged_row_group_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"n": [str(i) for i in range(10_000)]}), path, row_group_size=5000, use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:2000] = b"\xff" * 1996
    path.write_bytes(data)
    with open_source(path, "n") as source, pytest.raises(TableWrong, match="row group 0 cannot be read"):
        list(source.batches(None, 100))


def test_a_closed_source_reads_nothing_more(tmp_path: Path) -> None:
    """Its descriptor's number may be another file's by then."""
    pq.write_table(pa.table({"n": ["1"] * 10}), tmp_path / "in.parquet", row_group_size=5)
    with open_source(tmp_path / "in.parquet", "n") as source:
        batches = source.batches(None, 5)
        next(batches)
    with pytest.raises(Exception, match="closed"):
        next(batches)
