"""A copy that is killed anywhere and gone on with is the copy that was never killed, byte by byte."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tablekit import answers_of, longer

from appliance.bulk.tables.errors import OutputExists, PartialDamaged
from appliance.bulk.tables.opening import open_rejects, open_sink, open_source

ROWS = 60
_unique = itertools.count()
Positions = dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    cells = [f"{i:05}" if i % 5 else "" for i in range(ROWS)]
    lines = [f"{i},{cell}" if i % 7 else f'"broken {i}' + '\n"' for i, cell in enumerate(cells)]
    (folder / "in.csv").write_text("i,n\n" + "\n".join(lines))
    pq.write_table(pa.table({"i": range(ROWS), "n": cells}), folder / "in.parquet", row_group_size=25)
    return folder


def _some(path: Path, folder: Path, positions: Positions, stop: int, after: int, size: int) -> Positions:
    """Copy in batches; sync at row ``stop`` or later, write up to ``after`` more, and leave, as if killed."""
    again = bool(positions)
    with open_source(path, "n") as source:
        sink = open_sink(source, folder, positions["sink"] if again else None)
        rejects = open_rejects(source, folder, positions["rejects"] if again else None)
        for batch in source.batches(positions["source"] if again else None, size):
            left_out = batch.broken | batch.empty
            sink.write(batch, answers_of(batch, longer), ~left_out)
            rejects.write(batch, left_out, ["empty"] * int(np.count_nonzero(left_out)))
            rows = batch.first + batch.count
            if positions.get("done") is None and rows >= stop:
                positions = {"source": batch.end, "sink": sink.sync(), "rejects": rejects.sync(), "done": {}}
            if rows >= stop + after:
                break
        sink.close()
        rejects.close()
    positions.pop("done", None)
    return json.loads(json.dumps(positions))  # type: ignore[no-any-return]


def _finished(path: Path, folder: Path, positions: Positions, size: int) -> tuple[bytes, bytes]:
    out, left = folder / f"out{path.suffix}", folder / "rejects.csv"
    again = bool(positions)
    with open_source(path, "n") as source:
        sink = open_sink(source, folder, positions["sink"] if again else None)
        rejects = open_rejects(source, folder, positions["rejects"] if again else None)
        with sink, rejects:
            for batch in source.batches(positions["source"] if again else None, size):
                left_out = batch.broken | batch.empty
                sink.write(batch, answers_of(batch, longer), ~left_out)
                rejects.write(batch, left_out, ["empty"] * int(np.count_nonzero(left_out)))
            assert sink.sync()["rows"] + rejects.sync()["rows"] == ROWS
            digest = sink.sha256()
            sink.finish(out)
            rejects.finish(left)
            assert sink.sha256() == digest
    return out.read_bytes(), left.read_bytes()


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
@given(
    kills=st.lists(st.tuples(st.integers(1, ROWS), st.integers(0, 30), st.integers(1, 20)), max_size=4),
    size=st.integers(1, 20),
    garbage=st.binary(max_size=50),
)
@example(kills=[(60, 0, 7), (60, 0, 7)], size=5, garbage=b"x")
@settings(deadline=None, max_examples=25)
def test_resumed_anywhere_the_output_is_the_same(
    tables: Path, name: str, kills: list[tuple[int, int, int]], size: int, garbage: bytes
) -> None:
    whole = tables / f"whole {name}"
    if not whole.exists():
        whole.mkdir()
        _finished(tables / name, whole, {}, ROWS)
    folder = tables / str(next(_unique))
    folder.mkdir()
    positions: Positions = {}
    for stop, after, batch in sorted(kills):
        positions = _some(tables / name, folder, positions, stop, after, batch)
        for partial in [*folder.glob("*.partial"), folder / "part-000009.arrows"]:
            with partial.open("ab") as file:  # a write that was under way at the kill
                file.write(garbage)
    out, left = _finished(tables / name, folder, positions, size)
    assert left == (whole / "rejects.csv").read_bytes()
    if name.endswith(".csv"):
        assert out == (whole / "out.csv").read_bytes()
    else:
        assert pq.read_table(folder / "out.parquet").equals(pq.read_table(whole / "out.parquet"))
        groups = [_groups(folder / "out.parquet"), _groups(whole / "out.parquet")]
        assert groups[0] == groups[1]


def _groups(path: Path) -> list[int]:
    with pq.ParquetFile(path) as file:
        return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_finished_twice_is_finished_once(tables: Path, tmp_path: Path, name: str) -> None:
    """A kill after the final name was given: the job that is resumed finds its own file there, and is done."""
    positions = _some(tables / name, tmp_path, {}, ROWS, 0, 10)
    first = _finished(tables / name, tmp_path, positions, 10)
    inode = (tmp_path / f"out{Path(name).suffix}").stat().st_ino
    assert _finished(tables / name, tmp_path, positions, 10) == first
    assert (tmp_path / f"out{Path(name).suffix}").stat().st_ino == inode


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_another_file_of_the_final_name_stays(tables: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / f"out{Path(name).suffix}"
    out.write_bytes(b"mine")
    with pytest.raises(OutputExists) as caught:
        _finished(tables / name, tmp_path, {}, 10)
    assert caught.value.message == f"{out}: exists already; nothing is overwritten"
    assert out.read_bytes() == b"mine"


def _shorten(folder: Path) -> None:
    for path in [*folder.glob("part-*.arrows"), *folder.glob("output.partial")]:
        path.write_bytes(path.read_bytes()[:-1])


def _remove(folder: Path) -> None:
    for path in [*folder.glob("part-*.arrows"), *folder.glob("output.partial")]:
        path.unlink()


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
@pytest.mark.parametrize("harm", [_shorten, _remove])
def test_partial_files_that_lack_something_are_refused(tables: Path, tmp_path: Path, name: str, harm: Any) -> None:
    positions = _some(tables / name, tmp_path, {}, 30, 0, 10)
    harm(tmp_path)
    with pytest.raises(PartialDamaged, match="durable|missing") as caught:
        _finished(tables / name, tmp_path, positions, 10)
    assert caught.value.hint == "something else changed the job's folder; discard the job and start it again"


def test_a_file_completed_before_a_kill_does_not_stand_for_other_rows(tables: Path, tmp_path: Path) -> None:
    """Killed after completing, but before the checkpoint that says so: what is written then counts, not what was."""
    with open_source(tables / "in.parquet", "n") as source, open_sink(source, tmp_path) as sink:
        (batch,) = source.batches(None, ROWS)
        sink.write(batch, batch.lines, ~batch.empty)
        sink.complete()
    source = open_source(tables / "in.parquet", "n")
    with source, open_sink(source, tmp_path, {"parts": 0, "bytes": 0, "rows": 0}) as sink:
        sink.write(batch, answers_of(batch, longer), ~batch.empty)
        sink.finish(tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["n"].to_pylist()[0] == "<10000>"


def test_a_part_that_was_changed_is_named(tables: Path, tmp_path: Path) -> None:
    positions = _some(tables / "in.parquet", tmp_path, {}, 30, 0, 10)
    part = tmp_path / "part-000000.arrows"
    part.write_bytes(b"\x01" * part.stat().st_size)
    with pytest.raises(PartialDamaged, match="part-000000.arrows: cannot be read any more"):
        _finished(tables / "in.parquet", tmp_path, positions, 10)


def test_what_was_published_is_never_cut_back(tables: Path, tmp_path: Path) -> None:
    positions = _some(tables / "in.csv", tmp_path, {}, 30, 0, 10)
    whole, _ = _finished(tables / "in.csv", tmp_path, positions, 10)
    with pytest.raises(PartialDamaged, match="was published with"):
        _finished(tables / "in.csv", tmp_path, positions, 10)
    assert (tmp_path / "out.csv").read_bytes() == whole
