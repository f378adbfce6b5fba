"""Targets: tables that a bulk job reads, and the files in which a job remembers itself."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from hypothesis import strategies as st

from appliance.bulk.errors import BulkError
from appliance.bulk.folder import Checkpoint, JobFolder, Spec
from appliance.bulk.tables.csvodd import scan_odd
from appliance.bulk.tables.csvpiece import Layout
from appliance.bulk.tables.csvscan import scan
from appliance.bulk.tables.csvsource import CsvRows, CsvSource
from appliance.bulk.tables.errors import TableError
from appliance.bulk.tables.opening import open_rejects, open_sink
from tests.fuzz.mutations import any_bytes, changed_json
from tests.fuzz.target import Target, require_readable
from tests.fuzz.targets_files import folder, read_file

_CSV = (
    b"id,number,note\r\n1,369PQRST246,a\r\n2,ABC98765XYZ,b\r\n3,,c\r\n",
    b'\xef\xbb\xbfid,"number",note\n1,"369PQRST246","a, ""b""\nc"\n2,ABC,x,y\n',
    b"number\n1\n2\n3",
)
_CSV_TOKENS = (b",", b'"', b'""', b'","', b"\r", b"\n", b"\r\n", b'"\n', b";", b"number", "番号".encode("cp932"))


def _scans(data: bytes) -> bool:
    """Both ways of splitting a block give the same rows and cells."""
    accepted = False
    for columns, index in ((3, 1), (1, 0), (2, 1)):
        layout = Layout(44, columns, index)
        fast, slow = scan(data, layout), scan_odd(data, layout)
        assert (fast is None) == (slow is None), (columns, index)
        if fast is not None and slow is not None:
            accepted = True
            for name in ("rows", "broken"):
                assert np.array_equal(getattr(fast, name), getattr(slow, name)), (name, columns, index)
            assert fast.lines() == slow.lines() and np.array_equal(fast.empty, slow.empty)
    return accepted


def _table(asked: tuple[bytes, int]) -> bool:
    """Nothing of a table is lost: the rows of all batches are the file's bytes, and each can be written or rejected."""
    data, size = asked
    place = folder("table")
    path, job = place / "in.csv", place / "job"
    shutil.rmtree(job, ignore_errors=True)
    job.mkdir()
    path.write_bytes(data)
    try:
        with CsvSource(path, "number") as source:
            rows = _copy(source, job, size)
            body = data[len(source.header.text) :]
    except TableError as error:
        require_readable(error)
        return False
    assert rows == body, "rows are other bytes than the file has"
    return True


def _copy(source: CsvSource, job: Path, size: int) -> bytes:
    """All rows as they were read; every batch goes through sink and rejects as a job would send it."""
    found = b""
    with open_sink(source, job) as sink, open_rejects(source, job) as rejects:
        for batch in source.batches(None, size):
            assert isinstance(batch.rows, CsvRows)
            found += b"".join(piece.row(number) for piece in batch.rows.pieces for number in range(len(piece)))
            sink.write(batch, b"X\n" * batch.count, ~batch.broken)
            rejects.write(batch, batch.broken, ["wrong_columns"] * int(batch.broken.sum()))
        sink.complete()
        rejects.complete()
    return found


@cache
def _job() -> tuple[bytes, bytes]:
    spec = Spec(
        kind="rekey",
        input="/in.csv",
        fingerprint={"size": 7, "head": "ab"},
        output="/out.csv",
        column="number",
        format="csv",
        source="sspin.A.1",
        target="sspin.A.2",
        purpose="rotation",
        reference="r",
        socket="/run/hub.sock",
        segment=100,
        connections=2,
        patience=1.5,
        began="2026-01-01T00:00:00Z",
    )
    checkpoint = Checkpoint(segments=1, rows=7, counts={"converted": 7}, source={"byte": 9, "row": 7}, seconds=0.5)
    return msgspec.json.format(msgspec.json.encode(spec)), msgspec.json.encode(checkpoint)


def _job_file(place: str, number: int) -> Target:
    def read(path: Path) -> None:
        job = JobFolder(path.parent.with_name(path.parent.name.removesuffix(".job")))
        job.spec() if number == 0 else job.checkpoint()

    inputs = lambda: changed_json((_job()[number],)) | any_bytes((_job()[number],))  # noqa: E731
    return read_file(f"{place.removesuffix('.json')}.job", place, inputs, read, BulkError)


TARGETS = (
    Target("CSV block", lambda: any_bytes(_CSV, _CSV_TOKENS), _scans),
    Target("CSV table", lambda: st.tuples(any_bytes(_CSV, _CSV_TOKENS), st.integers(1, 4)), _table),
    _job_file("job.json", 0),
    _job_file("checkpoint.json", 1),
)
