"""What the start does not read is read in the background, and nothing wrong stays unnoticed there."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from auditkit import SEGMENT, ceremony, checkpoint, conversion, copy, files, ledger_loaded, mixed, open_log, stop, tag

from appliance.audit import marks, records, scrub
from appliance.audit.entries import Item
from appliance.audit.errors import AuditDamaged, AuditUnusable
from appliance.audit.log import AuditLog
from appliance.audit.scrub import Scrub
from appliance.audit.segments import Segments

OLD = 6  # segments that a start does not read


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("scrub")
    log = open_log(directory)
    for number in range(OLD):
        log.append([ledger_loaded(number + 1), *mixed(SEGMENT - 2), stop()])
    log.append([ceremony(4), *mixed(8 * SEGMENT - 100)])
    log.store_checkpoint(checkpoint(log))
    log.close()
    return directory


@pytest.fixture
def spoilt(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scrub, "PIECE_PAUSE_SECONDS", 0)
    return copy(whole, tmp_path / "log")


def run(log: AuditLog) -> Scrub:
    work = Scrub(log)
    try:
        while work.step():
            pass
    finally:
        log.close()
    return work


def segment(directory: Path, number: int) -> Path:
    return directory / "entries" / f"{number:09d}"


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_a_log_that_is_right_passes_and_is_left_as_it_is(whole: Path, spoilt: Path) -> None:
    work = run(open_log(spoilt))
    assert work.verified == OLD * SEGMENT
    assert files(spoilt) == files(whole)


def test_it_goes_in_small_steps(spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub, "STEP_PIECES", 1)
    log = open_log(spoilt)
    work = Scrub(log)
    seen = []
    while work.step():
        seen.append(work.verified)
    log.close()
    assert len(seen) > OLD * 2
    assert max(b - a for a, b in pairwise(seen)) < 150


def test_records_larger_than_a_piece(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append([conversion(str(number), [tag(k) for k in range(3_000)]) for number in range(SEGMENT)])
    log.append(mixed(8 * SEGMENT))
    log.close()
    assert run(open_log(tmp_path)).verified == SEGMENT


def test_a_log_with_nothing_old_is_done_at_once(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    assert Scrub(log).step() is False
    log.close()


def emptied(path: Path) -> None:
    os.truncate(path, 0)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of an entry": (lambda d: flip(segment(d, 2), 40), "000000002: record 513, at byte 0: "),
    "a bit of the last entry": (lambda d: flip(segment(d, 2), -3), "000000002: record 768, at byte "),
    "a segment cut": (lambda d: os.truncate(segment(d, 1), 5_000), "000000001: record .*: cut off, or no record"),
    "a segment emptied": (lambda d: emptied(segment(d, 1)), "000000001: record 257, at byte 0: cut off"),
    "a segment of another place": (
        lambda d: segment(d, 1).write_bytes(segment(d, 2).read_bytes()),
        "000000001: record 257, at byte 0: it says that it is record 513",
    ),
    "a segment gone": (lambda d: segment(d, 1).unlink(), "000000001: missing"),
    "bytes behind the last record": (
        lambda d: segment(d, 1).write_bytes(segment(d, 1).read_bytes() + b"x"),
        "000000001: record 513, at byte .*: cut off, or no record",
    ),
    "a record behind the last record": (
        lambda d: segment(d, 1).write_bytes(segment(d, 1).read_bytes() + segment(d, 2).read_bytes()),
        "000000001: record 513, .*: more than the 256 records of a segment",
    ),
    "a hash": (lambda d: flip(d / "level.0", 600 * 32), "000000002: record 601, .*: not what was hashed"),
    "a hash of zeros": (
        lambda d: (d / "level.0").write_bytes(
            (d / "level.0").read_bytes()[: 600 * 32] + bytes(32) + (d / "level.0").read_bytes()[601 * 32 :]
        ),
        r"level\.0: hashes of segment 2 are missing",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_in_old_segments_is_found_and_named(spoilt: Path, name: str) -> None:
    spoil, said = DAMAGE[name]
    log = open_log(spoilt)
    spoil(spoilt)
    with pytest.raises(AuditDamaged, match=said) as caught:
        run(log)
    assert "keep the folder as evidence" in str(caught.value.hint)


def test_a_hash_above_that_no_root_vouches_for_is_found(spoilt: Path) -> None:
    (spoilt / "checkpoint").unlink()
    flip(spoilt / "level.1", 3 * 32)
    log = open_log(spoilt)
    with pytest.raises(AuditDamaged, match=r"level\.1: hash 3 is not that of the hashes below it"):
        run(log)


def test_hints_are_brought_up_to_date(whole: Path, spoilt: Path) -> None:
    (spoilt / "offsets" / "000000001").unlink()
    (spoilt / "offsets" / "000000002").write_bytes(b"nonsense")
    flip(spoilt / "offsets" / "000000003", 17)
    log = open_log(spoilt)
    for number in range(257, 1_025):
        assert records.decode(log.entry(number)).record == number, "a wrong hint costs time only"
    run(log)
    assert files(spoilt / "offsets") == files(whole / "offsets")


def test_marks_that_name_an_older_record_than_there_is_are_found(spoilt: Path) -> None:
    known = marks.load(spoilt)
    assert known.ledger is not None
    older = marks.LedgerMark(record=257, sequence=2, head=f"{2:064x}")
    marks.save(spoilt, marks.Marks(size=known.size, ledger=older, ceremony=known.ceremony))
    log = open_log(spoilt)
    assert log.last_ledger == (2, f"{2:064x}"), "believed at first: record 257 does say so"
    with pytest.raises(AuditDamaged, match=r"marks\.json: it does not know record 513"):
        run(log)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}x",
        b"\xff",
        b'{"size":99999,"type":"kagimori/log-marks/v1"}',
        b'{"ledger":{"head":"","record":258,"sequence":9},"size":3000,"type":"kagimori/log-marks/v1"}',
        b'{"ledger":{"head":"","record":999999,"sequence":9},"size":1500,"type":"kagimori/log-marks/v1"}',
        b'{"size":300,"type":"kagimori/log-marks/v1"}',
    ],
)
def test_marks_that_are_not_believed_are_made_anew(spoilt: Path, data: bytes) -> None:
    (spoilt / marks.FILE_NAME).write_bytes(data)
    log = open_log(spoilt)
    assert log.last_ledger == (OLD, f"{OLD:064x}")
    assert log.last_ceremony == 4
    run(log)


def test_marks_are_looked_for_no_further_back_than_needed(spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spoilt / marks.FILE_NAME).unlink()
    read: list[int] = []
    real = Segments.reading
    monkeypatch.setattr(Segments, "reading", lambda self, number: (read.append(number), real(self, number))[1])
    log = open_log(spoilt)
    log.close()
    assert sorted(set(read) & set(range(OLD))) == [OLD - 1]


def test_pruning_meanwhile_is_no_damage(spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub, "STEP_PIECES", 1)
    log = open_log(spoilt)
    work = Scrub(log)
    assert work.step()
    log.append([Item(records.Pruned(first=4 * SEGMENT + 1))])
    log.store_checkpoint(checkpoint(log))
    assert log.prune() == 4
    while work.step():
        pass
    assert work.verified < OLD * SEGMENT
    log.close()


def test_a_disk_that_does_not_answer_is_told_from_damage(spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(spoilt)

    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", broken)
        with pytest.raises(AuditUnusable, match="Input/output error"):
            run(log)
