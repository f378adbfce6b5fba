"""The audit store: durable or not there, one writer, and nothing but a torn last line is repaired."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from appliance.audit import records
from appliance.audit.errors import AuditDamaged, AuditLocked, AuditUnusable
from appliance.audit.store import FILE_NAME, AuditStore

TIME = "2026-04-01T09:00:00.000001Z"


def line(number: int) -> bytes:
    return records.encode(records.Stop(record=number, time=TIME, reason="test")) + b"\n"


def fill(directory: Path, count: int) -> bytes:
    store = AuditStore.open(directory)
    for _ in range(count):
        store.append(line(store.next_record), 1)
    store.close()
    return (directory / FILE_NAME).read_bytes()


def test_records_stay_and_count_on(tmp_path: Path) -> None:
    before = fill(tmp_path, 3)
    store = AuditStore.open(tmp_path)
    assert (store.next_record, store.repaired) == (4, 0)
    store.append(line(4) + line(5), 2)
    assert store.next_record == 6
    store.close()
    assert (tmp_path / FILE_NAME).read_bytes() == before + line(4) + line(5)


def test_the_file_is_for_owner_and_group_only(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) & 0o137 == 0


def test_a_second_writer_is_told_that_one_is_running(tmp_path: Path) -> None:
    store = AuditStore.open(tmp_path)
    with pytest.raises(AuditLocked, match="already running: another daemon writes it"):
        AuditStore.open(tmp_path)
    store.close()
    AuditStore.open(tmp_path).close()


@pytest.mark.parametrize("kept", [0, 1, 2, 10, -2, -1])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, kept: int) -> None:
    whole = fill(tmp_path, 3)
    torn = line(4)[:kept] if kept > 0 else line(4)[: kept - 1] if kept < 0 else b""
    (tmp_path / FILE_NAME).write_bytes(whole + torn)
    store = AuditStore.open(tmp_path)
    assert (store.next_record, store.repaired) == (4, len(torn))
    store.append(line(4), 1)
    store.close()
    assert (tmp_path / FILE_NAME).read_bytes() == whole + line(4)


def test_a_repair_is_durable_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fill(tmp_path, 2)
    (tmp_path / FILE_NAME).write_bytes(whole + b"torn")
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    AuditStore.open(tmp_path).close()
    assert synced == [len(whole)]


def test_zeros_that_a_power_cut_left_are_a_torn_line(tmp_path: Path) -> None:
    whole = fill(tmp_path, 2)
    (tmp_path / FILE_NAME).write_bytes(whole + bytes(100))
    store = AuditStore.open(tmp_path)
    assert (store.next_record, store.repaired) == (3, 100)
    store.close()
    assert (tmp_path / FILE_NAME).read_bytes() == whole


def damaged(name: str, whole: bytes) -> bytes:
    first, second, third = whole.splitlines(keepends=True)
    return {
        "a line dropped": first + third,
        "two lines swapped": first + third + second,
        "a line twice": first + second + second + third,
        "first line dropped": second + third,
        "an empty line": first + b"\n" + second + third,
        "not JSON": first + b"hello\n" + third,
        "a space more": first.replace(b",", b", ", 1) + second + third,
        "binary": first + b"\xff\xfe\n" + third,
        "far too long a line": first + b"x" * 100_000 + b"\n",
    }[name]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a line dropped", "line 2 is record 3"),
        ("two lines swapped", "line 2 is record 3"),
        ("a line twice", "line 3 is record 2"),
        ("first line dropped", "line 1 is record 2"),
        ("an empty line", "line 2 is no audit record"),
        ("not JSON", "line 2 is no audit record"),
        ("a space more", "line 1 is no audit record: not the canonical encoding"),
        ("binary", "line 2 is no audit record"),
        ("far too long a line", "line 2 is no audit record"),
    ],
)
def test_any_other_damage_is_refused_and_left_as_it_is(tmp_path: Path, name: str, said: str) -> None:
    broken = damaged(name, fill(tmp_path, 3))
    (tmp_path / FILE_NAME).write_bytes(broken)
    with pytest.raises(AuditDamaged, match=said) as caught:
        AuditStore.open(tmp_path)
    assert "keep this file as evidence" in str(caught.value.hint)
    assert (tmp_path / FILE_NAME).read_bytes() == broken


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(AuditUnusable, match="No such file or directory") as caught:
        AuditStore.open(tmp_path / "audit")
    assert "not made here" in str(caught.value.hint)
    assert not (tmp_path / "audit").exists()


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditUnusable, match="symbolic links"):
        AuditStore.open(tmp_path)


def test_a_pipe_in_its_place_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE_NAME)
    with pytest.raises(AuditUnusable, match="not a regular file"):
        AuditStore.open(tmp_path)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fill(tmp_path, 2)
    store = AuditStore.open(tmp_path)
    real_write = os.write
    calls = iter([7])

    def half(descriptor: int, data: bytes) -> int:
        if room := next(calls, 0):
            return real_write(descriptor, bytes(data)[:room])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space left"):
            store.append(line(3), 1)
    assert (tmp_path / FILE_NAME).read_bytes() == whole
    assert store.next_record == 3
    store.append(line(3), 1)
    store.close()
    assert (tmp_path / FILE_NAME).read_bytes() == whole + line(3)


def test_a_failed_sync_takes_the_lines_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fill(tmp_path, 2)
    store = AuditStore.open(tmp_path)

    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(OSError, match="Input/output error"):
            store.append(line(3), 1)
    assert (tmp_path / FILE_NAME).read_bytes() == whole
    store.append(line(3), 1)
    store.close()


def test_leftovers_that_could_not_be_cut_off_are_cut_off_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fill(tmp_path, 2)
    store = AuditStore.open(tmp_path)

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(OSError, match="Input/output error"):
            store.append(line(3), 1)
    assert (tmp_path / FILE_NAME).read_bytes() == whole + line(3)
    store.append(line(3), 1)
    store.close()
    assert (tmp_path / FILE_NAME).read_bytes() == whole + line(3)


def test_a_file_moved_away_is_noticed(tmp_path: Path) -> None:
    store = AuditStore.open(tmp_path)
    (tmp_path / FILE_NAME).rename(tmp_path / "rotated")
    with pytest.raises(OSError, match="No such file"):
        store.append(line(1), 1)
    (tmp_path / FILE_NAME).write_bytes(b"")
    with pytest.raises(OSError, match="moved away or replaced"):
        store.append(line(1), 1)
    store.close()


@pytest.mark.parametrize("change", [b"x", b""])
def test_a_file_that_something_else_wrote_to_is_noticed(tmp_path: Path, change: bytes) -> None:
    whole = fill(tmp_path, 2)
    store = AuditStore.open(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(whole + change if change else whole[:-5])
    with pytest.raises(OSError, match="something else wrote"):
        store.append(line(3), 1)
    store.close()
