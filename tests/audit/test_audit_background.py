"""The index's thread gives way: lower priority and short turns, for itself alone; and pauses after pieces of work."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tagkit import contents, make_run, tag

from appliance.audit.tagindex import background, making
from appliance.audit.tagindex import chunk as tagchunk
from appliance.audit.tagindex import runs as tagruns
from appliance.audit.tagindex.background import PIECE_BYTES
from appliance.audit.tagindex.chunk import Chunk, give_back
from appliance.audit.tagindex.making import Here
from appliance.audit.tagindex.merging import BLOCK
from appliance.audit.tagindex.runs import RunWriter

GETATTR = {"x86_64": 315, "aarch64": 275}


def attributes() -> tuple[int, ...]:
    """sched_getattr of the calling thread: size, policy, flags, nice, priority, runtime, deadline, period."""
    room = ctypes.create_string_buffer(48)
    number = GETATTR[platform.machine()]
    assert ctypes.CDLL(None).syscall(ctypes.c_long(number), 0, room, ctypes.c_uint(48), ctypes.c_uint(0)) == 0
    return struct.unpack("=IIQiIQQQ", room.raw)


def given_way() -> tuple[int, tuple[int, ...]]:
    background.give_way()
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), attributes()


@pytest.mark.skipif(platform.machine() not in GETATTR, reason="the number of the system call is not known here")
def test_the_thread_alone_gives_way() -> None:
    before, mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), attributes()
    with ThreadPoolExecutor(1) as other:
        niceness, found = other.submit(given_way).result()
    assert niceness == min(19, before + background.NICENESS) == found[3]
    release = tuple(int(part) for part in platform.release().split(".")[:2])
    if release >= (6, 12):
        assert found[5] == background.SLICE_NANOSECONDS
    assert attributes() == mine


def test_what_the_system_refuses_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    with ThreadPoolExecutor(1) as other:
        niceness, _ = other.submit(given_way).result()
    assert niceness == os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


# ── Pauses ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the index does, in order; "pause" where it gives way."""
    happened: list[object] = []
    for module in (making, tagchunk, tagruns):
        monkeypatch.setattr(module, "pause", lambda: happened.append("pause"))
    return happened


def noting(happened: list[object], real: Callable[..., object], what: Callable[..., object]) -> Callable[..., object]:
    """``real``, of which ``what`` it is to do is noted first."""

    def noted(*given: object, **named: object) -> object:
        happened.append(what(*given))
        return real(*given, **named)

    return noted


def full() -> Chunk:
    """Of three records with as many tags as a chunk has room for."""
    chunk = Chunk(1)
    for size in (100_000, 400_000, tagchunk.CHUNK_TAGS - 500_000):
        assert chunk.add(np.random.default_rng(size).bytes(16 * size))
    return chunk


def test_only_who_gives_way_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    yielded: list[int] = []
    monkeypatch.setattr(os, "sched_yield", lambda: yielded.append(threading.get_native_id()))
    background.pause()
    assert yielded == []
    with ThreadPoolExecutor(1) as other:
        other.submit(background.pause).result()
        assert yielded == []
        other.submit(background.give_way).result()
        other.submit(background.pause).result()
        assert yielded == [other.submit(threading.get_native_id).result()]
        background.pause()
        assert len(yielded) == 1, "it is a thread's own affair"


def test_a_chunk_is_sorted_in_pieces_with_a_pause_after_each(
    happened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    sort = noting(happened, tagchunk.in_buckets, lambda keys, records: len(keys))
    monkeypatch.setattr(tagchunk, "in_buckets", sort)
    full().parts()
    assert happened == [1 << 15, "pause"] * 16


def test_a_run_is_made_a_block_at_a_time_with_a_pause_after_each(
    tmp_path: Path, happened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagruns, "pause", lambda: None)
    monkeypatch.setattr(RunWriter, "write", noting(happened, RunWriter.write, lambda writer, entries: len(entries)))
    run = Here(tmp_path).write(full())
    made = happened[16:]  # after the sorting
    sizes = [size for size in made[::2] if isinstance(size, int)]
    assert made[1::2] == ["pause"] * len(sizes)
    assert sum(sizes) == run.tags == tagchunk.CHUNK_TAGS
    assert sorted(sizes)[1] > BLOCK // 2 and max(sizes) <= BLOCK


def test_a_run_is_written_in_pieces_with_a_pause_after_each(
    tmp_path: Path, happened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long system call would keep whoever waits for this processor for milliseconds."""
    monkeypatch.setattr(os, "pwrite", noting(happened, os.pwrite, lambda descriptor, data, offset: len(data)))
    writer = RunWriter(tmp_path, tagruns.Span(1, 2))
    entries = np.arange(100_000, dtype=np.uint64)
    writer.write(entries)
    sizes = [size for size in happened[::2] if isinstance(size, int)]
    assert happened[1::2] == ["pause"] * len(sizes)
    assert (sum(sizes), max(sizes)) == (entries.nbytes, PIECE_BYTES)
    assert os.pread(writer._descriptor, entries.nbytes, tagruns._BODY) == entries.tobytes()
    writer.abandon()


def test_memory_is_lent_and_given_back_in_pieces_with_a_pause_after_each(
    happened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", noting(happened, os.write, lambda descriptor, data: len(data)))
    chunk = full()
    tags, ends = chunk.lend()
    assert happened == [PIECE_BYTES, "pause"] * 128 + [4 * 3, "pause"]
    assert os.pread(tags, 16 * chunk.tags + 1, 0) == chunk._bytes.tobytes()
    assert np.frombuffer(os.pread(ends, 13, 0), np.uint32).tolist() == [100_000, 500_000, chunk.tags]
    happened.clear()
    monkeypatch.setattr(os, "ftruncate", noting(happened, os.ftruncate, lambda descriptor, size: size))
    give_back(tags)
    give_back(ends)
    assert happened[1::2] == ["pause"] * 31
    assert happened[::2] == [size << 18 for size in range(31, 0, -1)]
    for descriptor in (tags, ends):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_removed_run_leaves_memory_in_pieces_with_a_pause_after_each_and_is_read_on(
    tmp_path: Path, happened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, 1, [tag(number) for number in range(1, 100_000)])
    before, size = contents(run), run.path.stat().st_size
    happened.clear()
    forget = noting(happened, os.posix_fadvise, lambda descriptor, *piece: piece)
    monkeypatch.setattr(os, "posix_fadvise", forget)
    run.remove()
    assert not run.path.exists()
    assert happened[1::2] == ["pause"] * (size // (1 << 18) + 1)
    assert happened[::2] == [(start, 1 << 18, os.POSIX_FADV_DONTNEED) for start in range(0, size, 1 << 18)]
    assert contents(run) == before
    run.remove()
