"""The journal of sign-ins: durable lines, private, and no sign-in without them."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from signinkit import NOW

from appliance.portal.signin.journal import Journal
from appliance.portal.signin.reasons import SignInUnusable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def lines(path: Path) -> list[str]:
    return [
        json.loads(line)["event"]
        for line in path.read_text().splitlines()
        if line.startswith("{") and line.endswith("}")
    ]


def test_a_line_is_whole_private_and_on_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (real(fd), synced.append(path.read_text() if path.exists() else "")))
    journal = Journal(path)
    journal.write(NOW, "refused", reason="expired", count=None)
    assert (
        path.read_text() == '{"time": "2026-04-01T09:00:00Z", "event": "refused", "reason": "expired", "count": null}\n'
    )
    assert synced[-1] == path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lines_are_added_to_those_of_before(path: Path) -> None:
    for event in ("one", "two"):
        journal = Journal(path)
        journal.write(NOW, event)
        journal.close()
    assert lines(path) == ["one", "two"]


def test_a_line_that_a_crash_has_torn_spoils_no_other(path: Path) -> None:
    path.write_text('{"event": "one"}\n{"event": "tw')
    path.chmod(0o600)
    Journal(path).write(NOW, "three")
    assert lines(path) == ["one", "three"]


def test_a_file_moved_away_is_made_anew(path: Path) -> None:
    journal = Journal(path)
    journal.write(NOW, "one")
    path.rename(path.with_name("journal.1"))
    journal.write(NOW, "two")
    assert (lines(path.with_name("journal.1")), lines(path)) == (["one"], ["two"])


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_told_and_leaves_no_part_of_a_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    journal = Journal(path)
    journal.write(NOW, "one")
    real = getattr(os, call)

    def full(descriptor: int, *data: bytes) -> int:
        if data:
            real(descriptor, data[0][:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(SignInUnusable, match="No space left on device") as refused:
        journal.write(NOW, "two")
    assert str(path) in refused.value.message
    monkeypatch.undo()
    journal.write(NOW, "three")
    assert lines(path) == ["one", "three"]


def test_a_line_written_in_part_counts_as_failed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, real = Journal(path), os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:10]))
    with pytest.raises(SignInUnusable, match="only a part of a line"):
        journal.write(NOW, "one")
    monkeypatch.undo()
    journal.write(NOW, "two")
    assert lines(path) == ["two"]


def test_files_that_it_does_not_write_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "open").touch(mode=0o600)
    (tmp_path / "open").chmod(0o644)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, words in (
        ("link", "Too many levels of symbolic links"),
        ("open", "others may read it"),
        ("pipe", "No such device or address|not a regular file"),
        (".", "Is a directory"),
        ("none/journal", "No such file or directory"),
    ):
        with pytest.raises(SignInUnusable, match=words):
            Journal(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()
