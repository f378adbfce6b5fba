"""The folder: what is read, what is refused, and that nothing is ever overwritten."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ledgerkit import Book, make_attempt, make_refusal

from appliance.ledger import chain, files
from appliance.ledger.errors import LedgerError, LedgerExists, LedgerIncomplete, LedgerUnreadable


@pytest.fixture
def folder(book: Book, tmp_path: Path) -> Path:
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    for sequence in (1, 2, 3):
        names = chain.authorization_name(sequence), chain.outcome_name(sequence)
        files.append(ledger, sequence, *(book.files[name] for name in names))
    return ledger


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(error: type[LedgerError], folder: Path) -> str:
    with pytest.raises(error) as refusal:
        files.read(folder)
    return refusal.value.message


def test_what_is_appended_is_read_back(book: Book, folder: Path) -> None:
    assert files.read(folder) == book.files
    assert chain.verify(files.read(folder), book.anchor).sequence == 3


def test_files_are_for_reading_only(book: Book, folder: Path) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o333 for path in folder.glob("*.cms")}
    assert modes == {0}
    assert all(path.stat().st_nlink == 1 for path in folder.glob("*.cms")), "nothing is left of the way there"
    assert list((folder / files.PENDING).iterdir()) == []


def test_the_pending_folder_is_not_the_ledger_s(book: Book, folder: Path) -> None:
    (folder / "pending" / "000004.plan.json").write_bytes(b"{}")
    assert files.read(folder) == book.files


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    assert files.read(tmp_path) == {}
    assert "No such file or directory" in refused(LedgerUnreadable, tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    assert "Not a directory" in refused(LedgerUnreadable, tmp_path / "file")


@pytest.mark.parametrize(
    "name", ["notes.txt", ".hidden", "000004.plan.cms", "000001.outcome.cms~", "0000001.outcome.cms"]
)
def test_what_does_not_belong(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    assert refused(LedgerIncomplete, folder) == f"{name}: does not belong into a ledger"


def test_a_folder_that_does_not_belong(folder: Path) -> None:
    (folder / "old").mkdir()
    assert refused(LedgerIncomplete, folder) == "old: does not belong into a ledger"


def test_pending_must_be_a_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "pending").rmdir()
    (folder / "pending").write_bytes(b"x")
    assert refused(LedgerIncomplete, folder) == "pending: does not belong into a ledger"
    (folder / "pending").unlink()
    (folder / "pending").symlink_to(tmp_path)
    assert refused(LedgerIncomplete, folder) == "pending: does not belong into a ledger"


def test_a_symbolic_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    real = folder / "000003.outcome.cms"
    real.rename(tmp_path / "elsewhere")
    real.symlink_to(tmp_path / "elsewhere")
    assert refused(LedgerUnreadable, folder).startswith("000003.outcome.cms: cannot be read: ")


def test_neither_folders_nor_pipes_nor_giants_are_read(folder: Path) -> None:
    (folder / "000004.authorization.cms").mkdir()
    assert refused(LedgerUnreadable, folder).startswith("000004.authorization.cms: ")
    (folder / "000004.authorization.cms").rmdir()
    os.mkfifo(folder / "000004.authorization.cms")
    assert refused(LedgerUnreadable, folder) == "000004.authorization.cms: not a regular file"
    (folder / "000004.authorization.cms").unlink()
    with (folder / "000004.authorization.cms").open("wb") as giant:
        giant.truncate(4 * 2**20 + 1)
    assert refused(LedgerUnreadable, folder) == "000004.authorization.cms: more than 4194304 bytes"


def test_nothing_is_overwritten(folder: Path) -> None:
    before = contents(folder)
    with pytest.raises(LedgerExists, match=r"000003.outcome.cms: is there already; nothing is overwritten"):
        files.append(folder, 3, b"other", b"other")
    assert contents(folder) == before


def test_an_interrupted_entry_is_completed_with_the_same_bytes_only(folder: Path) -> None:
    (folder / "000004.authorization.cms").write_bytes(b"agreed")
    before = contents(folder)
    with pytest.raises(LedgerExists, match=r"000004.authorization.cms: is there already with other content"):
        files.append(folder, 4, b"other", b"happened")
    assert contents(folder) == before
    files.append(folder, 4, b"agreed", b"happened")
    assert contents(folder) == {**before, "000004.outcome.cms": b"happened"}


def test_a_dangling_link_in_the_place_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    (folder / "000004.outcome.cms").symlink_to(tmp_path / "trap")
    with pytest.raises(LedgerExists, match=r"000004.outcome.cms: is there already"):
        files.append(folder, 4, b"agreed", b"happened")
    (folder / "000004.outcome.cms").unlink()
    (folder / "000004.authorization.cms").symlink_to(tmp_path / "trap")
    with pytest.raises(LedgerUnreadable, match=r"000004.authorization.cms: cannot be read"):
        files.append(folder, 4, b"agreed", b"happened")
    assert not (tmp_path / "trap").exists()


def test_a_race_for_the_same_place_has_one_winner(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's file appears after the look and before the link."""
    link = os.link

    def slow(source: Path, target: Path, **options: bool) -> None:
        target.write_bytes(b"theirs")
        link(source, target, **options)

    monkeypatch.setattr(os, "link", slow)
    with pytest.raises(LedgerExists, match=r"000004.authorization.cms: is there already; nothing is overwritten"):
        files.append(folder, 4, b"agreed", b"happened")
    assert (folder / "000004.authorization.cms").read_bytes() == b"theirs"
    assert list((folder / files.PENDING).iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, calls = contents(folder), 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # the second file's turn
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerUnreadable, match=r"000004.outcome.cms: cannot be written: No space left on device"):
        files.append(folder, 4, b"agreed", b"happened")
    assert contents(folder) == before
    assert calls == 2


def test_files_and_folder_are_synced_before_append_returns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        real(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", watched)
    files.append(folder, 4, b"agreed", b"happened")
    kinds = [name.split(".")[2] if name.startswith(".") else name for name in synced]
    assert kinds == ["authorization", "outcome", "ledger", "ledger"]


def test_what_does_not_read_back_as_written_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files._read_file
    monkeypatch.setattr(files, "_read_file", lambda path: real(path)[:-1])
    with pytest.raises(LedgerUnreadable, match=r"000004.authorization.cms: does not read back as it was written"):
        files.append(folder, 4, b"agreed", b"happened")


# --- annexes ----------------------------------------------------------------------------------------------------------

ATTEMPT, REFUSAL = "000004.attempt.1.cms", "000004.refusal.1.cms"


def test_annexes_are_added_and_read_with_the_rest(book: Book, folder: Path) -> None:
    beside = {ATTEMPT: make_attempt(4), REFUSAL: make_refusal(4)}
    for name, data in beside.items():
        files.add_annex(folder, name, data)
    assert files.read(folder) == {**book.files, **beside}
    assert chain.verify(files.read(folder), book.anchor).sequence == 3
    assert stat.S_IMODE((folder / ATTEMPT).stat().st_mode) & 0o333 == 0


def test_no_annex_is_overwritten(folder: Path, tmp_path: Path) -> None:
    files.add_annex(folder, ATTEMPT, b"first")
    with pytest.raises(LedgerExists, match=r"000004.attempt.1.cms: is there already; nothing is overwritten"):
        files.add_annex(folder, ATTEMPT, b"second")
    assert (folder / ATTEMPT).read_bytes() == b"first"
    (folder / REFUSAL).symlink_to(tmp_path / "trap")
    with pytest.raises(LedgerExists, match=r"000004.refusal.1.cms: is there already"):
        files.add_annex(folder, REFUSAL, b"x")
    assert not (tmp_path / "trap").exists()


def test_an_annex_is_on_the_disk_before_it_has_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        real(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", watched)
    files.add_annex(folder, ATTEMPT, b"attempt")
    assert synced[0].startswith(f".{ATTEMPT}.") and synced[1:] == ["ledger"]


def test_an_annex_that_finds_the_disk_full_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(folder)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerUnreadable, match=r"000004.attempt.1.cms: cannot be written: No space left on device"):
        files.add_annex(folder, ATTEMPT, b"attempt")
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["000004.attempt.0.cms", "000004.attempt.01.cms", "000004.note.1.cms"])
def test_what_is_not_named_as_an_annex_does_not_belong(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    assert refused(LedgerIncomplete, folder) == f"{name}: does not belong into a ledger"
