"""Large runs are made in a process of their own: the same runs, and whatever becomes of that process costs nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tagkit import ListLog, add, caught_up, filled, find, run_files, tag, wait_for

from appliance import ownprocess
from appliance.audit.tagindex import keeper as tagkeeper
from appliance.audit.tagindex.apart import Apart, MakerFailed
from appliance.audit.tagindex.background import NICENESS
from appliance.audit.tagindex.chunk import Chunk
from appliance.audit.tagindex.entries import TAG_BYTES
from appliance.audit.tagindex.index import IndexBehind, TagIndex
from appliance.audit.tagindex.making import STEP_ENTRIES, Here
from appliance.audit.tagindex.merging import Shape
from appliance.audit.tagindex.runs import Run, RunDamaged
from appliance.audit.tagindex.worker import BeginMerge, Done, Failed, Step
from tests.daemonkit import alive

APART = Shape(chunk=4, fan=3, apart=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagkeeper, "RETRY_SECONDS", 0.002)
    monkeypatch.setattr(tagkeeper, "MERGE_AGAIN_SECONDS", 0.0)


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def index(tmp_path: Path, log: ListLog) -> Iterator[TagIndex]:
    with contextlib.closing(TagIndex.open(tmp_path / "tags", log, shape=APART)) as opened:
        yield opened


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    with contextlib.closing(Apart(tmp_path)) as maker:
        yield maker


def pid_of(maker: Apart) -> int:
    assert maker._process is not None
    return maker._process.pid


def worker_of(index: TagIndex) -> int:
    return pid_of(index._keeper._apart)


def chunk_of(first: int, *records: bytes) -> Chunk:
    chunk = Chunk(first, 100)
    for tags in records:
        assert chunk.add(tags)
    return chunk


def some(first: int, count: int) -> Chunk:
    numbers = random.Random(first)
    return chunk_of(first, *(tag(numbers.randrange(9)) * numbers.randrange(3) for _ in range(count)))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def merged(maker: Here | Apart, parts: list[Run], first: int) -> Run:
    merge = maker.merge(parts, first)
    while (run := merge.step()) is None:
        pass
    return run


def test_its_runs_are_those_that_are_made_here(tmp_path: Path) -> None:
    folders = tmp_path / "here", tmp_path / "apart"
    for folder in folders:
        folder.mkdir()
    here, apart = Here(folders[0]), Apart(folders[1])
    with contextlib.closing(apart):
        runs = [[maker.write(some(first, 20)) for first in (1, 21, 41)] for maker in (here, apart)]
        assert bytes_of(folders[0]) == bytes_of(folders[1])
        both = [merged(maker, parts, 15) for maker, parts in zip((here, apart), runs, strict=True)]
        assert [run.span for run in both] == [(1, 60)] * 2
        assert bytes_of(folders[0]) == bytes_of(folders[1])
        assert len(bytes_of(folders[0])) == 4


def test_a_chunk_without_tags_is_a_run(apart: Apart) -> None:
    assert (run := apart.write(chunk_of(7, b"", b""))).span == (7, 8)
    assert run.tags == 0


def test_look_ups_are_right_while_it_writes_and_merges(index: TagIndex, log: ListLog, tmp_path: Path) -> None:
    numbers = random.Random(4)
    for _ in range(200):
        add(index, log, b"".join(tag(numbers.randrange(6)) for _ in range(numbers.randrange(4))))
        asked = [tag(numbers.randrange(6))]
        assert find(index, asked) == log.truth(asked)
    index.flush()
    assert alive(worker_of(index))
    assert run_files(tmp_path / "tags")


def test_what_is_small_is_made_in_the_daemon(tmp_path: Path, log: ListLog) -> None:
    with contextlib.closing(TagIndex.open(tmp_path, log)) as index:
        add(index, log, tag(1), tag(2))
        index.flush()
        assert index._keeper._apart._process is None
    assert len(run_files(tmp_path)) == 1


def test_it_gives_way_to_others(apart: Apart) -> None:
    apart.write(some(1, 3))
    assert os.getpriority(os.PRIO_PROCESS, pid_of(apart)) == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS


def test_nobody_else_reads_its_memory(apart: Apart) -> None:
    apart.write(some(1, 3))
    as_ordinary = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    read = [*as_ordinary, sys.executable, "-c", "import sys; open(sys.argv[1], 'rb')", f"/proc/{pid_of(apart)}/mem"]
    done = subprocess.run(read, capture_output=True, text=True, timeout=60, check=False)
    assert "PermissionError" in done.stderr


def test_killed_it_is_started_again(index: TagIndex, log: ListLog) -> None:
    add(index, log, *[tag(1)] * 10)
    index.flush()
    for _ in range(3):
        before = worker_of(index)
        failures = index._tags.failures
        os.kill(before, signal.SIGKILL)
        add(index, log, *[tag(2)] * 10)
        wait_for(lambda failures=failures: index._tags.failures > failures)  # type: ignore[misc]
        caught_up(index, log)
        assert find(index, [tag(2)]) == log.truth([tag(2)])
        wait_for(lambda before=before: index._keeper._apart._process is not None and worker_of(index) != before)  # type: ignore[misc]


def test_how_it_ended_is_said(apart: Apart) -> None:
    apart.write(some(1, 3))
    os.kill(pid_of(apart), signal.SIGKILL)
    with pytest.raises(MakerFailed) as caught:
        apart.write(some(4, 3))
    assert caught.value.message == "the process that makes runs died of SIGKILL"
    assert apart.write(some(4, 3)).span == (4, 6)


def test_a_merge_that_was_under_way_when_it_died_is_begun_anew(apart: Apart, tmp_path: Path) -> None:
    parts = [apart.write(some(first, 10)) for first in (1, 11)]
    merge = apart.merge(parts, 1)
    os.kill(pid_of(apart), signal.SIGKILL)
    with pytest.raises(MakerFailed):
        merge.step()
    merge.end()
    assert apart._process is None, "no other one is started only to be told that"
    assert merged(apart, parts, 1).span == (1, 20)
    assert len(list(tmp_path.glob("*.new"))) == 0


def large(first: int) -> Chunk:
    """One record with more than half the tags that one step of a merge sees to."""
    chunk = Chunk(first)
    assert chunk.add(random.Random(first).randbytes(TAG_BYTES * (STEP_ENTRIES // 2 + 1)))
    return chunk


def test_a_merge_that_is_given_up_leaves_nothing(apart: Apart, tmp_path: Path) -> None:
    parts = [apart.write(large(first)) for first in (1, 2)]
    merge = apart.merge(parts, 1)
    assert merge.step() is None
    assert list(tmp_path.glob("*.new"))
    merge.end()
    assert not list(tmp_path.glob("*.new"))
    with pytest.raises(MakerFailed, match="ValueError: no merge has begun"):
        merge.step()


def test_damage_that_it_meets_is_told_with_the_run(apart: Apart) -> None:
    parts = [apart.write(some(first, 10)) for first in (1, 11)]
    whole = parts[1].path.read_bytes()
    parts[1].path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(RunDamaged, match=r"bucket \d+ is not what was written") as caught:
        merged(apart, parts, 1)
    assert caught.value.run is parts[1]
    parts[1].path.write_bytes(whole[:100])
    with pytest.raises(RunDamaged, match="it is too short") as caught:
        merged(apart, parts, 1)
    assert caught.value.run is parts[1]


def test_damaged_runs_are_made_anew(tmp_path: Path, log: ListLog) -> None:
    filled(tmp_path, log)
    oldest = run_files(tmp_path)[0]
    whole = oldest.read_bytes()
    oldest.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=Shape(chunk=4, fan=2, apart=1))) as index:
        add(index, log, *(tag(number) + tag(number + 50) for number in range(20)))
        caught_up(index, log)
        for number in range(20):
            assert find(index, [tag(number)]) == log.truth([tag(number)])


def test_a_disk_that_refuses_is_said_and_tried_again(index: TagIndex, log: ListLog, tmp_path: Path) -> None:
    folder, away = tmp_path / "tags", tmp_path / "away"
    folder.rename(away)
    add(index, log, *[tag(1)] * 5)
    wait_for(lambda: index.trouble == "No such file or directory")
    assert index.find([tag(1)]) == [5, 4, 3, 2, 1], "out of memory meanwhile"
    with pytest.raises(IndexBehind, match="lacks records 1 to 5: No such file or directory"):
        index.flush()
    away.rename(folder)
    caught_up(index, log)
    index.flush()
    assert len(run_files(folder)) >= 1


def test_it_opens_runs_of_its_folder_only(apart: Apart, tmp_path: Path) -> None:
    run = apart.write(some(1, 3))
    outside = tmp_path.parent / run.path.name
    shutil.copy(run.path, outside)
    for name in (f"../{run.path.name}", str(outside), "runs.txt", ""):
        assert apart.ask(BeginMerge([name], 1)) == Failed("ValueError: not the name of a run")
    assert apart.ask(BeginMerge([run.path.name], 1)) == Done()
    outside.unlink()


def test_what_is_no_job_ends_it(apart: Apart) -> None:
    apart.write(some(1, 3))
    assert apart._connection is not None
    apart._connection.send(b'{"type":"format the disk"}')
    with pytest.raises(MakerFailed, match="the process that makes runs ended with exit code 1"):
        apart.ask(Step())


def test_closed_with_the_index_it_leaves_no_process(tmp_path: Path, log: ListLog) -> None:
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=APART)) as index:
        add(index, log, *[tag(1)] * 10)
        index.flush()
        worker = worker_of(index)
    wait_for(lambda: not alive(worker))


ORPHAN = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from tagkit import ListLog, add, tag
from appliance.audit.tagindex.index import TagIndex
from appliance.audit.tagindex.merging import Shape
log = ListLog()
index = TagIndex.open(Path(sys.argv[1]), log, shape=Shape(chunk=4, fan=3, apart=1))
add(index, log, *[tag(1)] * 10)
index.flush()
print(index._keeper._apart._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_does_not_outlive_a_daemon_that_is_killed(tmp_path: Path) -> None:
    project = Path(__file__).parents[2]
    command = [sys.executable, "-c", ORPHAN, str(tmp_path), str(project), str(project / "tests")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    wait_for(lambda: not alive(int(done.stdout)))


def test_it_tells_no_exceptions_text(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = str(theirs.fileno())
    command = ownprocess.command("appliance.audit.tagindex", "--folder", str(tmp_path), "--fd", fd)
    with ours, theirs:
        ours.send(b'{"type":"a secret"}')
        done = subprocess.run(
            command,
            pass_fds=(theirs.fileno(),),
            env=ownprocess.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert "secret" not in done.stderr
    assert done.stderr.startswith("kagimori: not caught: ValidationError at ")


def test_without_descriptors_tags_are_taken_all_the_same(
    index: TagIndex, log: ListLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that the index lacks may stop the log's writer, which adds."""

    def refused(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(os, "memfd_create", refused)
        add(index, log, *[tag(1)] * 12)
        wait_for(lambda: index.trouble == "Too many open files")
        assert index.find([tag(1)]) == list(range(12, 0, -1))
    caught_up(index, log)
    index.flush()


def test_what_it_made_and_cannot_be_read_is_no_damage_of_other_runs(
    apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(path: Path) -> Run:
        raise RunDamaged("its head is not what was written")

    monkeypatch.setattr(Run, "open", damaged)
    with pytest.raises(MakerFailed, match=r"\.run is not what was just written: its head is not what was written"):
        apart.write(some(1, 3))


def test_nothing_that_was_lent_stays_open(apart: Apart) -> None:
    apart.write(some(1, 3))
    before = len(list(Path("/proc/self/fd").iterdir()))
    runs = [apart.write(some(first, 3)) for first in (4, 7, 10)]
    assert len(list(Path("/proc/self/fd").iterdir())) == before + len(runs)
