"""What the index of subject tags is made of: entries, chunks, runs, merges, and which files of a folder are used."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tagkit import alike, contents, make_run, tag

from appliance.audit.tagindex import chunk as tagchunk
from appliance.audit.tagindex import runs as tagruns
from appliance.audit.tagindex.chunk import Chunk
from appliance.audit.tagindex.entries import BUCKETS, Window, bucket, bucket_sums, in_buckets, key, newest
from appliance.audit.tagindex.folder import load
from appliance.audit.tagindex.merging import Shape, choose, merging
from appliance.audit.tagindex.runs import Run, RunDamaged, RunWriter, Span

ALL = Window(1, 2**40)
NUMBERS = [0, 1, 2, 3, 4096, 5000]
Keys = st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 7 << 52, 2**64 - 1]), max_size=60)


def merge(folder: Path, runs: Sequence[Run], first: int = 1, block: int = 8) -> Run:
    steps = merging(folder, Span(runs[0].first, runs[-1].last), runs, first, block)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine is switched off here, and disks are slow."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)


# ── Entries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(Keys, st.integers(0, 2**40 - 100))
def test_entries_stand_in_their_buckets_in_the_order_of_records(keys: list[int], first: int) -> None:
    records = [first + at // 2 for at in range(len(keys))]
    entries, counts = in_buckets(np.array(keys, np.uint64), np.array(records, np.uint64))
    expected: list[list[int]] = [[] for _ in range(BUCKETS)]
    for one, record in zip(keys, records, strict=True):
        expected[one >> 52].append((one % 2**24) << 40 | record)
    assert counts.tolist() == [len(entries) for entries in expected]
    assert entries.tolist() == [entry for entries in expected for entry in entries]
    assert bucket_sums(entries, counts).tolist() == [sum(entries) % 2**64 for entries in expected]


@settings(deadline=None)
@given(Keys, st.sampled_from([0, 7 << 52, 2**64 - 1]), st.integers(0, 40), st.integers(0, 40), st.integers(1, 9))
def test_of_a_bucket_the_newest_fitting_records_are_given(
    keys: list[int], wanted: int, low: int, high: int, limit: int
) -> None:
    numbers = [at // 2 for at in range(len(keys))]
    inside = [(one, at) for one, at in zip(keys, numbers, strict=True) if one >> 52 == wanted >> 52]
    entries, _ = in_buckets(*(np.array(part, np.uint64) for part in (keys, numbers)))
    own = entries[[bucket(one) == bucket(wanted) for one in sorted(keys, key=bucket)]]
    fitting = sorted({at for one, at in inside if one % 2**24 == wanted % 2**24 and low <= at < high})
    assert newest(own, wanted, Window(low, high), limit).tolist() == fitting[-limit:]


def test_a_tag_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="a subject tag has 16 bytes, not 15"):
        key(b"x" * 15)


# ── Chunks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_chunk_takes_what_it_has_room_for() -> None:
    chunk = Chunk(5, most_tags=3)
    assert chunk.add(tag(1) + tag(2))
    assert not chunk.add(tag(3) + tag(4))
    assert chunk.add(tag(3))
    assert chunk.add(b"")
    assert not chunk.add(tag(4))
    assert (chunk.first, chunk.next, chunk.records, chunk.tags) == (5, 8, 3, 3)
    with pytest.raises(ValueError, match="subject tags have 16 bytes each; 17 bytes are not a multiple"):
        chunk.add(b"x" * 17)


def test_a_chunk_takes_no_more_records_than_can_be_read_again_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagchunk, "CHUNK_RECORDS", 3)
    chunk = Chunk(1)
    assert [chunk.add(b"") for _ in range(4)] == [True, True, True, False]


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(NUMBERS), max_size=9), max_size=20), st.integers(1, 12))
def test_a_chunk_is_put_in_buckets_part_by_part(records: list[list[int]], size: int) -> None:
    """Each part has so many tags, and knows the record of each; a record's tags may be in two of them."""
    chunk = Chunk(41, 500)
    assert all([chunk.add(b"".join(map(tag, numbers))) for numbers in records])
    tags = [(key(tag(number)), at) for at, numbers in enumerate(records, 41) for number in numbers]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tagchunk, "_PIECE_TAGS", size)
        parts = chunk.parts()
    assert len(parts) == -(-len(tags) // size)
    for at, part in enumerate(parts):
        these = np.array(tags[at * size :][:size], np.uint64)
        entries, counts = in_buckets(these[:, 0], these[:, 1])
        assert part.counts.tolist() == counts.tolist()
        assert part.buckets(0, BUCKETS).tolist() == entries.tolist()
        assert [one for number in range(BUCKETS) for piece in part.pieces(number) for one in piece] == entries.tolist()


def test_a_view_of_a_chunk_stays_as_it_was() -> None:
    chunk = Chunk(1)
    for number in range(1, 5001):  # more than it has room for ends of, at first
        chunk.add(tag(number % 10))
        if number == 2500:
            view = chunk.now()
            read_meanwhile = chunk.arrays(2500, 2500)
    assert read_meanwhile[1].tolist() == list(range(1, 2501))
    assert view.find(key(tag(3)), ALL, 3).tolist() == [2473, 2483, 2493]
    assert chunk.now().find(key(tag(3)), Window(1, 4990), 2).tolist() == [4973, 4983]
    assert Chunk(1).now().find(key(tag(3)), ALL, 3).tolist() == []


# ── Runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_gives_what_was_written(tmp_path: Path) -> None:
    written = make_run(tmp_path, 41, [tag(1) + tag(1), b"", tag(2), alike(tag(1)), tag(1)])
    for run in (written, Run.open(written.path)):
        assert run.path.name == "0000000000041-0000000000045.run"
        assert (run.first, run.last, run.tags) == (41, 45, 5)
        assert run.find(key(tag(1)), ALL, 9).tolist() == [41, 44, 45]
        assert run.find(key(tag(1)), Window(42, 45), 9).tolist() == [44]
        assert run.find(key(tag(1)), ALL, 2).tolist() == [44, 45]
        assert run.find(key(tag(3)), ALL, 9).tolist() == []
    assert written.path.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == [written.path.name]


def test_a_run_without_tags_is_a_run(tmp_path: Path) -> None:
    make_run(tmp_path, 1, [b"", b""])
    run = Run.open(tmp_path / Span(1, 2).name)
    assert (run.last, run.tags, run.find(key(tag(1)), ALL, 9).tolist()) == (2, 0, [])


def test_a_bucket_longer_than_one_reading_is_read_whole(tmp_path: Path) -> None:
    run = make_run(tmp_path, 1, [tag(7) * 3] * 30_000)
    assert run.find(key(tag(7)), Window(10, 20_000), 3).tolist() == [19_997, 19_998, 19_999]


def flip(path: Path, at: int) -> None:
    """Turn one bit over."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << at % 8]))


def test_every_altered_byte_of_a_run_is_noticed(tmp_path: Path) -> None:
    """In the head when it is opened; in the entries when the bucket is read."""
    run = make_run(tmp_path, 1, [tag(number) for number in range(1, 200)])
    good = run.path.read_bytes()
    body = len(good) - 8 * run.tags
    for at in [*range(0, 60), *range(60, body, 997), *range(body, len(good), 13)]:
        flip(run.path, at)
        with pytest.raises(RunDamaged):
            contents(Run.open(run.path))
        flip(run.path, at)
    assert contents(Run.open(run.path)) == contents(run)
    for end in (0, 59, body - 1, body, len(good) - 1):
        run.path.write_bytes(good[:end])
        with pytest.raises(RunDamaged):
            Run.open(run.path)
    run.path.write_bytes(good + b"\0" * 8)
    with pytest.raises(RunDamaged, match="its name or its length does not fit what it says of itself"):
        Run.open(run.path)


def test_a_run_that_shrinks_or_cannot_be_read_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path, 1, [tag(number) for number in range(1, 200)])
    os.truncate(run.path, run.path.stat().st_size - 8)
    with pytest.raises(RunDamaged, match="it is shorter than it was") as caught:
        contents(run)
    assert caught.value.run is run

    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(RunDamaged, match="it cannot be read: Input/output error"):
        run.find(key(tag(1)), ALL, 9)


def test_a_run_has_its_name_only_once_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, synced, named, and the name synced: in this order."""
    calls: list[str] = []

    def note(name: str) -> None:
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, **named: (calls.append(name), real(*args, **named))[1])

    for name in ("pwrite", "fsync", "rename"):
        note(name)
    make_run(tmp_path, 1, [tag(1)])
    assert [name for name, _ in groupby(calls)] == ["pwrite", "fsync", "rename", "fsync"]


def test_a_long_run_is_synced_by_and_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    writer = RunWriter(tmp_path, Span(1, 2))
    for _ in range(9):
        writer.write(np.zeros(1 << 15, np.uint64))  # 256 KiB
    assert len(synced) == 4
    writer.write(np.zeros(1 << 19, np.uint64))  # 4 MiB at once
    writer.abandon()
    assert len(synced) == 4 + 8


def test_a_write_that_does_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: real(descriptor, data[:1000], offset))
    run = make_run(tmp_path, 1, [tag(number) for number in range(1, 300)])
    assert contents(Run.open(run.path)) == contents(run)


def test_what_an_unfinished_run_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "0000000000001-0000000000001.run.new").write_bytes(b"x" * 100_000)
    run = make_run(tmp_path, 1, [tag(1)])
    assert contents(Run.open(run.path)) == contents(run)


def test_a_run_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, Span(1, 2))
    writer.write(np.arange(5, dtype=np.uint64))
    assert [path.name for path in tmp_path.iterdir()] == ["0000000000001-0000000000002.run.new"]
    writer.abandon()
    assert not list(tmp_path.iterdir())


# ── Merging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(st.lists(st.sampled_from(NUMBERS), max_size=5), min_size=1), min_size=2, max_size=4),
    st.integers(1, 12),
    st.integers(1, 20),
)
def test_a_merged_run_has_the_entries_of_its_parts(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[list[int]]], first: int, block: int
) -> None:
    folder = tmp_path_factory.mktemp("merging")
    runs: list[Run] = []
    for records in parts:
        begin = runs[-1].last + 1 if runs else 1
        runs.append(make_run(folder, begin, [b"".join(map(tag, numbers)) for numbers in records]))
    merged = merge(folder, runs, first, block)
    filled = sorted({bucket(key(tag(number))) for number in NUMBERS})
    kept = [[one for run in runs for one in run.buckets(at, at + 1).tolist() if one % 2**40 >= first] for at in filled]
    counts, entries = contents(merged)
    assert entries == [one for part in kept for one in part]
    assert [counts[at] for at in filled] == [len(part) for part in kept]
    assert sum(counts) == len(entries)
    assert contents(Run.open(merged.path)) == contents(merged)
    assert (merged.first, merged.last) == (1, runs[-1].last)


def test_a_bucket_of_any_length_is_merged_a_piece_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagruns, "_PIECE", 8)
    runs = [make_run(tmp_path, first, [tag(7) * 3] * 20) for first in (1, 21)]
    sizes: list[int] = []
    real = RunWriter.write
    monkeypatch.setattr(RunWriter, "write", lambda self, entries: (sizes.append(len(entries)), real(self, entries))[1])
    merged = merge(tmp_path, runs, block=10)
    assert (merged.tags, max(sizes)) == (120, 8)
    assert merged.find(key(tag(7)), ALL, 100).tolist() == list(range(1, 41))


def test_a_merge_notices_a_damaged_part_and_leaves_nothing(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, 1, [tag(1), tag(2)]), make_run(tmp_path, 3, [tag(3), tag(4)])]
    before = sorted(tmp_path.iterdir())
    with runs[1].path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    for block in (1, 100):  # piece by piece, and side by side
        with pytest.raises(RunDamaged, match="bucket [0-9]+ is not what was written") as caught:
            merge(tmp_path, runs, block=block)
        assert caught.value.run is runs[1]
        assert sorted(tmp_path.iterdir()) == before


def test_a_merge_that_is_ended_early_leaves_nothing(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, 1, [tag(1), tag(2)]), make_run(tmp_path, 3, [tag(3), tag(4)])]
    steps = merging(tmp_path, Span(1, 4), runs, 1, 1)
    next(steps)
    assert len(list(tmp_path.iterdir())) == 3
    steps.close()
    assert len(list(tmp_path.iterdir())) == 2


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), max_size=120), st.integers(2, 5))
def test_runs_stay_few_and_tags_are_written_seldom(sizes: list[int], fan: int) -> None:
    """Whatever sizes runs are begun with: few for each tier, largest first, and each tag is moved about once a tier."""
    shape = Shape(chunk=16, fan=fan)
    runs: list[int] = []
    moved = 0
    for size in sizes:
        runs.append(size)
        while (part := choose(runs, shape)) is not None:
            moved += sum(runs[part])
            runs[part] = [sum(runs[part])]
        tiers = [shape.tier(run) for run in runs]
        assert tiers == sorted(tiers, reverse=True)
        assert all(tiers.count(tier) < fan for tier in tiers)
    assert sum(runs) == sum(sizes)
    assert moved <= len(sizes) * 20 * (2 + shape.tier(sum(sizes)))


def test_of_equal_chunks_the_oldest_are_merged() -> None:
    shape = Shape(chunk=100, fan=4)
    assert choose([400] * 3 + [100] * 5, shape) == slice(3, 7)
    assert choose([400] * 4 + [100] * 4, shape) == slice(4, 8), "the smaller ones first"
    assert choose([100] * 3, shape) is None
    assert choose([100, 3, 100], shape) == slice(1, 3)
    assert [shape.tier(tags) for tags in (0, 24, 25, 99, 100, 399, 400)] == [0, 0, 1, 1, 2, 2, 3]


# ── The folder ───────────────────────────────────────────────────────────────────────────────────────────────────────


def three(folder: Path) -> list[Path]:
    return [make_run(folder, first, [tag(first), tag(first + 1)]).path for first in (1, 3, 5)]


def spans(folder: Path, first: int = 1, size: int = 6) -> tuple[list[Span], str | None]:
    loaded = load(folder, first=first, size=size)
    return [run.span for run in loaded.runs], loaded.rebuilt_reason


def test_all_whole_runs_are_used(tmp_path: Path) -> None:
    three(tmp_path)
    assert spans(tmp_path) == ([(1, 2), (3, 4), (5, 6)], None)


def test_what_a_crash_leaves_is_removed_without_a_word(tmp_path: Path) -> None:
    kept = three(tmp_path)
    merge(tmp_path, [Run.open(path) for path in kept[:2]])
    (tmp_path / "0000000000007-0000000000009.run.new").write_bytes(b"x")
    assert spans(tmp_path) == ([(1, 4), (5, 6)], None)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_merge_falls_back_to_its_parts(tmp_path: Path) -> None:
    kept = three(tmp_path)
    merge(tmp_path, [Run.open(path) for path in kept[:2]]).path.write_bytes(b"x")
    reason = "0000000000001-0000000000004.run: it is too short"
    assert spans(tmp_path) == ([(1, 2), (3, 4), (5, 6)], reason)
    assert spans(tmp_path) == ([(1, 2), (3, 4), (5, 6)], None)


def test_expired_runs_are_removed_and_half_expired_ones_kept(tmp_path: Path) -> None:
    three(tmp_path)
    assert spans(tmp_path, first=4) == ([(3, 4), (5, 6)], None)
    assert spans(tmp_path, first=7) == ([], None)
    assert not list(tmp_path.iterdir())


def damage_magic(paths: list[Path]) -> None:
    paths[1].write_bytes(b"kagimori/tags/v2" + paths[1].read_bytes()[16:])


def remove(paths: list[Path]) -> None:
    paths[1].unlink()


def swap(paths: list[Path]) -> None:
    one, other = paths[1].read_bytes(), paths[2].read_bytes()
    paths[1].write_bytes(other)
    paths[2].write_bytes(one)


def link(paths: list[Path]) -> None:
    paths[1].rename(paths[1].parent / "elsewhere")
    paths[1].symlink_to("elsewhere")


def overlap(paths: list[Path]) -> None:
    make_run(paths[0].parent, 2, [tag(2), tag(3), tag(4)])
    paths[1].unlink()


@pytest.mark.parametrize(
    ("change", "kept", "reason"),
    [
        (damage_magic, [(1, 2)], r"0+3-0+4.run: it is no run of this version"),
        (remove, [(1, 2)], r"0+5-0+6.run: records 3 to 4 are missing before it"),
        (swap, [(1, 2)], r"0+3-0+4.run: its name or its length does not fit what it says of itself"),
        (link, [(1, 2)], r"0+3-0+4.run: Too many levels of symbolic links"),
        (overlap, [(1, 2)], r"0+2-0+4.run: it begins before record 2, the last one of the run before"),
    ],
)
def test_a_file_that_does_not_fit_costs_it_and_all_after_it(
    tmp_path: Path, change: Callable[[list[Path]], None], kept: list[tuple[int, int]], reason: str
) -> None:
    change(three(tmp_path))
    found, said = spans(tmp_path)
    assert found == kept
    assert said is not None
    assert re.match(reason, said), said
    assert spans(tmp_path) == (kept, None)


def test_a_lost_oldest_run_or_a_shorter_log_is_noticed(tmp_path: Path) -> None:
    paths = three(tmp_path)
    assert spans(tmp_path, size=5) == ([(1, 2), (3, 4)], f"{paths[2].name}: it knows record 6, and the log has 5")
    paths[0].unlink()
    assert spans(tmp_path) == ([], f"{paths[1].name}: records 1 to 2 are missing before it")


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "1-2.run", "0000000000001-0000000000002.run.old"):
        (tmp_path / name).write_text("x")
    assert spans(tmp_path) == ([], None)
    assert len(list(tmp_path.iterdir())) == 3
