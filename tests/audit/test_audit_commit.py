"""Group commit: nothing is called durable before it is, groups form by themselves, and a broken disk passes."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from auditkit import SEGMENT, conversion, open_log, tag
from commitkit import on_disk, reason, regained, run, said

from appliance.audit import commit as module
from appliance.audit import intake, records
from appliance.audit.commit import GroupCommit
from appliance.audit.entries import Item
from appliance.audit.errors import AuditUnavailable


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.1)


class Disk:
    """Stands before ``os.fdatasync``: counts, holds back, fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.go = threading.Event()
        self.go.set()
        self.reached = threading.Event()
        self.error: OSError | None = None
        self._real = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _sync(self, descriptor: int) -> None:
        self.calls += 1
        self.reached.set()
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        self._real(descriptor)


def test_numbers_follow_the_order_of_asking(tmp_path: Path) -> None:
    async def work(commit: GroupCommit) -> None:
        futures = [commit.append(reason(str(number))) for number in range(600)]
        assert await asyncio.gather(*futures) == list(range(1, 601))
        assert commit.records == 600

    run(tmp_path, work)
    found = on_disk(tmp_path)
    assert [record.record for record in found] == list(range(1, 601))
    assert said(found) == [str(number) for number in range(600)]


def test_no_future_is_done_before_the_sync_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)

    async def work(commit: GroupCommit) -> None:
        disk.go.clear()
        first = commit.append(reason("first"))
        await asyncio.to_thread(disk.reached.wait, 10)
        rest = [commit.append(reason(str(number))) for number in range(50)]
        await asyncio.sleep(0.1)
        assert not first.done()
        assert not any(future.done() for future in rest)
        assert (disk.calls, commit.records) == (1, 0)
        disk.go.set()
        assert await first == 1
        assert await asyncio.gather(*rest) == list(range(2, 52))
        assert disk.calls == 2, "those that waited must share one sync"

    run(tmp_path, work)


def test_tags_go_with_their_records(tmp_path: Path) -> None:
    async def work(commit: GroupCommit) -> None:
        numbers = [commit.append(conversion(str(n)).record, tag(n) * n, "tag.3" if n else None) for n in range(4)]
        assert await asyncio.gather(*numbers) == [1, 2, 3, 4]

    run(tmp_path, work)
    log = open_log(tmp_path)
    assert [log.tags(n + 1) for n in range(4)] == [tag(n) * n for n in range(4)]
    log.close()
    assert [getattr(record, "tag_key", None) for record in on_disk(tmp_path)] == [None, "tag.3", "tag.3", "tag.3"]


def test_a_group_is_no_larger_than_memory_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_BYTES", 1_000)
    monkeypatch.setattr(intake, "LARGEST_GROUP", 10)
    groups: list[list[int]] = []

    async def work(commit: GroupCommit) -> None:
        sizes = [30, 30, 30, 100, 1, 62, 1] + [0] * 25
        futures = [commit.append(conversion("x").record, tag(1) * size, "tag.1") for size in sizes]
        await asyncio.gather(*futures)

    run(tmp_path, work, lambda first, items: groups.append([len(item.tags) // 16 for item in items]))
    assert groups == [[30, 30], [30], [100], [1], [62], [1] + [0] * 9, [0] * 10, [0] * 6]


def test_what_is_durable_is_told_in_order(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []

    async def work(commit: GroupCommit) -> None:
        for start in range(0, 300, 60):
            await asyncio.gather(*(commit.append(reason(str(start + n))) for n in range(60)))
            assert len(told) == start + 60, "told before it is answered"

    def listen(first: int, items: Sequence[Item]) -> None:
        assert [item.record.record for item in items] == list(range(first, first + len(items)))
        told.extend((item.record.record, said([item.record])[0]) for item in items)

    run(tmp_path, work, listen)
    assert told == [(number + 1, str(number)) for number in range(300)]


def test_a_listener_that_fails_loses_no_answer_but_ends_the_log(tmp_path: Path) -> None:
    changes: list[str | None] = []

    async def work(commit: GroupCommit) -> None:
        commit.on_change = changes.append
        assert await asyncio.gather(*(commit.append(reason("answered")) for _ in range(3))) == [1, 2, 3]
        assert not commit.available
        with pytest.raises(AuditUnavailable):
            await commit.append(reason("refused"))
        await asyncio.sleep(module.PROBE_SECONDS + 0.2)
        assert not commit.available, "it is not probed: what is derived is out of step until the next start"
        assert await commit.append(records.Stop(reason="audit")) == 4

    def fail(first: int, items: Sequence[Item]) -> None:
        raise RuntimeError("a detail that is nobody's")

    run(tmp_path, work, fail)
    assert changes == ["RuntimeError"]
    assert said(on_disk(tmp_path)) == ["answered"] * 3 + ["audit"]


def test_a_condemned_log_takes_its_stop_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    changes: list[str | None] = []

    async def work(commit: GroupCommit) -> None:
        commit.on_change = changes.append
        disk.go.clear()
        flying = commit.append(reason("being written"))
        await asyncio.to_thread(disk.reached.wait, 10)
        waiting = commit.append(reason("waiting"))
        commit.condemn("damage was found")
        commit.condemn("more damage was found")
        disk.go.set()
        assert await flying == 1
        with pytest.raises(AuditUnavailable):
            await waiting
        assert await commit.append(records.Stop(reason="end")) == 2
        assert not commit.available

    run(tmp_path, work)
    assert changes == ["damage was found"]


def test_who_gives_up_waiting_does_not_unmake_a_record_and_its_fate_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By quota and order a conversion counts if its record is durable, whoever waits for it."""
    disk = Disk(monkeypatch)
    fates: list[tuple[str, bool, bool]] = []

    async def work(commit: GroupCommit) -> None:
        def append(name: str) -> asyncio.Future[int]:
            future = commit.append(reason(name), told=lambda durable: fates.append((name, durable, future.done())))
            return future

        disk.go.clear()
        answered, given_up = append("answered"), append("given up")
        await asyncio.to_thread(disk.reached.wait, 10)
        given_up.cancel()
        disk.go.set()
        assert await answered == 1
        disk.error = OSError(5, "Input/output error")
        lost, nobodys = append("lost"), append("lost, and nobody waits")
        with pytest.raises(AuditUnavailable):
            await lost
        del nobodys
        fate_at_once: list[bool] = []
        refused = commit.append(reason("at once"), told=fate_at_once.append)
        assert fate_at_once == [False], "told before anybody can wait"
        with pytest.raises(AuditUnavailable):
            await refused
        disk.error = None
        await regained(commit)

    run(tmp_path, work)
    assert said(on_disk(tmp_path)) == ["answered", "given up", "AuditRegained"]
    assert fates == [
        ("answered", True, False),  # before whoever waits is
        ("given up", True, True),
        ("lost", False, False),
        ("lost, and nobody waits", False, False),
    ]
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_a_broken_disk_refuses_everything_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)

    async def work(commit: GroupCommit) -> None:
        changes: list[str | None] = []
        commit.on_change = changes.append
        assert await commit.append(reason("before")) == 1
        disk.error = OSError(5, "Input/output error")
        outcome = await asyncio.gather(*(commit.append(reason("lost")) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(error, AuditUnavailable) for error in outcome)
        assert not commit.available
        with pytest.raises(AuditUnavailable, match="could not be written"):
            await commit.append(reason("refused at once"))
        await asyncio.sleep(2 * module.PROBE_SECONDS + 0.1)
        assert not commit.available
        disk.error = None
        await regained(commit)
        assert await commit.append(reason("after")) == 3
        assert changes == ["Input/output error", None]

    run(tmp_path, work)
    found = on_disk(tmp_path)
    assert said(found) == ["before", "AuditRegained", "after"]
    assert isinstance(found[1], records.AuditRegained)
    assert found[1].lost == 4


def test_a_log_that_is_condemned_while_it_is_probed_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    changes: list[str | None] = []

    async def work(commit: GroupCommit) -> None:
        commit.on_change = changes.append
        disk.error = OSError(5, "Input/output error")
        with pytest.raises(AuditUnavailable):
            await commit.append(reason("lost"))
        disk.go.clear()
        disk.reached.clear()
        disk.error = None
        await asyncio.to_thread(disk.reached.wait, 10)
        commit.condemn("damage was found")
        disk.go.set()
        while commit.records == 0:
            await asyncio.sleep(0.01)
        await asyncio.sleep(2 * module.PROBE_SECONDS)
        assert not commit.available

    run(tmp_path, work)
    assert changes == ["Input/output error", "damage was found"]
    assert said(on_disk(tmp_path)) == ["AuditRegained"]


def test_one_defective_record_does_not_end_the_writer(tmp_path: Path) -> None:
    async def work(commit: GroupCommit) -> None:
        changes: list[str | None] = []
        commit.on_change = changes.append
        nothing: Any = object()
        defects = (records.Stop(reason="x" * 70_000), reason("\ud800"), reason(nothing))
        for wrong in defects:
            with pytest.raises(AuditUnavailable):
                await commit.append(wrong)
            await regained(commit)
        assert await commit.append(reason("after")) == 4
        assert changes[0] is not None
        assert changes[0].startswith("a Stop record of 70")
        assert changes[1:] == [None, "UnicodeEncodeError", None, "TypeError", None]

    run(tmp_path, work)


def test_a_group_over_a_segment_that_cannot_be_begun_is_answered_as_far_as_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(commit: GroupCommit) -> None:
        def broken(_: object) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr("appliance.audit.tail.sync_folder", broken)
            futures = [commit.append(reason(str(n))) for n in range(SEGMENT + 3)]
            outcome = await asyncio.gather(*futures, return_exceptions=True)
        assert outcome[:SEGMENT] == list(range(1, SEGMENT + 1))
        assert [type(error) for error in outcome[SEGMENT:]] == [AuditUnavailable] * 3
        await regained(commit)

    told: list[int] = []
    run(tmp_path, work, lambda first, items: told.extend(range(first, first + len(items))))
    assert told == list(range(1, SEGMENT + 2))
    found = on_disk(tmp_path)
    assert isinstance(found[SEGMENT], records.AuditRegained)
    assert found[SEGMENT].lost == 3


def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    async def work(commit: GroupCommit) -> None:
        commit.append(reason("one")).add_done_callback(lambda done: done.exception())
        commit.append(reason("two"))

    run(tmp_path, work)
    assert said(on_disk(tmp_path)) == ["one", "two"]


def test_a_caller_who_gave_up_disturbs_nobody(tmp_path: Path) -> None:
    async def work(commit: GroupCommit) -> None:
        gone = commit.append(reason("gone"))
        gone.cancel()
        assert await commit.append(reason("there")) == 2

    run(tmp_path, work)
    assert len(on_disk(tmp_path)) == 2


# A full disk, and the space that is held in reserve
