"""Group commit: nothing is called durable before it is, groups form by themselves, and a full disk passes."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import records
from appliance.audit.commit import GroupCommit
from appliance.audit.errors import AuditUnavailable
from appliance.audit.store import FILE_NAME, AuditStore


def run(directory: Path, work: Callable[[GroupCommit], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        store = AuditStore.open(directory)
        commit = GroupCommit(store)
        try:
            async with asyncio.timeout(20):
                await work(commit)
        finally:
            await commit.close(5)
            store.close()

    asyncio.run(main())


def on_disk(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / FILE_NAME).read_text("utf-8").splitlines()]


def stop(reason: str) -> records.Stop:
    return records.Stop(reason=reason)


class Disk:
    """Stands before ``os.fdatasync``: counts, holds back, fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.go = threading.Event()
        self.go.set()
        self.reached = threading.Event()
        self.broken = False
        self._real = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _sync(self, descriptor: int) -> None:
        self.calls += 1
        self.reached.set()
        assert self.go.wait(10)
        if self.broken:
            raise OSError(28, "No space left on device")
        self._real(descriptor)


def test_numbers_follow_the_order_of_asking(tmp_path: Path) -> None:
    async def work(commit: GroupCommit) -> None:
        futures = [commit.append(stop(str(number))) for number in range(200)]
        assert await asyncio.gather(*futures) == list(range(1, 201))
        assert commit.records == 200

    run(tmp_path, work)
    found = on_disk(tmp_path)
    assert [record["record"] for record in found] == list(range(1, 201))
    assert [record["reason"] for record in found] == [str(number) for number in range(200)]


def test_no_future_is_done_before_the_sync_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)

    async def work(commit: GroupCommit) -> None:
        disk.go.clear()
        first = commit.append(stop("first"))
        await asyncio.to_thread(disk.reached.wait, 10)
        rest = [commit.append(stop(str(number))) for number in range(50)]
        await asyncio.sleep(0.1)
        assert not first.done()
        assert not any(future.done() for future in rest)
        assert disk.calls == 1
        disk.go.set()
        assert await first == 1
        assert await asyncio.gather(*rest) == list(range(2, 52))
        assert disk.calls == 2, "those that waited must share one sync"

    run(tmp_path, work)


def test_a_full_disk_refuses_everything_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)

    async def work(commit: GroupCommit) -> None:
        changes: list[str | None] = []
        commit.on_change = changes.append
        assert await commit.append(stop("before")) == 1
        disk.broken = True
        outcome = await asyncio.gather(*(commit.append(stop("lost")) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(error, AuditUnavailable) for error in outcome)
        assert not commit.available
        with pytest.raises(AuditUnavailable, match="could not be written"):
            await commit.append(stop("refused at once"))
        assert len(on_disk(tmp_path)) == 1
        disk.broken = False
        while not commit.available:
            await asyncio.sleep(0.02)
        assert await commit.append(stop("after")) == 3
        assert changes == ["No space left on device", None]

    run(tmp_path, work)
    found = on_disk(tmp_path)
    assert [(record["kind"], record["record"]) for record in found] == [("stop", 1), ("audit_regained", 2), ("stop", 3)]
    assert found[1]["lost"] == 4


def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    async def work(commit: GroupCommit) -> None:
        commit.append(stop("one")).add_done_callback(lambda done: done.exception())
        commit.append(stop("two"))

    run(tmp_path, work)
    assert [record["reason"] for record in on_disk(tmp_path)] == ["one", "two"]


def test_a_caller_who_gave_up_disturbs_nobody(tmp_path: Path) -> None:
    async def work(commit: GroupCommit) -> None:
        gone = commit.append(stop("gone"))
        gone.cancel()
        assert await commit.append(stop("there")) == 2

    run(tmp_path, work)
    assert len(on_disk(tmp_path)) == 2
