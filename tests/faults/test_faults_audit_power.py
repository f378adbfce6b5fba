"""Power cuts: whatever subset of the unsynced sectors reaches the disk, every answered record is there, whole.

What a disk may do is played through on copies: of everything written since the last sync of a file, each sector of
512 bytes is there or is zeros, and the file may be shorter. Entries are synced with every group, hashes and hints
only when a segment is full.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from auditkit import SEGMENT, checkpoint, conversion, copy, mixed, open_log, stop, tag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SECTOR = 512


LAST = "entries/000000001"
SYNCED = {"level.0": SEGMENT * 32, "level.1": 32, "offsets/000000001": 0}


class States(NamedTuple):
    """The folder after the last answered group, and after one more; the records of both, of which so many answered."""

    before: Path
    after: Path
    rows: list[tuple[int, bytes, bytes]]
    answered: int


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> States:
    directory = tmp_path_factory.mktemp("power")
    log = open_log(directory)
    log.append(mixed(SEGMENT + 150))
    log.store_checkpoint(checkpoint(log, SEGMENT + 60))
    answered = log.size
    before = copy(directory, directory.with_name("power-before"))
    log.append([conversion(f"lost {number}", [tag(number)] * (number % 3)) for number in range(20)])
    rows = list(log.read(1))
    log.close()
    return States(before, directory, rows, answered)


def cut(draw: st.DrawFn, path: Path, durable: int, newest: bytes) -> None:
    """Let the file be what a power cut may leave of ``newest``, of which ``durable`` bytes were synced."""
    length = draw(st.integers(durable, len(newest)))
    data = bytearray(newest[:length])
    sectors = range(durable // SECTOR, -(-length // SECTOR))
    for sector in draw(st.sets(st.sampled_from(sectors))) if sectors else ():
        start, end = max(durable, sector * SECTOR), min(length, (sector + 1) * SECTOR)
        data[start:end] = bytes(end - start)
    path.write_bytes(data)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_answered_record_survives_a_power_cut(states: States, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory(prefix="audit-power-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(os, "fdatasync", lambda _: None)
        directory = copy(states.before, Path(folder) / "log")
        durable = (states.before / LAST).stat().st_size
        cut(data.draw, directory / LAST, durable, (states.after / LAST).read_bytes())
        for name, synced in SYNCED.items():
            cut(data.draw, directory / name, synced, (states.before / name).read_bytes())
        log = open_log(directory)
        assert states.answered <= log.size <= states.answered + 20
        assert log.segments.bytes(1) - log.repaired >= durable
        assert list(log.read(1)) == states.rows[: log.size]
        size = log.size
        log.append([stop("after the power came back")])
        log.close()
        log = open_log(directory)
        assert (log.size, log.repaired, log.repaired_levels) == (size + 1, 0, 0)
        assert all((log.entry(row[0]), log.tags(row[0])) == row[1:] for row in states.rows[SEGMENT:size:7])
        log.close()
