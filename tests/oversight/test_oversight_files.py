"""Reading and writing oversight's files: capped, whole or not at all, and never through a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.oversight import files
from appliance.oversight.errors import FolderBusy, FolderUnusable, OutputExists, PieceMissing, PieceWrong


def test_read_is_capped(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert files.read(path, 5) == b"12345"
    with pytest.raises(PieceWrong, match="^tile/0/000: more than 4 bytes; nothing of that name is so large"):
        files.read(path, 4, "tile/0/000")


def test_read_takes_regular_files_only(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FolderUnusable, match="link: cannot be read"):
        files.read(tmp_path / "link", 10)
    for name in ("pipe", "."):
        with pytest.raises((PieceWrong, FolderUnusable), match="not a regular file|cannot be read"):
            files.read(tmp_path / name, 10)
    for name in ("none", "target/none"):
        with pytest.raises(PieceMissing, match="is missing"):
            files.read(tmp_path / name, 10)


def test_create_overwrites_nothing(tmp_path: Path) -> None:
    files.create(tmp_path / "a", b"first", 0o600)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("a", "dangling"):
        with pytest.raises(OutputExists, match="exists already; nothing is overwritten"):
            files.create(tmp_path / name, b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "dangling"]


def test_replace_is_durable_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, then name, then folder: in that order on the disk."""
    steps: list[str] = []
    sync, rename, folder = os.fsync, Path.replace, files.sync_folder
    monkeypatch.setattr(os, "fsync", lambda descriptor: (steps.append("content"), sync(descriptor))[1])
    monkeypatch.setattr(Path, "replace", lambda path, to: (steps.append("name"), rename(path, to))[1])
    monkeypatch.setattr(files, "sync_folder", lambda path: (steps.append("folder"), folder(path))[1])
    files.replace(tmp_path / "a", b"one")
    assert steps[0] == "content" and steps[1] == "name" and "folder" in steps[2:]


@pytest.mark.parametrize("write", [files.create, files.replace, files.place])
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fdopen", full)
    with pytest.raises(FolderUnusable, match="a: No space left on device"):
        write(tmp_path / "a", b"x")
    assert list(tmp_path.iterdir()) == []


def test_place_makes_its_folders(tmp_path: Path) -> None:
    files.place(tmp_path / "tile" / "0" / "000", b"x")
    files.place(tmp_path / "tile" / "0" / "000", b"y")
    assert (tmp_path / "tile" / "0" / "000").read_bytes() == b"y"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(FolderUnusable, match="a: Not a directory"), files.locked(tmp_path / "a"):
        pass
    with pytest.raises(FolderUnusable, match="File exists|Not a directory"):
        files.make_folder(tmp_path / "a" / "b")


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    with files.locked(tmp_path), pytest.raises(FolderBusy), files.locked(tmp_path):
        pass
    with files.locked(tmp_path):
        pass
