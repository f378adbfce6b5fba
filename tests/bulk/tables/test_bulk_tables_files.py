"""The files themselves: what is read, what is published, and what is said when the system refuses."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tablekit import answers_of, copied, longer, same

from appliance.bulk.tables import csvsource
from appliance.bulk.tables.errors import (
    FormatUnknown,
    OutputExists,
    ParquetMissing,
    PartialDamaged,
    TableChanged,
    TableUnusable,
    TableWrong,
)
from appliance.bulk.tables.opening import format_of, open_rejects, open_sink, open_source

TABLE = b"n,b\n" + b"".join(b"%05d,%d\n" % (i, i) for i in range(20_000))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_bytes(TABLE)
    return path


def test_the_fingerprint_tells_any_change(table: Path, tmp_path: Path) -> None:
    def now(path: Path) -> dict[str, str | int]:
        with open_source(path, "n") as source:
            return source.fingerprint()

    first = now(table)
    assert now(table) == first
    assert first["size"] == len(TABLE)
    seen = [first]
    for change in (b"X" + TABLE[1:], TABLE[:-1] + b"X", TABLE + b"1,1\n", TABLE):  # the last one has another time
        table.write_bytes(change.replace(b"X", b"n", 1) if change.startswith(b"X") else change)
        os.utime(table, ns=(len(seen), len(seen)))
        seen.append(now(table))
    (tmp_path / "copy.csv").write_bytes(TABLE)
    os.utime(tmp_path / "copy.csv", ns=(4, 4))
    seen.append(now(tmp_path / "copy.csv"))
    assert len({tuple(found.values()) for found in seen}) == len(seen)


@pytest.mark.parametrize("length", [len(TABLE) - 10, len(TABLE) + 10])
def test_an_input_that_changes_while_it_is_read_is_noticed(table: Path, length: int) -> None:
    with open_source(table, "n") as source, pytest.raises(TableChanged) as caught:
        for batch in source.batches(None, 1000):
            if not batch.first:
                os.truncate(table, length)
    assert caught.value.message == f"{table}: had {len(TABLE)} bytes at the start and has {length} now"


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(TableUnusable, match="is no regular file\n  → a job reads its input again when it is resumed"):
        open_source(tmp_path / "pipe.csv", "n")
    with pytest.raises(TableUnusable, match="is no regular file"):
        open_source(tmp_path / "folder.csv", "n")
    with pytest.raises(TableUnusable, match="cannot be read \\(No such file or directory\\)"):
        open_source(tmp_path / "none.csv", "n")


def test_the_format_is_given_or_in_the_name(tmp_path: Path) -> None:
    assert [format_of(Path(name)) for name in ("a.csv", "A.CSV", "a.tsv", "a.txt")] == ["csv"] * 4
    assert [format_of(Path("a.parquet")), format_of(Path("a.csv"), "parquet")] == ["parquet"] * 2
    with pytest.raises(FormatUnknown, match="neither .csv nor .parquet\n  → say which with --format"):
        format_of(Path("a.xlsx"))
    path = tmp_path / "in.tsv"
    path.write_bytes(b"a\tn\n1\t2\n")
    assert copied(path, tmp_path / "job", "n", longer).read_bytes() == b"a\tn\n1\t<2>\n"


def test_without_the_library_for_parquet_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "appliance.bulk.tables.parquetsource", raising=False)
    with pytest.raises(ParquetMissing) as caught:
        open_source(tmp_path / "in.parquet", "n")
    assert caught.value.hint == "pip install 'kagimori[parquet]'"


def test_partial_files_follow_no_links(table: Path, tmp_path: Path) -> None:
    """A link in a job's folder is replaced at the start and refused later; what it points to stays."""
    precious, partial = tmp_path / "precious", tmp_path / "output.partial"
    precious.write_bytes(TABLE)
    partial.symlink_to(precious)
    with open_source(table, "n") as source:
        with pytest.raises(TableUnusable, match="cannot be written"):
            open_sink(source, tmp_path, {"bytes": 10, "rows": 1})
        open_sink(source, tmp_path).close()
    assert not partial.is_symlink()
    assert partial.stat().st_mode & 0o777 == 0o600
    assert precious.read_bytes() == TABLE


def test_published_on_another_file_system(table: Path, tmp_path: Path) -> None:
    """A copy then, complete before it has its name; a second time it is found done, and another file stays."""
    elsewhere = Path("/dev/shm") / f"kagimori-test-{os.getpid()}.csv"
    assert elsewhere.parent.stat().st_dev != tmp_path.stat().st_dev
    with open_source(table, "n") as source:
        try:
            for _ in range(2):
                with open_rejects(source, tmp_path) as rejects:
                    rejects.finish(elsewhere)
            assert elsewhere.read_bytes() == b"row,reason,n,b\n"
            assert elsewhere.stat().st_mode & 0o777 == 0o600
            elsewhere.write_bytes(b"ROW,reason,n,b\n")
            with open_rejects(source, tmp_path) as rejects, pytest.raises(OutputExists, match="exists already"):
                rejects.finish(elsewhere)
            assert elsewhere.read_bytes() == b"ROW,reason,n,b\n"
            assert not elsewhere.with_name(f".{elsewhere.name}.partial").exists()
        finally:
            elsewhere.unlink()


def test_a_file_system_without_hard_links_is_named(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_names: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(TableUnusable, match="its file system has no hard links\n  → write to another one"):
        copied(table, tmp_path / "job", "n")


def test_digests_and_their_progress(table: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with open_source(table, "n") as source, open_sink(source, tmp_path) as sink:
        for batch in source.batches(None, 7000):
            sink.write(batch, answers_of(batch, same), ~batch.broken)
            assert source.done(batch.end) == batch.end["byte"] <= source.size_units == len(TABLE)
        assert source.sha256(lambda done, whole: seen.append((done, whole))) == sink.sha256()
    assert seen[-1] == (len(TABLE), len(TABLE))


_FULL = """
import resource, sys
from pathlib import Path
from appliance.bulk.tables.errors import TableUnusable
from appliance.bulk.tables.opening import open_sink, open_source
with open_source(Path(sys.argv[1]), sys.argv[2]) as source, open_sink(source, Path(sys.argv[3])) as sink:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        for batch in source.batches(None, 1000):
            sink.write(batch, batch.lines, ~batch.broken)
        sink.complete()
    except TableUnusable as error:
        print(error)
"""


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_full_disk_is_said_and_leaves_no_output(table: Path, tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        numbers = np.random.default_rng(5).integers(0, 10**11, 20_000)
        pq.write_table(pa.table({"n": [f"{number:011}" for number in numbers.tolist()]}), tmp_path / "in.parquet")
    job = tmp_path / "job"
    job.mkdir()
    command = [sys.executable, "-c", _FULL, tmp_path / f"in{suffix}", "n", job]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert "cannot be written (File too large)\n  → make room on the disk" in done.stdout
    assert sorted(path.suffix for path in job.iterdir()) == [".partial" if suffix == ".csv" else ".arrows"]


def test_a_position_of_another_file_is_refused(table: Path, tmp_path: Path) -> None:
    with open_source(table, "n") as source, pytest.raises(PartialDamaged, match="output.partial: is missing"):
        open_sink(source, tmp_path, {"bytes": 10, "rows": 1})


def test_no_message_holds_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvsource, "LARGEST_ROW", 100)
    (tmp_path / "in.csv").write_bytes(b'n\n"12345678901' + b"9" * 1000)
    with open_source(tmp_path / "in.csv", "n") as source, pytest.raises(TableWrong) as caught:
        list(source.batches(None, 10))
    assert "12345678901" not in str(caught.value)
