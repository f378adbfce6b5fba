"""What can be looked up at a moment: moves from chunk to run to merged run, and what a damaged or expired run costs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tagkit import tag

from appliance.audit.tagindex.chunk import Chunk
from appliance.audit.tagindex.making import Here
from appliance.audit.tagindex.runs import Run, RunDamaged
from appliance.audit.tagindex.tagset import MOST_WAITING, IndexBehind, TagSet


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine is switched off here, and disks are slow."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def write(folder: Path, chunk: Chunk) -> Run:
    return Here(folder).write(chunk)


def write_all(folder: Path, tags: TagSet) -> None:
    with tags.changed:
        tags.close_chunk()
    while (chunk := tags.waiting) is not None:
        tags.wrote(chunk, write(folder, chunk))


def with_runs(folder: Path, count: int = 3) -> TagSet:
    """Runs of two records each, and one record in memory."""
    tags = TagSet((), first=1, seen=0, chunk_tags=2)
    for record in range(1, 2 * count + 1):
        tags.add(record, tag(record))
        if record % 2 == 0:
            write_all(folder, tags)
    tags.add(2 * count + 1, tag(0))
    assert [run.span for run in tags.runs] == [(at, at + 1) for at in range(1, 2 * count, 2)]
    return tags


def damaged(run: Run) -> RunDamaged:
    return RunDamaged("bucket 7 is not what was written", run)


def parts(tags: TagSet) -> list[tuple[int, int]]:
    """First record and number of tags of each part, newest first."""
    return [(part.first, part.tags) for part in tags.snapshot()]


def test_a_chunk_waits_and_becomes_a_run_without_being_away(tmp_path: Path) -> None:
    tags = TagSet((), first=1, seen=0, chunk_tags=2)
    for record in range(1, 6):
        tags.add(record, tag(record))
    assert parts(tags) == [(5, 1), (3, 2), (1, 2)]
    assert (tags.indexed, tags.written, tags.tags) == (5, 0, 5)
    chunk = tags.waiting
    assert chunk is not None
    tags.wrote(chunk, write(tmp_path, chunk))
    assert parts(tags) == [(5, 1), (3, 2), (1, 2)]
    assert (tags.indexed, tags.written, tags.tags) == (5, 2, 5)


def test_when_too_many_chunks_wait_no_record_is_taken() -> None:
    tags = TagSet((), first=1, seen=0, chunk_tags=1)
    for record in range(1, MOST_WAITING + 4):
        tags.add(record, tag(record))
    assert tags.indexed == MOST_WAITING + 1
    with pytest.raises(IndexBehind, match="the index of subject tags lacks records 5 to 6\n"):
        tags.snapshot()


def test_an_empty_chunk_does_not_wait() -> None:
    tags = TagSet((), first=1, seen=0, chunk_tags=2)
    tags.add(1, tag(1) * 3)  # more than a chunk has room for
    assert tags.waiting is None
    assert parts(tags) == [(1, 3)]


def test_a_damaged_run_takes_all_that_is_newer_along(tmp_path: Path) -> None:
    tags = with_runs(tmp_path)
    gone = tags.runs[1:]
    error = tags.give_up(damaged(tags.runs[1]))
    name = "0000000000003-0000000000004.run"
    assert str(error).startswith(f"the index of subject tags lacks records 3 to 7: {name}: bucket 7 is not what was")
    assert (tags.indexed, tags.written, tags.seen, tags.failures) == (2, 2, 7, 1)
    assert tags.take_needless() == list(gone)
    assert tags.take_needless() == []
    for record in range(3, 8):
        tags.add(record, tag(record))
    assert parts(tags) == [(7, 1), (5, 2), (3, 2), (1, 2)]


def test_a_damaged_run_is_given_up_once(tmp_path: Path) -> None:
    tags = with_runs(tmp_path)
    run = tags.runs[2]
    tags.give_up(damaged(run))
    tags.add(5, tag(5))
    tags.give_up(damaged(run))
    assert (tags.indexed, tags.failures) == (5, 1)


def test_expired_records_of_a_damaged_run_are_not_wanted_again(tmp_path: Path) -> None:
    tags = with_runs(tmp_path)
    tags.prune(4)
    tags.give_up(damaged(tags.runs[0]))
    assert tags.indexed == 3


def test_a_chunk_that_was_given_up_while_it_was_written_is_not_taken(tmp_path: Path) -> None:
    tags = with_runs(tmp_path)
    with tags.changed:
        tags.close_chunk()
    chunk = tags.waiting
    assert chunk is not None
    tags.give_up(damaged(tags.runs[2]))
    tags.take_needless()
    run = write(tmp_path, chunk)
    tags.wrote(chunk, run)
    assert (tags.written, tags.indexed) == (4, 4)
    assert tags.take_needless() == [run]


def test_a_merge_of_runs_that_went_meanwhile_is_not_taken(tmp_path: Path) -> None:
    for change in (lambda tags: tags.give_up(damaged(tags.runs[1])), lambda tags: tags.prune(3)):
        tags = with_runs(tmp_path)
        old = tags.runs[:2]
        change(tags)
        left, _ = tags.runs, tags.take_needless()
        merged = Chunk(1)
        for record in range(1, 5):
            merged.add(tag(record))
        run = write(tmp_path, merged)
        tags.merged(old, run)
        assert tags.runs == left
        assert tags.take_needless() == [run]


def test_a_merged_run_takes_the_place_of_its_parts(tmp_path: Path) -> None:
    tags = with_runs(tmp_path)
    old = tags.runs[:2]
    chunk = Chunk(1)
    for record in range(1, 5):
        chunk.add(tag(record))
    tags.failed("something else")
    tags.merged(old, write(tmp_path, chunk))
    assert parts(tags) == [(7, 1), (5, 2), (1, 4)]
    assert tags.take_needless() == list(old)
    assert tags.trouble is None


def test_what_expires_while_it_is_written_leaves_with_its_run(tmp_path: Path) -> None:
    tags = TagSet((), first=1, seen=0, chunk_tags=2)
    for record in range(1, 4):
        tags.add(record, tag(record))
    tags.prune(3)
    chunk = tags.waiting
    assert chunk is not None
    run = write(tmp_path, chunk)
    tags.wrote(chunk, run)
    assert (tags.runs, tags.take_needless(), tags.indexed) == ((), [run], 3)


def test_what_is_missing_and_expires_is_missed_no_more() -> None:
    tags = TagSet((), first=1, seen=9)
    assert tags.behind
    tags.prune(10)
    assert (tags.behind, tags.indexed, tags.written) == (False, 9, 9)


def test_an_ended_set_flushes_nothing() -> None:
    tags = TagSet((), first=1, seen=0)
    tags.add(1, tag(1))
    tags.end()
    with pytest.raises(IndexBehind, match="lacks records 1 to 1"):
        tags.flush(None)
