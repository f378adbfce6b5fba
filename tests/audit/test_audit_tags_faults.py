"""The index of subject tags when its files are damaged or its disk refuses; and in any order of all that may happen."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tagkit import SMALL, ListLog, add, caught_up, filled, find, run_files, tag, wait_for

from appliance.audit.tagindex import keeper as tagkeeper
from appliance.audit.tagindex import making
from appliance.audit.tagindex.index import IndexBehind, TagIndex
from appliance.audit.tagindex.merging import Part
from appliance.audit.tagindex.runs import Run, Span
from appliance.audit.tagindex.tagset import MOST_WAITING


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine is switched off here, disks are slow, and nobody likes to wait for the next try."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(tagkeeper, "RETRY_SECONDS", 0.002)
    monkeypatch.setattr(tagkeeper, "MERGE_AGAIN_SECONDS", 0.0)


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def index(tmp_path: Path, log: ListLog) -> Iterator[TagIndex]:
    with contextlib.closing(TagIndex.open(tmp_path / "tags", log, shape=SMALL)) as opened:
        yield opened


# ── Damage ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def spoil(path: Path) -> None:
    """Alter the last entry."""
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(bytes(8))


def test_a_damaged_head_is_noticed_at_the_start_and_made_anew(tmp_path: Path, log: ListLog) -> None:
    filled(tmp_path, log)
    run_files(tmp_path)[0].write_bytes(b"x" * 100)
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        assert index.rebuilt_reason is not None
        assert index.rebuilt_reason.endswith("-0000000000018.run: it is too short")
        assert find(index, [tag(3)]) == log.truth([tag(3)])
        caught_up(index, log)
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        assert index.rebuilt_reason is None


def test_damaged_entries_are_noticed_by_who_looks_there_and_made_anew(tmp_path: Path, log: ListLog) -> None:
    filled(tmp_path, log)
    damaged = run_files(tmp_path)[0]
    spoil(damaged)
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        with pytest.raises(IndexBehind, match=rf"lacks records 1 to 30: {damaged.name}: bucket \d+ is not what was"):
            for number in range(7):
                index.find([tag(number)])
        for number in range(7):
            assert find(index, [tag(number)]) == log.truth([tag(number)])
        caught_up(index, log)
        assert index.trouble is None


def test_no_more_is_read_than_is_asked_for(tmp_path: Path, log: ListLog) -> None:
    """Shown by a damaged old run, which nobody meets who asks for the newest record."""
    filled(tmp_path, log)
    damaged = run_files(tmp_path)[0]
    with damaged.open("r+b") as file:
        file.seek(-8 * 24, os.SEEK_END)
        file.write(bytes(8 * 24))
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        assert index.find([tag(1)], limit=1) == log.truth([tag(1)], limit=1)
        assert index.trouble is None
        with pytest.raises(IndexBehind, match="is not what was written"):
            index.find([tag(1)])


def test_damage_that_a_merge_meets_is_made_good(tmp_path: Path, log: ListLog) -> None:
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        add(index, log, *(tag(number) + tag(number + 50) for number in range(4)))
        index.flush()
        spoil(run_files(tmp_path)[0])
        add(index, log, *(tag(number) + tag(number + 50) for number in range(4, 20)))
        wait_for(lambda: index._tags.failures == 1)
        caught_up(index, log)
        for number in range(20):
            assert find(index, [tag(number)]) == log.truth([tag(number)])


def test_an_index_of_a_longer_log_is_not_believed(tmp_path: Path, log: ListLog) -> None:
    filled(tmp_path, log)
    del log.stored[5:]
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        assert index.rebuilt_reason is not None
        assert "and the log has 5" in index.rebuilt_reason
        assert find(index, [tag(3)]) == log.truth([tag(3)])


def test_a_removed_index_is_made_anew(tmp_path: Path, log: ListLog) -> None:
    filled(tmp_path / "tags", log)
    shutil.rmtree(tmp_path / "tags")
    with contextlib.closing(TagIndex.open(tmp_path / "tags", log, shape=SMALL)) as index:
        assert find(index, [tag(3)]) == log.truth([tag(3)])


# ── A disk that refuses ──────────────────────────────────────────────────────────────────────────────────────────────


def open_files() -> Iterator[str]:
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield str(link.readlink())


class FullDisk:
    """Makes every write fail while it is ``full``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        real = os.pwrite

        def write(*args: object) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "pwrite", write)


def test_while_there_is_room_in_memory_a_full_disk_is_no_loss(
    index: TagIndex, log: ListLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    add(index, log, *[tag(1)] * (4 * (MOST_WAITING + 1)))
    wait_for(lambda: index.trouble == "No space left on device")
    assert index.find([tag(1)]) == list(range(16, 0, -1))
    assert list((tmp_path / "tags").glob("*.run")) == []
    wait_for(lambda: index._tags.failures > 2)
    disk.full = False
    wait_for(lambda: index.trouble is None)
    index.flush()
    assert index.find([tag(1)]) == list(range(16, 0, -1))
    assert not [name for name in open_files() if name.endswith(".new (deleted)")]


def test_without_room_it_is_behind_and_catches_up_by_itself(
    index: TagIndex, log: ListLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    add(index, log, *[tag(1)] * 40)  # nothing is raised
    wait_for(lambda: index.trouble is not None)
    with pytest.raises(IndexBehind, match="lacks records 17 to 40: No space left on device"):
        index.find([tag(1)])
    assert (index.indexed, index.tags) == (16, 16)
    disk.full = False
    assert find(index, [tag(1)]) == list(range(40, 0, -1))
    add(index, log, tag(1))
    assert find(index, [tag(1)], limit=1) == [41]


def test_a_flush_says_that_the_disk_refuses(index: TagIndex, log: ListLog, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    add(index, log, tag(1), tag(2))
    with pytest.raises(IndexBehind, match="lacks records 1 to 2: No space left on device"):
        index.flush()
    disk.full = False
    index.flush()


def test_closing_waits_no_longer_than_it_was_told(
    tmp_path: Path, log: ListLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(os, "pwrite", lambda *_: hangs.wait() and 0)
    index = TagIndex.open(tmp_path, log, shape=SMALL)
    add(index, log, tag(1))
    index.close(0.01)
    with pytest.raises(IndexBehind):
        index.flush()
    monkeypatch.undo()
    hangs.set()


def test_a_merge_that_fails_leaves_the_parts(
    tmp_path: Path, index: TagIndex, log: ListLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = making.merging

    def failing(folder: Path, span: Span, parts: Sequence[Part], first: int) -> Generator[int, None, Run]:
        if isinstance(parts[0], Run):  # those of a chunk are not
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return (yield from real(folder, span, parts, first))

    with monkeypatch.context() as patched:
        patched.setattr(making, "merging", failing)
        add(index, log, *[tag(1)] * 12)
        index.flush()
        wait_for(lambda: index.trouble == "No space left on device")
        assert index.find([tag(1)]) == list(range(12, 0, -1))
        assert len(run_files(tmp_path / "tags")) == 3
    wait_for(lambda: len(run_files(tmp_path / "tags")) == 1)
    assert index.find([tag(1)]) == list(range(12, 0, -1))


# ── Anything, in any order ───────────────────────────────────────────────────────────────────────────────────────────

Numbers = st.integers(0, 5)


class AnyOrder(RuleBasedStateMachine):
    """Whatever is done to it, a look-up gives what reading the log would."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="kagimori-tags-")
        self.place = Path(self.folder.name) / "0"
        self.log = ListLog()
        self.index = TagIndex.open(self.place, self.log, shape=SMALL)

    def teardown(self) -> None:
        self.index.close()
        self.folder.cleanup()

    @rule(records=st.lists(st.lists(Numbers, max_size=6), min_size=1, max_size=6))
    def add(self, records: list[list[int]]) -> None:
        for numbers in records:
            tags = b"".join(map(tag, numbers))
            self.index.add(self.log.append(tags), tags)

    @rule(records=st.lists(Numbers, min_size=1, max_size=9))
    def fall_behind(self, records: list[int]) -> None:
        for number in records:
            self.log.append(tag(number))
        self.index.add(self.log.size, self.log.stored[-1])

    @rule()
    def flush(self) -> None:
        self.index.flush()

    @rule()
    def reopen(self) -> None:
        self.index.close()
        self.index = TagIndex.open(self.place, self.log, shape=SMALL)
        assert self.index.rebuilt_reason is None

    @rule()
    def crash(self) -> None:
        """Go on with a copy of what is on the disk at some moment."""
        old, self.place = self.place, self.place.with_name(f"{int(self.place.name) + 1}")
        self.place.mkdir()
        for path in sorted(old.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(path, self.place)
        self.index.close()
        self.index = TagIndex.open(self.place, self.log, shape=SMALL)

    @precondition(lambda self: self.log.first <= self.log.size)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        self.log.first = data.draw(st.integers(self.log.first, self.log.size))
        self.index.prune(self.log.first)

    @rule(which=st.integers(0, 2**20), at=st.integers(0, 2**20))
    def damage(self, which: int, at: int) -> None:
        """A byte of some file; which files there are, and how long, depends on the keeper's pace."""
        self.index.close()
        if files := run_files(self.place):
            path = files[which % len(files)]
            with path.open("r+b") as file:
                file.seek(at % path.stat().st_size)
                file.write(b"\xaa")
        self.index = TagIndex.open(self.place, self.log, shape=SMALL)

    @rule(
        numbers=st.lists(Numbers, min_size=1, max_size=3),
        before=st.none() | st.integers(0, 60),
        limit=st.integers(1, 9),
    )
    def look_up(self, numbers: list[int], before: int | None, limit: int) -> None:
        asked = [tag(number) for number in numbers]
        assert find(self.index, asked, before, limit) == self.log.truth(asked, before, limit)

    @invariant()
    def all_are_found(self) -> None:
        asked = [tag(number) for number in range(6)]
        assert find(self.index, asked, None, 1000) == self.log.truth(asked, None, 1000)


TestAnyOrder = pytest.mark.usefixtures("quick")(AnyOrder.TestCase)
TestAnyOrder.settings = settings(
    deadline=None, max_examples=40, stateful_step_count=15, suppress_health_check=list(HealthCheck)
)
