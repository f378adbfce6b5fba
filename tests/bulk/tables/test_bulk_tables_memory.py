"""Memory does not grow with the table, however its rows are grouped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

_COPY = """
import sys
from pathlib import Path
from appliance.bulk.tables.opening import open_sink, open_source
rows = 0
with open_source(Path(sys.argv[1]), "n") as source, open_sink(source, Path(sys.argv[2])) as sink:
    for batch in source.batches(None, 65_536):
        sink.write(batch, batch.lines.replace(b"\\n", b"AB\\n"), ~batch.broken)
        sink.sync()
        rows += batch.count
    sink.complete()
status = Path("/proc/self/status").read_text()  # ru_maxrss would count the parent's memory, too
print(rows, int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def _write(path: Path, rows: int) -> None:
    if path.suffix == ".csv":
        block = b"".join(b"%011d,some name or other,x\r\n" % (i * 7919) for i in range(10_000))
        with path.open("wb") as file:
            file.write(b"n,name,more\r\n")
            for _ in range(0, rows, 10_000):
                file.write(block)
        return
    part = pa.table({"n": [f"{i * 7919:011}" for i in range(100_000)], "name": ["some name or other"] * 100_000})
    whole = pa.concat_tables([part] * (rows // 100_000))
    pq.write_table(whole, path, row_group_size=rows, use_dictionary=False, compression="none")  # one large row group


def _peak(path: Path, job: Path) -> int:
    job.mkdir()
    command, environment = (
        [sys.executable, "-c", _COPY, path, job],
        os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"},
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.stderr == ""
    assert done.stdout.split()[0] == path.stem
    return int(done.stdout.split()[1])


@pytest.mark.parametrize(("suffix", "most"), [(".csv", 100), (".parquet", 250)])
def test_twice_the_rows_take_no_more_memory(tmp_path: Path, suffix: str, most: int) -> None:
    """Peaks in MiB. Parquet holds a row group of its output while it writes it, at most 1,048,576 rows or 64 MiB."""
    peaks = []
    for rows in (2_000_000, 4_000_000):
        _write(tmp_path / f"{rows}{suffix}", rows)
        peaks.append(_peak(tmp_path / f"{rows}{suffix}", tmp_path / f"job {rows}"))
        (tmp_path / f"{rows}{suffix}").unlink()
    assert peaks[1] <= most
    assert peaks[1] - peaks[0] <= 40
