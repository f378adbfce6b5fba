"""How fast a bulk job is by the size of its file: `appliance bulk convert` over CSV, from start to final name."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

from tests.bench.engine import TOKEN, token_of
from tests.bench.figures import Curve, Figure, Limit, Measured, at_most
from tests.bench.processes import run_with_peak
from tests.bench.setting import PURPOSE, Setting, middle, ratio
from tests.bench.subject import BATCH

ROUNDS = 3
MEGABYTES = 500
REST = b"1990-04-01,x"  # other columns, to be left alone
HEAD = b"number,born,rest\n"


def measure(setting: Setting) -> Measured:
    """Rows a second by rows; and the job's peak memory."""
    if not _is_there(setting):
        return Measured(left_out={"files": "`appliance bulk convert` is not there"})
    peaks: list[float] = []
    rates: list[tuple[float, float]] = []
    for rows in setting.effort.rows:
        job = Job(setting, rows, peaks)
        rounds = 1 if rows > 1_000_000 else min(ROUNDS, setting.effort.rounds)
        seen = setting.in_turns({"token": token_of(setting), "bulk": job.rate}, rounds)
        rates.append((float(job.rows), middle(seen, "bulk")))
        job.remove()
    limit, share = Limit(TOKEN, middle(seen, "token")), ratio(seen, "bulk", "token")
    what = f"`appliance bulk convert`, CSV, {job.rows:,} rows"
    figures = [
        Figure("bulk_csv", "numbers", what, rates[-1][1], "/s", limit, share),
        Figure(
            "peak_bulk", "memory", f"bulk job, {job.rows:,} rows", max(peaks), "MB", goal=at_most(MEGABYTES, "value")
        ),
    ]
    title = "Rows a second of a bulk job by size of its file"
    series = {"bulk convert, CSV to CSV": rates}
    return Measured(figures, [Curve("files", title, "rows", "rows/s", series, {TOKEN: limit.value})])


def _is_there(setting: Setting) -> bool:
    asked = [sys.executable, "-m", "appliance.cli", "bulk", "convert", "--help"]
    return subprocess.run(asked, capture_output=True, env=setting.world.env).returncode == 0


class Job:
    """A CSV of numbers that exist, and what becomes of it."""

    def __init__(self, setting: Setting, rows: int, peaks: list[float]) -> None:
        self._setting, self._peaks = setting, peaks
        self.rows = rows
        self._source, self._target = setting.world.folder / "bulk.csv", setting.world.folder / "bulk-out.csv"
        with self._source.open("wb") as file:
            file.writelines(chain([HEAD], _blocks(setting.ours.b_text, rows)))

    def rate(self) -> float:
        """Run the job whole; rows a second, its start and its end included. Every row is compared."""
        self._remove_output()
        begin = time.perf_counter()
        self._peaks.append(run_with_peak(self._command(), self._setting.world.env))
        seconds = time.perf_counter() - begin
        _require_rows(self._target, _blocks(self._setting.ours.e_text, self.rows))
        return self.rows / seconds

    def _command(self) -> list[str]:
        terms = {"column": "number", "from": "sspin.B", "to": "sspin.E", "purpose": PURPOSE, "reference": "bench"}
        options = [text for name, value in terms.items() for text in (f"--{name}", value)]
        files = [str(self._source), str(self._target), "--socket", str(self._setting.world.hub_socket)]
        return [sys.executable, "-m", "appliance.cli", "bulk", "convert", *files, *options]

    def remove(self) -> None:
        """Away with all its files."""
        self._remove_output()
        self._source.unlink()

    def _remove_output(self) -> None:
        for path in self._target.parent.glob(f"{self._target.name}*"):
            path.unlink()


def _blocks(lines: bytes, rows: int) -> Iterator[bytes]:
    """So many rows made of those numbers, over and over."""
    whole = lines.replace(b"\n", b"," + REST + b"\n")
    yield from repeat(whole, rows // BATCH)
    yield whole[: len(whole) // BATCH * (rows % BATCH)]


def _require_rows(path: Path, expected: Iterator[bytes]) -> None:
    with path.open("rb") as file:
        right = file.read(len(HEAD)) == HEAD and all(file.read(len(block)) == block for block in expected)
        if not right or file.read(1):
            raise SystemExit("bench: the bulk job wrote a wrong row")
