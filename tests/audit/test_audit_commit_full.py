"""A full disk: the loss and the stop are recorded into the reserve, and it passes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from auditkit import SmallDisk, open_log
from commitkit import on_disk, reason, regained, run, said

from appliance.audit import commit as module
from appliance.audit import records
from appliance.audit.commit import GroupCommit
from appliance.audit.errors import AuditUnavailable, AuditUnusable
from appliance.audit.reserve import BYTES


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.1)


async def until_full(commit: GroupCommit) -> int:
    """Convert until the disk is full; how many were answered."""
    for number in range(100_000):
        try:
            await commit.append(reason(f"{number} " + "x" * 500))
        except AuditUnavailable:
            return number
    raise AssertionError("the disk is never full")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallDisk:
    return SmallDisk(tmp_path, BYTES + 100_000).patch(monkeypatch)


def test_a_full_disk_is_recorded_at_once_and_so_is_the_stop(tmp_path: Path, disk: SmallDisk) -> None:
    changes: list[str | None] = []
    answered: list[int] = []

    async def work(commit: GroupCommit) -> None:
        commit.on_change = changes.append
        answered.append(await until_full(commit))
        assert (tmp_path / "reserve").stat().st_size == 0
        with pytest.raises(AuditUnavailable):
            await commit.append(reason("refused at once"))
        disk.capacity -= BYTES - 50_000  # somebody else takes the space
        await asyncio.sleep(module.PROBE_SECONDS + 0.2)
        assert not commit.available, "there is no room for the reserve, so nothing is converted"
        await commit.append(records.Stop(reason="SIGTERM"))

    told: list[int] = []
    run(tmp_path, work, lambda first, items: told.append(len(items)))
    assert changes == ["No space left on device"]
    disk.capacity += BYTES
    found = on_disk(tmp_path)
    assert said(found[answered[0] :]) == ["No space left on device", "SIGTERM"]
    assert isinstance(found[-2], records.AuditLost)
    assert len(found) == answered[0] + 2 == sum(told)


def test_a_full_disk_passes_and_the_reserve_is_taken_first(tmp_path: Path, disk: SmallDisk) -> None:
    changes: list[str | None] = []

    async def work(commit: GroupCommit) -> None:
        commit.on_change = changes.append
        for _ in range(2):
            await until_full(commit)
            disk.capacity += BYTES - 1 - disk.room
            await asyncio.sleep(module.PROBE_SECONDS + 0.2)
            assert not commit.available, "more space than a record needs, yet not the reserve's"
            disk.capacity += 50_000
            await regained(commit)
            assert (tmp_path / "reserve").stat().st_size == BYTES
            await commit.append(reason("after"))

    run(tmp_path, work)
    assert changes == ["No space left on device", None] * 2
    kinds = [type(record).__name__ for record in on_disk(tmp_path)]
    assert [kind for kind in kinds if kind != "LedgerRefused"] == ["AuditLost", "AuditRegained"] * 2
    assert kinds.index("AuditRegained") == kinds.index("AuditLost") + 1


def test_space_that_somebody_else_took_leaves_the_loss_unrecorded(
    tmp_path: Path, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.ftruncate

    def take(descriptor: int, length: int) -> None:
        real(descriptor, length)
        if os.fstat(descriptor).st_ino == (tmp_path / "reserve").stat().st_ino:
            disk.capacity -= disk.room

    async def work(commit: GroupCommit) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", take)
            await until_full(commit)
            with pytest.raises(AuditUnavailable):
                await commit.append(records.Stop(reason="no room"))
            await asyncio.sleep(module.PROBE_SECONDS + 0.2)
            assert not commit.available
        disk.capacity += 4 * BYTES
        await regained(commit)

    run(tmp_path, work)
    kinds = [type(record).__name__ for record in on_disk(tmp_path)]
    assert kinds[-1] == "AuditRegained"
    assert "AuditLost" not in kinds
    assert "Stop" not in kinds


def test_a_stop_that_meets_the_full_disk_first_is_recorded_all_the_same(tmp_path: Path, disk: SmallDisk) -> None:
    async def work(commit: GroupCommit) -> None:
        await commit.append(reason("x" * 50_000))
        disk.capacity = BYTES + 1
        lost = commit.append(reason("lost"))
        last = commit.append(records.Stop(reason="SIGTERM"))
        with pytest.raises(AuditUnavailable):
            await lost
        assert await last == 3

    run(tmp_path, work)
    disk.capacity = 4 * BYTES
    assert said(on_disk(tmp_path))[1:] == ["No space left on device", "SIGTERM"]


def test_half_a_reserve_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.posix_fallocate

    def half(descriptor: int, offset: int, length: int) -> None:
        real(descriptor, offset, length // 2)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", half)
        with pytest.raises(AuditUnusable, match="reserve: no room"):
            open_log(tmp_path)
    assert (tmp_path / "reserve").stat().st_size == 0, "others need the space"
    open_log(tmp_path).close()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= BYTES


def test_without_room_for_the_reserve_nothing_starts(tmp_path: Path, disk: SmallDisk) -> None:
    disk.capacity = BYTES - 1
    with pytest.raises(AuditUnusable, match=r"reserve: no room to hold 1048576 bytes in reserve: No space") as caught:
        open_log(tmp_path)
    assert "make room on the disk" in str(caught.value)
