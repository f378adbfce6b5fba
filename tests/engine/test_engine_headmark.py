"""Anti-rollback: the newest ledger seen is remembered durably; no older or other one is accepted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.engine import headmark
from appliance.engine.headmark import FILE_NAME, HeadmarkUnusable
from appliance.ledger.errors import LedgerForked, LedgerRolledBack

ANCHOR, OTHER = "a" * 64, "b" * 64


@dataclass(frozen=True)
class State:
    anchor: str


@dataclass(frozen=True)
class Entry:
    sequence: int
    head: str
    state: State


def ledger(*heads: str, anchor: str = ANCHOR) -> Sequence[Entry]:
    return [Entry(number, head * 64, State(anchor)) for number, head in enumerate(heads, 1)]


def check(directory: Path, entries: Sequence[Entry]) -> None:
    headmark.check(directory, entries)  # type: ignore[arg-type]  # only what is used of an entry is here


def mark(directory: Path) -> dict[str, object]:
    return json.loads((directory / FILE_NAME).read_bytes())  # type: ignore[no-any-return]


def test_the_first_ledger_is_remembered(tmp_path: Path) -> None:
    check(tmp_path, ledger("1", "2"))
    assert mark(tmp_path) == {"type": "kagimori/ledger-head/v1", "anchor": ANCHOR, "sequence": 2, "head": "2" * 64}


def test_a_longer_one_moves_the_mark_and_the_same_one_does_not(tmp_path: Path) -> None:
    check(tmp_path, ledger("1", "2"))
    check(tmp_path, ledger("1", "2", "3", "4"))
    before = (tmp_path / FILE_NAME).stat()
    check(tmp_path, ledger("1", "2", "3", "4"))
    assert (tmp_path / FILE_NAME).stat().st_ino == before.st_ino
    assert mark(tmp_path)["sequence"] == 4


@pytest.mark.parametrize(
    ("entries", "error", "said"),
    [
        (ledger("1"), LedgerRolledBack, "ends at 000001; 000002 has been seen"),
        (ledger("1", "9"), LedgerForked, "entry 000002 is another one than was seen"),
        (ledger("1", "9", "3"), LedgerForked, "entry 000002 is another one than was seen"),
        (ledger("1", "2", anchor=OTHER), LedgerForked, "another genesis"),
        (ledger("1", "2", "3", anchor=OTHER), LedgerForked, "another genesis"),
    ],
)
def test_an_older_or_other_one_is_refused_and_the_mark_stays(
    tmp_path: Path, entries: Sequence[Entry], error: type[Exception], said: str
) -> None:
    check(tmp_path, ledger("1", "2"))
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(error, match=said):
        check(tmp_path, entries)
    assert (tmp_path / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize("broken", [b"", b"{}", b"\x00" * 10, b"[1]"])
def test_a_damaged_mark_refuses_any_ledger(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(broken)
    with pytest.raises(HeadmarkUnusable, match="damaged"):
        check(tmp_path, ledger("1"))
    assert (tmp_path / FILE_NAME).read_bytes() == broken


def test_every_changed_byte_of_the_mark_refuses(tmp_path: Path) -> None:
    check(tmp_path, ledger("1", "2"))
    whole = (tmp_path / FILE_NAME).read_bytes()
    for place in range(len(whole)):
        (tmp_path / FILE_NAME).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises((HeadmarkUnusable, LedgerForked, LedgerRolledBack)):
            check(tmp_path, ledger("1", "2"))


def test_a_missing_state_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(HeadmarkUnusable, match="No such file or directory") as caught:
        check(tmp_path / "state", ledger("1"))
    assert "not made here" in str(caught.value.hint)
    assert not (tmp_path / "state").exists()


def test_a_leftover_of_a_crash_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "ledger-head.new").write_bytes(b"half")
    check(tmp_path, ledger("1"))
    assert mark(tmp_path)["sequence"] == 1
    assert not (tmp_path / "ledger-head.new").exists()
