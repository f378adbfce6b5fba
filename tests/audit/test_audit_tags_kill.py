"""Killed at any moment, the index of subject tags claims no record it has not, and forgets none it said was written."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tagkill import EXPIRED, RECORDS
from tagkit import SMALL, ListLog, caught_up, find, tag

from appliance.audit.tagindex.folder import load
from appliance.audit.tagindex.index import TagIndex

DRIVER = Path(__file__).parent.parent / "tagkill.py"
EVERYBODY = [tag(number) for number in range(7)]


def covered(folder: Path, first: int) -> int:
    """The newest record of what is on the disk, of which nothing was given up."""
    loaded = load(folder, first=first, size=len(RECORDS))
    assert loaded.rebuilt_reason is None
    return loaded.runs[-1].last if loaded.runs else first - 1


def require_complete(folder: Path, log: ListLog) -> None:
    """Every look-up gives what reading the log would."""
    with contextlib.closing(TagIndex.open(folder, log, shape=SMALL)) as index:
        for asked in EVERYBODY:
            assert find(index, [asked]) == log.truth([asked])
        caught_up(index, log)
        assert index.rebuilt_reason is None


def test_killed_at_every_call_that_changes_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no machine is switched off here
    done = subprocess.run([sys.executable, DRIVER, tmp_path], capture_output=True, text=True, timeout=240, check=True)
    calls = int(done.stdout)
    assert calls > 100
    for fatal in range(1, calls + 1):
        folder = tmp_path / str(fatal)
        flushed, first = map(int, (tmp_path / f"{fatal}.notes").read_text().splitlines()[-1].split())
        last = covered(folder, first)
        assert last >= flushed
        claimed = ListLog(RECORDS[:last])
        claimed.first = first
        claimed.wrong = AssertionError("it claims to have all of these")
        require_complete(folder, claimed)
        whole = ListLog(RECORDS)
        whole.first = EXPIRED
        require_complete(folder, whole)
        assert {path.suffix for path in folder.iterdir()} == {".run"}
