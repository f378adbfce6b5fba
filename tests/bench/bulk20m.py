"""``appliance bulk rekey`` of millions of numbers, killed three times and resumed: whole, in order, nothing twice?

``python -m tests.bench.bulk20m --rows 20_000_000``: a fresh world, a real daemon, a CSV file with known bad rows.
The output is compared row by row with the known truth; memory is the kernel's own figure for each run's process.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from appliance.hubkit.client import Client
from tests.bench.processes import daemon, peak_megabytes
from tests.bulk.bulkkit import NEW, OLD, REKEY, bulk_world
from tests.world import World

CHUNK = 1 << 18
EVERY = 100_003  # one row in so many is bad, each of a kind in turn
BAD = (("unknown_number", b"AAAAAAAAAAA"), ("malformed_number", b"not-a-numbr"), ("empty", b""))
HEAD = b"id,number,sector\n"
TAIL = b",C\n"


@dataclass(frozen=True)
class Run:
    """One process: how it ended (``-9``: killed), seconds, largest resident size in MB, rows in the checkpoint."""

    code: int
    seconds: float
    megabytes: float
    rows: int


def main() -> None:
    """Make the files, run, check, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bulk20m", description=__doc__)
    parser.add_argument("--rows", type=lambda text: int(text.replace("_", "")), default=20_000_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files go (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kagimori-bulk-", dir=options.folder) as folder:
        print(json.dumps(measure(Path(folder), options.rows, options.kills), indent=1))


def measure(folder: Path, rows: int, kills: int) -> dict[str, object]:
    """All figures; ends the program when the output is not what it must be."""
    world = bulk_world(folder / "w")
    source, output, truth = folder / "old.csv", folder / "new.csv", folder / "truth"
    with daemon(world.config, world.socket("rekey"), world.env, folder / "daemon.log"):
        bad = make(world, source, truth, rows)
        runs = list(killed_and_resumed(world, source, output, rows, kills))
    check(output, truth, rows, bad)
    worked = json.loads((folder / "new.csv.summary.json").read_bytes())
    return {
        "rows": rows,
        "rejected": len(bad),
        "runs": [asdict(run) for run in runs],
        "seconds_worked": worked["seconds"],
        "rows_a_second": round(rows / worked["seconds"]),
        "peak_megabytes": max(run.megabytes for run in runs),
        "bytes": source.stat().st_size,
        "complete_in_order_without_duplicates": True,
    }


def make(world: World, source: Path, truth: Path, rows: int) -> dict[int, str]:
    """The input, and the new numbers in a file of their own; the bad rows (from 1) with their reasons."""
    bad = {row + 1: BAD[turn % len(BAD)][0] for turn, row in enumerate(range(EVERY // 2, rows, EVERY))}
    with source.open("wb") as table, truth.open("wb") as known:
        table.write(HEAD)
        for first in range(0, rows, CHUNK):
            count = min(CHUNK, rows - first)
            codes = b"".join(b"%011d\n" % ((first + place) * 7_919 % 10**11) for place in range(count))
            _write_rows(table, first, _converted(world, OLD, codes).split(b"\n")[:-1], bad)
            known.write(_converted(world, NEW, codes))
    return bad


def _converted(world: World, target: str, codes: bytes) -> bytes:
    why = {"purpose": "linking", "reference": "bench"}
    client = Client(world.socket("numbering"), timeout=60)
    with client, client.convert_stream("resident", target, io.BytesIO(codes), **why) as stream:
        return b"".join(stream.blocks())


def _write_rows(table: BinaryIO, first: int, numbers: list[bytes], bad: dict[int, str]) -> None:
    by_reason = dict(BAD)
    for row in range(first + 1, first + len(numbers) + 1):
        if row in bad:
            numbers[row - first - 1] = by_reason[bad[row]]
    table.write(b"".join(b"%d,%b%b" % (first + place, number, TAIL) for place, number in enumerate(numbers)))


def killed_and_resumed(world: World, source: Path, output: Path, rows: int, kills: int) -> Iterator[Run]:
    """The job: each run but the last is killed somewhere in its part of the rows."""
    why = ["--purpose", REKEY["purpose"], "--reference", REKEY["reference"]]
    command = ["rekey", str(source), str(output), "--column", "number", "--from", OLD, "--to", NEW, *why]
    command += ["--socket", str(world.socket("rekey"))]
    rng = np.random.default_rng()
    for kill in range(kills):
        until = int(rows * (kill + rng.uniform(0.3, 0.9)) / (kills + 1))
        yield _run(command, output, until)
        command = ["resume", str(output)]
    yield _run(command, output, None)


def _run(command: Sequence[str], output: Path, until: int | None) -> Run:
    """One process, killed when the checkpoint has so many rows, and one segment more than at its start."""
    begin, before, peak = time.perf_counter(), _rows(output), 0.0
    process = subprocess.Popen([sys.executable, "-m", "appliance.cli", "bulk", *command], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError, SystemExit):  # it ends while it is looked at
            peak = max(peak, peak_megabytes(process.pid))
        if until is not None and _rows(output) >= max(until, before + 1):
            process.send_signal(signal.SIGKILL)
        time.sleep(0.02)
    return Run(process.returncode, round(time.perf_counter() - begin, 2), round(peak, 1), _rows(output))


def _rows(output: Path) -> int:
    try:
        return int(json.loads((output.with_name(output.name + ".job") / "checkpoint.json").read_bytes())["rows"])
    except FileNotFoundError:
        return 0


def check(output: Path, truth: Path, rows: int, bad: dict[int, str]) -> None:
    """Every row but the bad ones, once, in order, with the right number; the bad ones listed with their reasons."""
    with output.open("rb") as table, truth.open("rb") as known:
        _require(table.readline() == HEAD, "the header")
        for row, number in enumerate(known, 1):
            if row not in bad:
                wanted = b"%d,%b%b" % (row - 1, number[:-1], TAIL)
                _require(table.readline() == wanted, f"row {row}")
        _require(row == rows and not table.readline(), "the number of rows")
    with Path(f"{output}.rejects.csv").open(newline="") as listed:
        found = {int(line["row"]): line["reason"] for line in csv.DictReader(listed)}
    _require(found == bad, "the rejects")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"bench: the output is wrong: {what}")


if __name__ == "__main__":
    main()
