"""Old records go: whole segments, after a signed record says so; their hashes and every proof stay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from auditkit import SEGMENT, ceremony, checkpoint, copy, ledger_loaded, mixed, open_log, stop

from appliance.audit import records
from appliance.audit.entries import Item
from appliance.audit.errors import AuditDamaged, RecordPruned
from appliance.audit.log import AuditLog
from appliance.tlog import merkle
from appliance.tlog.tiles import ENTRIES, Tile, bundles_of, tiles_of


def month(number: int) -> str:
    return f"2026-{number + 1:02d}-01T00:00:00.000000Z"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditLog]:
    """Ten months; each month's records fill a segment, the last one half of one."""
    log = open_log(tmp_path)
    monkeypatch.setattr("appliance.audit.log.now", lambda: month(0))
    log.append([ledger_loaded(3), ceremony(3)])
    for number in range(10):
        monkeypatch.setattr("appliance.audit.log.now", lambda number=number: month(number))
        log.append(mixed(SEGMENT - (2 if number == 0 else SEGMENT // 2 if number == 9 else 0)))
    yield log
    log.close()


def prune(log: AuditLog, before: str) -> int:
    first = log.expired(before)
    assert first is not None
    log.append([Item(records.Pruned(first=first))])
    log.store_checkpoint(checkpoint(log))
    return log.prune()


def segments(directory: Path) -> list[int]:
    return sorted(int(path.name) for path in (directory / "entries").iterdir())


def test_only_whole_segments_whose_last_record_is_old_go(log: AuditLog) -> None:
    assert log.expired(month(0)) is None
    assert log.expired(month(0) + "0") == SEGMENT + 1
    assert log.expired(month(3)) == 3 * SEGMENT + 1
    assert log.expired("9999-12-31T00:00:00.000000Z") == 9 * SEGMENT + 1, "the last segment always stays"


def test_a_clock_that_went_backwards_keeps_more_and_not_less(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.audit.log.now", lambda: month(0))
    log.append(mixed(SEGMENT))
    assert log.expired(month(9)) == 9 * SEGMENT + 1


def test_nothing_goes_before_its_record_is_under_a_checkpoint(log: AuditLog) -> None:
    first = log.expired(month(4))
    assert first == 4 * SEGMENT + 1
    assert (log.prune(), log.first) == (0, 1)
    log.store_checkpoint(checkpoint(log))
    log.append([Item(records.Pruned(first=first))])
    assert (log.prune(), log.first) == (0, first), "the checkpoint is from before"
    assert segments(log.directory) == list(range(10))
    log.store_checkpoint(checkpoint(log))
    assert log.prune() == 4
    assert segments(log.directory) == list(range(4, 10))
    assert sorted(int(path.name) for path in (log.directory / "offsets").iterdir()) == list(range(4, 10))
    assert log.prune() == 0
    assert log.expired(month(4)) is None


def test_everything_but_the_entries_stays(log: AuditLog) -> None:
    size, leaf = log.size, merkle.leaf_hash(log.entry(5))
    roots = {number: log.root(number) for number in (1, 300, size)}
    tiles = {tile: log.tile(tile) for tile in tiles_of(size)}
    bundles = {tile: log.tile(tile) for tile in bundles_of(size)}
    prune(log, month(4))
    assert {number: log.root(number) for number in roots} == roots
    assert {tile: log.tile(tile) for tile in tiles} == tiles
    merkle.verify_inclusion(leaf, 4, size, log.inclusion(5, size), roots[size])
    merkle.verify_consistency(300, roots[300], size, roots[size], log.consistency(300, size))
    assert log.last_ledger == (3, f"{3:064x}")
    assert log.last_ceremony == 3
    for tile, data in bundles.items():
        if tile.index < 4:
            with pytest.raises(RecordPruned, match=rf"record {tile.index * 256 + 1} .* pruned; the first .* is 1025"):
                log.tile(tile)
        else:
            assert log.tile(tile) == data
    assert next(iter(log.read(1)))[0] == 1_025


def test_a_start_knows_what_was_pruned(log: AuditLog, tmp_path: Path) -> None:
    prune(log, month(4))
    log.append(mixed(9 * SEGMENT))
    prune(log, month(6))
    head = log.head()
    log.close()
    marks = (tmp_path / "marks.json").read_bytes()
    for lost in ("none", "marks.json", "offsets/000000008"):
        (tmp_path / lost).unlink(missing_ok=True)
        again = open_log(tmp_path)
        assert (again.first, again.head(), again.last_ceremony) == (
            6 * SEGMENT + 1,
            head,
            0 if lost == "marks.json" else 3,
        ), "what only a pruned record told is known to the marks alone"
        again.close()
        (tmp_path / "marks.json").write_bytes(marks)


def test_an_interrupted_removal_is_gone_on_with(log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.unlink
    left = iter(range(5))

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "entries" and next(left) == 2:
            raise OSError(5, "Input/output error")
        real(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(OSError, match="Input/output error"):
            prune(log, month(4))
    assert segments(tmp_path) == list(range(2, 10))
    with pytest.raises(RecordPruned):
        log.entry(3 * SEGMENT)
    log.close()
    again = open_log(tmp_path)
    assert again.first == 4 * SEGMENT + 1
    assert again.prune() == 2
    assert segments(tmp_path) == list(range(4, 10))
    again.close()


def test_more_missing_than_was_pruned_is_damage(log: AuditLog, tmp_path: Path) -> None:
    prune(log, month(4))
    log.close()
    (tmp_path / "entries" / "000000004").unlink()
    with pytest.raises(AuditDamaged, match="000000004: missing; the records from 1025 on were not pruned"):
        open_log(tmp_path)


def test_hashes_of_pruned_records_cannot_be_made_anew(log: AuditLog, tmp_path: Path) -> None:
    prune(log, month(4))
    log.close()
    kept = copy(tmp_path, tmp_path.with_name("kept"))
    os.truncate(tmp_path / "level.0", 4 * SEGMENT * 32)
    open_log(tmp_path).close()
    assert (tmp_path / "level.0").read_bytes() == (kept / "level.0").read_bytes()
    os.truncate(tmp_path / "level.0", 4 * SEGMENT * 32 - 1)
    with pytest.raises(AuditDamaged, match=r"level\.0: it ends in segment 3, whose records are no longer there"):
        open_log(tmp_path)


@pytest.mark.parametrize("first", [2, SEGMENT, 11 * SEGMENT + 1, 2 * SEGMENT + 2])
def test_a_record_that_lets_go_of_half_a_segment_is_a_defect(log: AuditLog, first: int) -> None:
    size = log.size
    with pytest.raises(ValueError, match="whole segments"):
        log.append([stop(), Item(records.Pruned(first=first))])
    assert log.size == size


def test_tiles_reach_to_the_first_kept_bundle(log: AuditLog) -> None:
    prune(log, month(4))
    assert log.tile(Tile(ENTRIES, 4))
    with pytest.raises(RecordPruned):
        log.tile(Tile(ENTRIES, 3))
