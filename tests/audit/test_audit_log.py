"""The audit log: durable or not there, one writer, and everything that is read is what was hashed."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from auditkit import (
    SEGMENT,
    checkpoint,
    contents,
    conversion,
    files,
    fill,
    ledger_loaded,
    mixed,
    naive_root,
    open_log,
    stop,
    tag,
)

from appliance.audit import marks, records
from appliance.audit.entries import Item
from appliance.audit.errors import (
    AuditDamaged,
    AuditLocked,
    AuditRolledBack,
    AuditUnavailable,
    AuditUnusable,
    EntryTooLong,
    RecordMissing,
    TileMissing,
)
from appliance.audit.log import AuditLog
from appliance.tlog import merkle
from appliance.tlog.tiles import ENTRIES, Tile, TileTree, bundles_of, read_bundle, tile_of, tiles_of

FULL = OSError(28, "No space left on device")
BROKEN = OSError(5, "Input/output error")


def raising(error: OSError) -> Callable[..., None]:
    def broken(*_: object) -> None:
        raise error

    return broken


def segment(directory: Path, number: int = 0) -> Path:
    return directory / "entries" / f"{number:09d}"


def test_records_get_number_time_and_digest_and_stay(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    assert (log.size, log.next_record, log.first, log.repaired, log.last_ceremony) == (0, 1, 1, 0, 0)
    assert log.append([stop("one"), conversion("two", [tag(1), tag(2)])]) == 1
    assert log.append([stop("three")]) == 3
    log.close()
    log = open_log(tmp_path)
    assert (log.size, log.repaired, log.repaired_levels) == (3, 0, 0)
    found = [records.decode(log.entry(number)) for number in (1, 2, 3)]
    assert [record.record for record in found] == [1, 2, 3]
    assert found[0].time == found[1].time <= found[2].time, "a group has one time"
    assert isinstance(found[1], records.Conversion)
    assert (found[1].tag_key, found[1].tags) == ("tag.1", records.tags_digest(2, tag(1) + tag(2)))
    assert [log.tags(number) for number in (1, 2, 3)] == [b"", tag(1) + tag(2), b""]
    log.close()


def test_a_segment_lies_as_it_is_documented(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append([conversion("x", [tag(1)])])
    entry = log.entry(1)
    log.close()
    header = len(entry).to_bytes(2, "big") + (16).to_bytes(4, "big")
    assert segment(tmp_path).read_bytes() == header + entry + tag(1)
    assert (tmp_path / "level.0").read_bytes() == merkle.leaf_hash(entry)


def test_roots_and_proofs_of_every_size_are_those_of_the_plain_tree(tmp_path: Path) -> None:
    fill(tmp_path, 600)
    log = open_log(tmp_path)
    entries = [entry for entry, _ in ((log.entry(number), b"") for number in range(1, 601))]
    for size in (0, 1, 2, 255, 256, 257, 300, 511, 512, 513, 599, 600):
        root = naive_root(entries[:size])
        assert log.root(size) == root
        log.require_behind(size, root)
        for record in {1, 2, size // 2, size - 1, size} & set(range(1, size + 1)):
            proof = log.inclusion(record, size)
            merkle.verify_inclusion(merkle.leaf_hash(entries[record - 1]), record - 1, size, proof, root)
        for old in {0, 1, 255, 256, size // 3} & set(range(size + 1)):
            merkle.verify_consistency(old, log.root(old), size, root, log.consistency(old, size))
    assert log.head() == (600, log.root()) == (600, naive_root(entries))
    log.close()


@pytest.mark.parametrize("count", [1, 255, 256, 257, 700])
def test_tiles_and_bundles_make_the_same_tree(tmp_path: Path, count: int) -> None:
    fill(tmp_path, count)
    log = open_log(tmp_path)
    tree = TileTree(log.tile, count)
    assert merkle.root(count, tree.subtree) == log.root()
    assert all(len(log.tile(tile)) == 32 * tile.width for tile in tiles_of(count))
    entries = [entry for tile in bundles_of(count) for entry in read_bundle(log.tile(tile), tile.width)]
    assert entries == [log.entry(number) for number in range(1, count + 1)]
    log.close()


def test_a_narrower_tile_than_there_is_can_be_had_and_a_wider_one_not(tmp_path: Path) -> None:
    fill(tmp_path, 300)
    log = open_log(tmp_path)
    assert log.tile(Tile(0, 1, 7)) == log.tile(Tile(0, 1, 44))[: 7 * 32]
    assert len(read_bundle(log.tile(Tile(ENTRIES, 1, 7)), 7)) == 7
    for tile in (Tile(0, 1, 45), Tile(0, 2, 1), Tile(1, 0, 2), Tile(2, 0, 1), Tile(63, 0, 1), Tile(ENTRIES, 1)):
        with pytest.raises(TileMissing, match=r"no tile/.*: it has 300 records"):
            log.tile(tile)
    assert tile_of(1, 0, 300).width == 1
    log.close()


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    log = open_log(tmp_path)
    for number in (0, -1, 4):
        with pytest.raises(RecordMissing, match="has 3 records, none of number"):
            log.entry(number)
    for ask in (lambda: log.root(4), lambda: log.inclusion(1, 4), lambda: log.consistency(1, 4)):
        with pytest.raises(RecordMissing, match="has 3 records; there is no tree of 4"):
            ask()
    for record, size in ((0, 3), (3, 2)):
        with pytest.raises(RecordMissing, match="is not among the first"):
            log.inclusion(record, size)
    with pytest.raises(RecordMissing, match="do not begin with 3 records"):
        log.consistency(3, 2)
    log.close()


def test_reading_in_order_from_any_record(tmp_path: Path) -> None:
    fill(tmp_path, 600)
    whole = contents(tmp_path)
    log = open_log(tmp_path)
    for first in (1, 2, 256, 257, 600, 601, 700):
        assert list(log.read(first)) == [(number, *whole[number - 1]) for number in range(first, 601)]
    log.close()


def test_readers_meet_no_half_record_while_one_writes(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    done = threading.Event()
    faults: list[BaseException] = []

    def look() -> None:
        try:
            while not done.is_set():
                size, root = log.head()
                assert size <= log.size
                assert log.levels.root(size) == root
                if size:
                    records.decode(log.entry(size))
                    merkle.verify_inclusion(merkle.leaf_hash(log.entry(1)), 0, size, log.inclusion(1, size), root)
                    assert sum(1 for _ in log.read(max(1, size - 300))) >= min(size, 300)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for item in range(60):
        log.append(mixed(item % 37 + 1))
    done.set()
    for thread in threads:
        thread.join()
    log.close()
    assert faults == []


def test_a_group_may_go_over_the_ends_of_segments(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    assert log.append(mixed(200)) == 1
    assert log.append(mixed(600)) == 201
    assert log.size == 800
    entries = [log.entry(number) for number in range(1, 801)]
    log.close()
    assert sorted(path.name for path in (tmp_path / "entries").iterdir()) == [f"{n:09d}" for n in range(4)]
    assert [records.decode(entry).record for entry in entries] == list(range(1, 801))
    assert [entry for entry, _ in contents(tmp_path)] == entries


def test_the_files_are_for_owner_and_group_only(tmp_path: Path) -> None:
    fill(tmp_path, 300, signed=300)
    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0, path


def test_a_second_writer_is_told_that_one_is_running(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    with pytest.raises(AuditLocked, match="already running: another daemon writes it"):
        open_log(tmp_path)
    log.close()
    open_log(tmp_path).close()


def test_a_refused_opening_gives_the_lock_back(tmp_path: Path) -> None:
    fill(tmp_path, 3, signed=3)
    whole = segment(tmp_path).read_bytes()
    segment(tmp_path).write_bytes(b"")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(AuditRolledBack):
            open_log(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    segment(tmp_path).write_bytes(whole)
    open_log(tmp_path).close()


def test_a_folder_that_cannot_be_synced_is_not_relied_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 3)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr("appliance.audit.tail.sync_folder", raising(BROKEN))
    with pytest.raises(AuditUnusable, match="000000000: Input/output error"):
        open_log(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(AuditUnusable, match="No such file or directory") as caught:
        open_log(tmp_path / "audit")
    assert "not made here" in str(caught.value.hint)
    assert not (tmp_path / "audit").exists()


OWN = ("lock", "entries/000000000", "level.0", "level.1", "checkpoint", "cosigned", "marks.json", "reserve")


@pytest.mark.parametrize("name", OWN)
def test_a_link_in_the_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "log"
    directory.mkdir()
    fill(directory, 300, signed=300)
    path = directory / name
    if path.exists():
        path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditUnusable, match=rf"{name}: (.*symbolic links|no room .*symbolic links)"):
        open_log(directory)


@pytest.mark.parametrize("name", OWN)
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    fill(tmp_path, 300, signed=300)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(AuditUnusable, match=rf"{name}: not a regular file"):
        open_log(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_link_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "log" / "entries").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditUnusable, match="entries: not a folder but a link"):
        open_log(tmp_path / "log")


def test_tags_beside_a_record_that_has_none_are_a_defect(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    item = conversion("x", [tag(1)])
    for wrong in (
        Item(records.Stop(reason="x"), tag(1), "tag.1"),
        item._replace(tag_key=None),
        item._replace(tags=tag(1)[:15]),
        item._replace(tags=bytes((1 << 20) + 16)),
    ):
        with pytest.raises(ValueError, match="subject tags"):
            log.append([wrong])
    assert log.size == 0
    assert item.record.tag_key is None
    item.record.tag_key = "tag.2"
    log.append([item._replace(tag_key=None)])
    assert records.decode(log.entry(1)) == item.record
    log.close()


def test_a_record_longer_than_an_entry_is_named_and_nothing_written(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    longest = 65_535 - len(records.encode(records.Stop(record=1, reason="")))
    log.append([stop("x" * longest)])
    with pytest.raises(EntryTooLong, match="a Stop record of 65536 bytes; 65535 fit into the log"):
        log.append([stop("fits"), stop("x" * (longest + 1))])
    assert log.size == 1
    log.append([stop("next")])
    log.close()
    assert len(contents(tmp_path)) == 2


def test_records_with_very_many_tags(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    tags = [tag(n) for n in range(8_192)]
    for number in range(40):
        log.append([conversion(str(number), tags[number:])])
    assert log.tags(17) == b"".join(tags[16:])
    assert len(read_bundle(log.tile(Tile(ENTRIES, 0, 40)), 40)) == 40
    log.close()
    assert [tags for _, tags in contents(tmp_path)] == [b"".join(tags[number:]) for number in range(40)]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 2)
    before = files(tmp_path)
    log = open_log(tmp_path)
    real_write = os.write
    calls = iter([7])

    def half(descriptor: int, data: bytes) -> int:
        if room := next(calls, 0):
            return real_write(descriptor, bytes(data)[:room])
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space left"):
            log.append([stop()])
    assert files(tmp_path) == before
    assert log.next_record == 3
    log.append([stop()])
    log.close()
    assert len(contents(tmp_path)) == 3


def test_a_failed_sync_takes_the_records_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 2)
    before = files(tmp_path)
    log = open_log(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", raising(BROKEN))
        with pytest.raises(OSError, match="Input/output error"):
            log.append([stop()])
    assert files(tmp_path) == before
    assert log.append([stop()]) == 3
    log.close()


def test_leftovers_that_could_not_be_cut_off_are_cut_off_durably_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 2)
    whole = segment(tmp_path).read_bytes()
    log = open_log(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", raising(BROKEN))
        patch.setattr(os, "ftruncate", raising(BROKEN))
        with pytest.raises(OSError, match="Input/output error"):
            log.append([stop("longer than what follows")])
    assert segment(tmp_path).stat().st_size > len(whole)
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (synced.append(os.fstat(fd).st_size), real(fd)))
    log.append([stop()])
    assert synced[0] == len(whole), "else a crash could mix old bytes and new"
    with segment(tmp_path).open("ab") as file:
        file.write(b"x")
    with pytest.raises(OSError, match="something else wrote"):
        log.append([stop()])
    log.close()
    assert len(contents(tmp_path)) == 3


def test_hashes_that_could_not_be_written_come_before_the_next_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path)
    log.append(mixed(250))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", raising(FULL))
        assert log.append([stop("durable all the same")]) == 251
        head = log.head()
        assert head.size == 251
        with pytest.raises(AuditUnavailable, match="newest hashes"):
            log.levels.root(251)
        with pytest.raises(OSError, match="No space left"):
            log.append([stop("not written")])
    assert log.size == 251
    assert log.append(mixed(20)) == 252
    assert log.levels.root(251) == head.root
    log.close()
    assert len(contents(tmp_path)) == 271


def test_hints_that_could_not_be_written_cost_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(tmp_path)
    log.append(mixed(100))
    with monkeypatch.context() as patch:
        patch.setattr(log.offsets, "write", lambda *_: None)
        log.append(mixed(100))
    log.append(mixed(50))
    assert [records.decode(log.entry(number)).record for number in range(1, 251)] == list(range(1, 251))
    assert len(list(log.read(150))) == 101
    log.close()


def test_a_hint_saves_walking_through_the_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(tmp_path)
    log.append([conversion(str(number), [tag(k) for k in range(5_000)]) for number in range(200)])
    calls: list[int] = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: (calls.append(length), real(fd, length, offset))[1])
    assert records.decode(log.entry(200)).record == 200
    assert len(calls) == 3, "a hash, a hint, the frame"
    log.close()


def test_a_full_segment_is_durable_with_its_hashes_before_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path)
    log.append([ledger_loaded(5), *mixed(SEGMENT - 1)])
    synced: list[tuple[str, bool]] = []

    def sync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").resolve().name, segment(tmp_path, 1).exists()))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        log.append([stop()])
    assert {("level.0", False), ("level.1", False), ("000000000", False), ("entries", True)} <= set(synced)
    known = marks.load(tmp_path)
    assert known.ledger is not None
    assert (known.size, known.ledger.record) == (SEGMENT, 1), "so that a start need not look for it"
    log.close()


@pytest.mark.parametrize("step", ["fsync", "sync_folder", "fdatasync"])
def test_a_segment_that_cannot_be_begun_is_begun_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    log = open_log(tmp_path)
    log.append(mixed(SEGMENT))
    with monkeypatch.context() as patch:
        patch.setattr("appliance.audit.tail.sync_folder" if step == "sync_folder" else f"os.{step}", raising(FULL))
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                log.append([stop()])
    assert log.append([stop()]) == SEGMENT + 1
    log.close()
    assert len(contents(tmp_path)) == SEGMENT + 1


def test_a_group_over_an_end_says_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(tmp_path)
    log.append(mixed(250))
    with monkeypatch.context() as patch:
        patch.setattr("appliance.audit.tail.sync_folder", raising(FULL))
        with pytest.raises(OSError, match="No space left"):
            log.append(mixed(20))
    assert log.next_record == SEGMENT + 1, "six fitted in, and are durable"
    log.append([stop("next")])
    log.close()
    assert len(contents(tmp_path)) == SEGMENT + 1


def test_a_segment_moved_away_is_noticed(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    segment(tmp_path).rename(tmp_path / "rotated")
    with pytest.raises(OSError, match="No such file"):
        log.append([stop()])
    segment(tmp_path).write_bytes(b"")
    with pytest.raises(OSError, match="moved away or replaced"):
        log.append([stop()])
    (tmp_path / "rotated").rename(segment(tmp_path))
    log.append([stop()])
    log.close()


@pytest.mark.parametrize("change", [b"x", b""])
def test_a_segment_that_something_else_wrote_to_is_noticed(tmp_path: Path, change: bytes) -> None:
    fill(tmp_path, 2)
    log = open_log(tmp_path)
    whole = segment(tmp_path).read_bytes()
    segment(tmp_path).write_bytes(whole + change if change else whole[:-5])
    with pytest.raises(OSError, match="something else wrote"):
        log.append([stop()])
    log.close()


def test_a_next_segment_that_is_there_already_is_not_written_to(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append(mixed(SEGMENT))
    segment(tmp_path, 1).write_bytes(b"x")
    with pytest.raises(OSError, match="something else wrote the next segment"):
        log.append([stop()])
    assert segment(tmp_path, 1).read_bytes() == b"x"
    log.close()


def test_what_was_changed_behind_the_running_daemon_is_not_handed_out(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.append([conversion("x", [tag(n)]) for n in range(10)])
    root = log.head()
    data = bytearray(segment(tmp_path).read_bytes())
    data[len(data) // 2] ^= 1
    segment(tmp_path).write_bytes(data)
    with pytest.raises(AuditDamaged, match=r"record [56]: not what was hashed"):
        log.tile(Tile(ENTRIES, 0, 10))
    data[40] ^= 1
    data[-1] ^= 1
    segment(tmp_path).write_bytes(data)
    with pytest.raises(AuditDamaged, match=r"000000000: record 1: not what was hashed when it was written") as caught:
        log.entry(1)
    assert "keep the folder as evidence" in str(caught.value.hint)
    with pytest.raises(AuditDamaged, match="record 10: its subject tags are not those that it speaks of"):
        log.tags(10)
    with pytest.raises(AuditDamaged, match="record 1: not what was hashed"):
        log.tile(Tile(ENTRIES, 0, 10))
    (tmp_path / "level.0").write_bytes(bytes(320))
    assert log.head() == (10, log.root(10)) == root, "what is signed comes from memory"
    with pytest.raises(AuditDamaged, match="record 5: not what was hashed"):
        log.entry(5)
    os.truncate(tmp_path / "level.0", 96)
    with pytest.raises(AuditDamaged, match=r"level\.0: ends before hash 10"):
        log.tile(Tile(0, 0, 10))
    segment(tmp_path).unlink()
    with pytest.raises(AuditDamaged, match="the segment of record 1 is missing"):
        log.entry(1)
    log.close()


def test_checkpoints_are_kept_and_must_fit(tmp_path: Path) -> None:
    fill(tmp_path, 30)
    log = open_log(tmp_path)
    assert (log.checkpoint, log.cosigned) == (None, None)
    first, second = checkpoint(log, 10), checkpoint(log, 30)
    log.store_checkpoint(second)
    log.store_cosigned(first)
    assert (log.checkpoint, log.cosigned) == (second, first)
    with pytest.raises(AuditDamaged, match="checkpoint: a note is a text"):
        log.store_checkpoint(b"no note")
    with pytest.raises(AuditRolledBack, match="it holds 30 records; the new cosigned says 31"):
        log.store_cosigned(second.replace(b"\n30\n", b"\n31\n"))
    with pytest.raises(AuditRolledBack, match="its first 29 records are others than the new checkpoint says"):
        log.store_checkpoint(second.replace(b"\n30\n", b"\n29\n"))
    log.close()
    log = open_log(tmp_path)
    assert (log.checkpoint, log.cosigned) == (second, first)
    log.close()


def test_a_checkpoint_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 30, signed=10)
    log = open_log(tmp_path)
    old, new = log.checkpoint, checkpoint(log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", raising(FULL))
        with pytest.raises(OSError, match="No space left"):
            log.store_checkpoint(new)
    assert log.checkpoint == old == (tmp_path / "checkpoint").read_bytes()
    log.store_checkpoint(new)
    assert (tmp_path / "checkpoint").read_bytes() == new
    log.close()


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    fill(tmp_path, 300)
    told: list[tuple[int, int]] = []
    AuditLog.open(tmp_path, segment_records=SEGMENT, progress=lambda done, total: told.append((done, total))).close()
    total = sum(path.stat().st_size for path in (tmp_path / "entries").iterdir())
    assert told[-1] == (total, total)


def test_a_segment_holds_whole_tiles(tmp_path: Path) -> None:
    for wrong in (0, 100, 257):
        with pytest.raises(ValueError, match="whole tiles of 256"):
            AuditLog.open(tmp_path, segment_records=wrong)
