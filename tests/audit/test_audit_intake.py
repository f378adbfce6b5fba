"""Records that come while a group is being written: they join it up to its sync, or make the next one."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from auditkit import SEGMENT, conversion, open_log, tag

from appliance.audit import intake as module
from appliance.audit import records
from appliance.audit.commit import GroupCommit
from appliance.audit.entries import Item
from appliance.audit.errors import AuditUnavailable
from appliance.audit.intake import Intake, Waiting
from appliance.audit.log import AuditLog

# ── What makes a group ───────────────────────────────────────────────────────────────────────────────────────────────


def waiting(loop: asyncio.AbstractEventLoop, tags: int = 0) -> Waiting:
    return Waiting(Item(conversion("x").record, tag(1) * tags, "tag.1"), loop.create_future(), None)


def sizes(group: Sequence[Waiting]) -> list[int]:
    return [len(one.item.tags) // 16 for one in group]


def filled(*tags: int) -> Intake:
    loop = asyncio.new_event_loop()
    intake = Intake()
    for count in tags:
        intake.put(waiting(loop, count))
    loop.close()
    return intake


def test_a_group_is_what_fits_and_one_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 16 * 60)
    monkeypatch.setattr(module, "LARGEST_GROUP", 3)
    intake = filled(30, 30, 1, 100, 0, 0, 0, 0)
    assert [sizes(intake.take()) for _ in range(5)] == [[30, 30], [1], [100], [0, 0, 0], [0]]
    assert intake.take() == []


def test_what_joins_a_group_leaves_it_no_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 16 * 60)
    monkeypatch.setattr(module, "LARGEST_GROUP", 3)
    intake = filled(20, 41, 1, 1, 1)
    group = intake.take()
    assert sizes(group) == [20]
    assert intake.join(group, 9) == [], "not even one, if it is too large"
    assert sizes(intake.take()) == [41, 1, 1]
    assert sizes(filled(0, 0, 0).join(group, 1)) == [0], "no more than there is room for"
    assert sizes(filled(0, 0, 0).join(group, 9)) == [0, 0]
    assert sizes(filled(40, 0, 0).join(group, 9)) == [40, 0]


def test_what_was_taken_can_be_put_before_all_others() -> None:
    intake = filled(1, 2, 3)
    first = intake.take_all()
    intake.put_first(first[1:])
    intake.put_first(first[:1])
    assert len(intake) == 3
    assert sizes(intake.take_all()) == [1, 2, 3]
    assert not intake


# ── Joining a group that is being written ────────────────────────────────────────────────────────────────────────────


class Writing:
    """Stands before the writer's ``os.write`` and ``os.fdatasync``: writes wait for ``go``, syncs are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self.written: list[int] = []
        self.syncs = 0
        self.error: OSError | None = None
        write, sync = os.write, os.fdatasync

        def held(descriptor: int, data: memoryview) -> int:
            if threading.current_thread().name != "audit":
                return write(descriptor, data)
            self.written.append(len(data))
            self.reached.set()
            assert self.go.wait(10)
            return write(descriptor, data)

        def counted(descriptor: int) -> None:
            self.syncs += 1
            if self.error is not None:
                raise self.error
            sync(descriptor)

        monkeypatch.setattr(os, "write", held)
        monkeypatch.setattr(os, "fdatasync", counted)


Work = Callable[[GroupCommit, Writing], Awaitable[None]]


def run(directory: Path, monkeypatch: pytest.MonkeyPatch, work: Work) -> list[list[Item]]:
    """The groups that were durable."""
    groups: list[list[Item]] = []

    async def main() -> None:
        log = open_log(directory)
        commit = GroupCommit(log, on_written=lambda first, items: groups.append(list(items)))
        with monkeypatch.context() as patched:
            try:
                async with asyncio.timeout(30):
                    await work(commit, Writing(patched))
            finally:
                await commit.close(5)
        log.close()

    asyncio.run(main())
    return groups


def said(directory: Path) -> list[str]:
    log = open_log(directory)
    found = [records.decode(entry) for _, entry, _ in log.read(1)]
    log.close()
    assert [record.record for record in found] == list(range(1, len(found) + 1))
    return [getattr(record, "reference", None) or getattr(record, "reason", "regained") for record in found]


def append(commit: GroupCommit, name: str, tags: int = 0) -> asyncio.Future[int]:
    record = conversion(name).record
    assert isinstance(record, records.Conversion)
    record.reference = name
    return commit.append(record, tag(7) * tags, "tag.1" if tags else None)


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 10)


def test_what_comes_before_the_sync_shares_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(commit: GroupCommit, writing: Writing) -> None:
        first = append(commit, "first", 500)
        await until(writing.reached)
        late = [append(commit, f"late {number}", number) for number in range(3)]
        await asyncio.sleep(0.05)
        assert not first.done()
        writing.go.set()
        assert await asyncio.gather(first, *late) == [1, 2, 3, 4]
        assert (len(writing.written), writing.syncs) == (2, 1)
        assert commit.records == 4

    groups = run(tmp_path, monkeypatch, work)
    assert said(tmp_path) == ["first", "late 0", "late 1", "late 2"]
    assert [len(group) for group in groups] == [4]
    log = open_log(tmp_path)
    assert [log.tags(number) for number in range(1, 5)] == [tag(7) * count for count in (500, 0, 1, 2)]
    log.close()


def test_one_that_joined_is_not_durable_if_the_sync_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of the group is in the log: not what was written first either."""

    async def work(commit: GroupCommit, writing: Writing) -> None:
        first = append(commit, "lost")
        await until(writing.reached)
        late = append(commit, "lost as well")
        writing.error = OSError(5, "Input/output error")
        writing.go.set()
        for lost in (first, late):
            with pytest.raises(AuditUnavailable):
                await lost
        assert commit.records == 0
        writing.error = None
        while not commit.available:
            await asyncio.sleep(0.02)
        assert await append(commit, "after") == 2

    run(tmp_path, monkeypatch, work)
    assert said(tmp_path) == ["regained", "after"]


def test_a_defective_one_that_joined_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(commit: GroupCommit, writing: Writing) -> None:
        first = append(commit, "lost")
        await until(writing.reached)
        late = append(commit, "x" * 70_000)
        writing.go.set()
        for lost in (first, late):
            with pytest.raises(AuditUnavailable):
                await lost
        while not commit.available:
            await asyncio.sleep(0.02)

    run(tmp_path, monkeypatch, work)
    assert said(tmp_path) == ["regained"]


def test_nobody_joins_a_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop may wait beside it; it is written as soon as writing works, with a sync of its own."""

    async def work(commit: GroupCommit, writing: Writing) -> None:
        writing.go.set()
        writing.error = OSError(5, "Input/output error")
        with pytest.raises(AuditUnavailable):
            await append(commit, "lost")
        writing.go.clear()
        writing.reached.clear()
        writing.error = None
        await until(writing.reached)
        stop = commit.append(records.Stop(reason="end"))
        writing.go.set()
        assert await stop == 2

    groups = run(tmp_path, monkeypatch, work)
    assert said(tmp_path) == ["regained", "end"]
    assert [len(group) for group in groups] == [1, 1]


@pytest.mark.parametrize("before", [SEGMENT - 1, SEGMENT - 3])
def test_at_a_segments_end_only_as_many_join_as_it_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    log: AuditLog = open_log(tmp_path)
    log.append([Item(conversion("x").record) for _ in range(before)])
    log.close()

    async def work(commit: GroupCommit, writing: Writing) -> None:
        first = append(commit, "first")
        await until(writing.reached)
        late = [append(commit, f"late {number}") for number in range(4)]
        writing.go.set()
        assert await asyncio.gather(first, *late) == list(range(before + 1, before + 6))

    groups = run(tmp_path, monkeypatch, work)
    room = SEGMENT - before
    assert [len(group) for group in groups] == [room, 5 - room]
    assert said(tmp_path)[before:] == ["first", "late 0", "late 1", "late 2", "late 3"]
