"""The start of the audit log: what an honest crash leaves is repaired and said, anything else stops it."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from auditkit import (
    SEGMENT,
    checkpoint,
    contents,
    conversion,
    copy,
    files,
    fill,
    ledger_loaded,
    mixed,
    naive_root,
    open_log,
    rendered,
    stop,
    tag,
)

from appliance.audit import opening, records
from appliance.audit.errors import AuditDamaged, AuditError, AuditRolledBack, AuditUnusable
from appliance.tlog.merkle import leaf_hash

RECORDS = 3 * SEGMENT + 232  # 1,000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 1,000 records in four segments, 900 of them under a checkpoint, 800 cosigned."""
    directory = tmp_path_factory.mktemp("opening")
    fill(directory, RECORDS, signed=900)
    log = open_log(directory)
    log.store_cosigned(checkpoint(log, 800))
    log.close()
    return directory


@pytest.fixture(scope="module")
def expected(whole: Path) -> list[tuple[bytes, bytes]]:
    return contents(whole)


@pytest.fixture
def spoilt(whole: Path, tmp_path: Path) -> Path:
    return copy(whole, tmp_path / "log")


def refused(directory: Path, kind: type[AuditError], said: str) -> None:
    before = {name: data for name, data in files(directory).items() if not name.startswith(("level", "offsets"))}
    with pytest.raises(kind, match=said):
        open_log(directory)
    after = files(directory)
    assert {name: after.get(name) for name in before} == before, "evidence was touched"


def segment(directory: Path, number: int) -> Path:
    return directory / "entries" / f"{number:09d}"


def edit(path: Path, change: Callable[[bytearray], object]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def flip(path: Path, place: int, bit: int = 0) -> None:
    def change(data: bytearray) -> None:
        data[place] ^= 1 << bit

    edit(path, change)


def starts(directory: Path, number: int) -> list[int]:
    data = (directory / "offsets" / f"{number:09d}").read_bytes()
    return [int.from_bytes(data[place : place + 8], "little") for place in range(0, len(data), 8)]


def test_a_log_that_is_right_is_taken_as_it_is(whole: Path, spoilt: Path, expected: list[tuple[bytes, bytes]]) -> None:
    log = open_log(spoilt)
    assert (log.size, log.first, log.repaired, log.repaired_levels) == (RECORDS, 1, 0, 0)
    assert log.root() == naive_root([entry for entry, _ in expected])
    log.close()
    before, after = files(whole), files(spoilt)
    assert before == after


# A torn end


def unanswered(directory: Path, items: int = 1) -> tuple[bytes, bytes]:
    """A log whose last group was written but never came back from the sync: its hashes are not there yet."""
    before = segment(directory, 3).read_bytes()
    level = (directory / "level.0").read_bytes()
    log = open_log(directory)
    log.append([conversion("torn", [tag(1), tag(2)]) for _ in range(items)])
    log.close()
    (directory / "level.0").write_bytes(level)
    return before, segment(directory, 3).read_bytes()[len(before) :]


def test_an_end_torn_at_any_byte_is_cut_off_and_said(
    spoilt: Path, expected: list[tuple[bytes, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, torn = unanswered(spoilt)
    path = segment(spoilt, 3)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # 500 times; what this test is about does not need it
    for kept in range(len(torn)):
        path.write_bytes(before + torn[:kept])
        log = open_log(spoilt)
        assert (log.size, log.repaired) == (RECORDS, kept), kept
        log.close()
        assert path.read_bytes() == before + torn[:kept], "until something is written, it is left as it is"
    log = open_log(spoilt)
    log.append([stop("after")])
    log.close()
    assert path.read_bytes().startswith(before)
    assert contents(spoilt)[:-1] == expected


def test_a_whole_record_that_was_never_answered_stays(spoilt: Path) -> None:
    unanswered(spoilt)
    log = open_log(spoilt)
    assert (log.size, log.repaired, log.repaired_levels) == (RECORDS + 1, 0, 1)
    assert log.tags(RECORDS + 1) == tag(1) + tag(2)
    log.close()


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_zeros_that_a_power_cut_left_in_a_group_are_cut_off(
    spoilt: Path, expected: list[tuple[bytes, bytes]], where: str
) -> None:
    before, torn = unanswered(spoilt, 20)
    place = {"first": 0, "middle": len(torn) // 2, "last": len(torn) - 64}[where]
    data = torn[:place] + bytes(64) + torn[place + 64 :]
    segment(spoilt, 3).write_bytes(before + data)
    log = open_log(spoilt)
    kept = {"first": 0, "middle": 10, "last": 19}[where]
    assert log.size in (RECORDS + kept, RECORDS + kept - 1)
    assert log.repaired == len(before + data) - (log.segments.bytes(3) - log.repaired)
    assert log.repaired >= len(torn) // 20
    log.append([stop("after")])
    log.close()
    assert contents(spoilt)[:RECORDS] == expected


def test_a_record_that_is_cut_off_leaves_no_mark(tmp_path: Path) -> None:
    fill(tmp_path, SEGMENT)
    extra = ledger_loaded(7).record
    extra.record, extra.time = SEGMENT + 1, "2026-01-01T00:00:00.000000Z"
    entry = records.encode(extra)
    edit(segment(tmp_path, 0), lambda data: data.extend(len(entry).to_bytes(2, "big") + bytes(4) + entry))
    log = open_log(tmp_path)
    assert (log.size, log.repaired, log.last_ledger) == (SEGMENT, len(entry) + 6, None)
    log.close()


def test_zeros_behind_the_last_record_are_cut_off(spoilt: Path) -> None:
    edit(segment(spoilt, 3), lambda data: data.extend(bytes(5_000)))
    log = open_log(spoilt)
    assert (log.size, log.repaired) == (RECORDS, 5_000)
    log.close()


def test_a_repair_is_durable_before_anything_is_written(spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    length = segment(spoilt, 3).stat().st_size
    edit(segment(spoilt, 3), lambda data: data.extend(b"torn"))
    log = open_log(spoilt)
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (synced.append(os.fstat(fd).st_size), real(fd)))
    log.append([stop()])
    log.close()
    assert synced[0] == length


def test_an_answered_end_that_is_torn_is_damage_at_any_byte(spoilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered means: under a checkpoint, or hashed, which happens after the sync only."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    path = segment(spoilt, 3)
    data, last = path.read_bytes(), starts(spoilt, 3)[-1]
    for length in range(last + 1, len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(AuditDamaged, match=rf"000000003: record 1000, at byte {last}: cut off"):
            open_log(spoilt)
    path.write_bytes(data[:last])
    refused(spoilt, AuditRolledBack, r"fewer records than level\.0 has hashes \(999 of 1000\)")


def test_without_hashes_the_checkpoint_tells_what_was_answered(spoilt: Path) -> None:
    path = segment(spoilt, 3)
    place = starts(spoilt, 3)[131]  # record 900
    os.truncate(spoilt / "level.0", 899 * 32)
    edit(path, lambda data: data.__delitem__(slice(place + 3, None)))
    refused(spoilt, AuditDamaged, rf"record 900, at byte {place}: cut off")
    os.truncate(path, place)
    refused(spoilt, AuditRolledBack, "it holds 899 records, its checkpoint says 900")
    (spoilt / "checkpoint").unlink()
    log = open_log(spoilt)
    assert log.size == 899, "what was signed is then known to the engine's mark alone"
    with pytest.raises(AuditRolledBack, match="it holds 899 records; the engine's mark of what it signed says 900"):
        log.require_behind(900, bytes(32))
    with pytest.raises(AuditRolledBack, match="its first 899 records are others than the engine's mark"):
        log.require_behind(899, bytes(32))
    log.require_behind(899, log.root())
    log.close()


def test_a_crash_between_two_segments_leaves_an_empty_one(spoilt: Path) -> None:
    log = open_log(spoilt)
    log.append(mixed(SEGMENT - RECORDS % SEGMENT))
    log.close()
    segment(spoilt, 4).touch()
    log = open_log(spoilt)
    assert (log.size, log.repaired) == (4 * SEGMENT, 0)
    assert log.append([stop()]) == 4 * SEGMENT + 1
    log.close()
    assert len(contents(spoilt)) == 4 * SEGMENT + 1


# What is derived


@pytest.mark.parametrize("name", ["level.0", "level.1", "offsets", "marks.json", "reserve", "lock", "level.7"])
def test_what_is_derived_is_made_anew(
    whole: Path, spoilt: Path, expected: list[tuple[bytes, bytes]], name: str
) -> None:
    path = spoilt / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    log = open_log(spoilt)
    assert log.repaired_levels == {"level.0": RECORDS, "level.1": 3}.get(name, 0)
    log.close()
    assert contents(spoilt) == expected
    before, after = files(whole), files(spoilt)
    assert before == after


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("how", ["cut", "zeros", "hole"])
def test_hashes_that_a_power_cut_took_are_made_anew(spoilt: Path, whole: Path, level: int, how: str) -> None:
    path = spoilt / f"level.{level}"
    length, count = path.stat().st_size, (150, 2)[level]
    os.truncate(path, length - count * 32)
    if how != "cut":
        os.truncate(path, length)
    if how == "hole":
        edit(path, lambda data: data.__setitem__(slice(-32, None), (whole / path.name).read_bytes()[-32:]))
    log = open_log(spoilt)
    assert log.repaired_levels == (count - 1 if how == "hole" else count)
    log.close()
    assert path.read_bytes() == (whole / path.name).read_bytes()


def test_a_level_with_zeros_behind_its_hashes_is_cut_to_length(spoilt: Path, whole: Path) -> None:
    for name in ("level.0", "level.1"):
        edit(spoilt / name, lambda data: data.extend(bytes(4096)))
    log = open_log(spoilt)
    assert log.repaired_levels == 0
    log.close()
    assert (spoilt / "level.0").read_bytes() == (whole / "level.0").read_bytes()
    assert (spoilt / "level.1").read_bytes() == (whole / "level.1").read_bytes()


# Damage of each kind


def swap_bytes(path: Path, left: slice, right: slice) -> None:
    def change(data: bytearray) -> None:
        data[left], data[right] = data[right], data[left]

    edit(path, change)


def drop_record(directory: Path) -> None:
    place = starts(directory, 1)
    edit(segment(directory, 1), lambda data: data.__delitem__(slice(place[10], place[11])))


def swap_records(directory: Path) -> None:
    place = starts(directory, 1)
    data = segment(directory, 1).read_bytes()
    a, b = data[place[10] : place[11]], data[place[11] : place[12]]
    segment(directory, 1).write_bytes(data[: place[10]] + b + a + data[place[12] :])


def double_record(directory: Path) -> None:
    place = starts(directory, 1)
    data = segment(directory, 1).read_bytes()
    segment(directory, 1).write_bytes(data[: place[11]] + data[place[10] :])


def one_too_many(directory: Path) -> None:
    log = records.encode(records.Stop(record=SEGMENT * 2 + 1, time="2026-01-01T00:00:00.000000Z", reason="x"))
    edit(segment(directory, 1), lambda data: data.extend(len(log).to_bytes(2, "big") + bytes(4) + log))


def other_tags(directory: Path) -> None:
    path = segment(directory, 0)
    place = starts(directory, 0)[4]  # record 4 has tags
    flip(path, place - 1)


def retyped(directory: Path) -> None:
    """The same record with a space in it, hashed anew: as JSON nothing has changed."""
    data = segment(directory, 3).read_bytes()
    start = starts(directory, 3)[-1]
    length = int.from_bytes(data[start : start + 2], "big")
    entry = data[start + 6 : start + 6 + length].replace(b",", b", ", 1)
    tail = data[start + 6 + length :]
    frame = len(entry).to_bytes(2, "big") + data[start + 2 : start + 6] + entry + tail
    segment(directory, 3).write_bytes(data[:start] + frame)
    edit(directory / "level.0", lambda level: level.__setitem__(slice(-32, None), leaf_hash(entry)))


DAMAGE: dict[str, tuple[Callable[[Path], object], type[AuditError], str]] = {
    "a record dropped": (drop_record, AuditDamaged, "000000001: record 267, at byte .*: it says that it is record 268"),
    "two records swapped": (swap_records, AuditDamaged, "record 267, .*: it says that it is record 268"),
    "a record twice": (double_record, AuditDamaged, "record 268, .*: it says that it is record 267"),
    "a record too many": (one_too_many, AuditDamaged, "000000001: record 513, .*: more than the 256 records"),
    "a tag altered": (other_tags, AuditDamaged, "record 4, .*: its subject tags are not those"),
    "a record spelled differently": (retyped, AuditDamaged, "record 1000, .*: not the canonical encoding"),
    "a middle segment missing": (lambda d: segment(d, 1).unlink(), AuditDamaged, "000000001: missing, between"),
    "the first segment missing": (lambda d: segment(d, 0).unlink(), AuditDamaged, "000000000: missing; .* not pruned"),
    "the last segment missing": (
        lambda d: segment(d, 3).unlink(),
        AuditRolledBack,
        "768 records, its checkpoint .*900",
    ),
    "all segments missing": (lambda d: shutil.rmtree(d / "entries"), AuditRolledBack, "0 records, its checkpoint"),
    "a segment emptied": (lambda d: os.truncate(segment(d, 1), 0), AuditDamaged, "record 257, at byte 0: missing"),
    "the last segment emptied": (lambda d: os.truncate(segment(d, 3), 0), AuditRolledBack, "768 records, its checkp"),
    "a segment cut": (lambda d: os.truncate(segment(d, 1), 9_999), AuditDamaged, "000000001: record .*: cut off"),
    "two segments swapped": (
        lambda d: (segment(d, 0).rename(d / "x"), segment(d, 1).rename(segment(d, 0)), (d / "x").rename(segment(d, 1))),
        AuditDamaged,
        "000000000: record 1, at byte 0: it says that it is record 257",
    ),
    "a segment copied": (
        lambda d: segment(d, 1).write_bytes(segment(d, 0).read_bytes()),
        AuditDamaged,
        "000000001: record 257, at byte 0: it says that it is record 1",
    ),
    "something else among the segments": (
        lambda d: (d / "entries" / "000000002.bak").touch(),
        AuditDamaged,
        "'000000002.bak' is no segment",
    ),
    "a segment of zeros": (
        lambda d: segment(d, 1).write_bytes(bytes(30_000)),
        AuditDamaged,
        "000000001: record 257, at byte 0: cut off, or no record at all",
    ),
    "a hash altered": (lambda d: flip(d / "level.0", 299 * 32), AuditDamaged, "record 300, .*: not what was hashed"),
    "two hashes swapped": (
        lambda d: swap_bytes(d / "level.0", slice(0, 32), slice(32, 64)),
        AuditDamaged,
        "record 1, .*: not what was hashed",
    ),
    "a hash above altered": (lambda d: flip(d / "level.1", 40), AuditDamaged, r"level\.1: hash 1 is not that of"),
    "a hash too many": (
        lambda d: edit(d / "level.0", lambda data: data.extend(b"x" * 32)),
        AuditRolledBack,
        r"fewer records than level\.0 has hashes \(1000 of 1001\)",
    ),
    "a hash too many above": (
        lambda d: edit(d / "level.1", lambda data: data.extend(b"x" * 32)),
        AuditRolledBack,
        r"fewer records than level\.1 has hashes \(3 of 4\)",
    ),
    "a level too many": (
        lambda d: (d / "level.2").write_bytes(b"x" * 32),
        AuditRolledBack,
        r"fewer records than level\.2 has hashes \(0 of 1\)",
    ),
    "another root signed": (
        lambda d: (d / "checkpoint").write_bytes(rendered(900, bytes(32))),
        AuditRolledBack,
        "its first 900 records are others than its checkpoint says: root .* instead of 0000",
    ),
    "another root cosigned": (
        lambda d: (d / "cosigned").write_bytes(rendered(800, bytes(32))),
        AuditRolledBack,
        "its first 800 records are others than its cosigned says",
    ),
    "more records signed": (
        lambda d: (d / "checkpoint").write_bytes(rendered(1_001, bytes(32))),
        AuditRolledBack,
        "it holds 1000 records, its checkpoint says 1001",
    ),
    "a checkpoint that is none": (lambda d: (d / "checkpoint").write_bytes(b""), AuditDamaged, "checkpoint: a note is"),
    "cosignatures that are none": (lambda d: (d / "cosigned").write_bytes(b"x\n\n"), AuditDamaged, "cosigned: "),
    "far too large a checkpoint": (
        lambda d: (d / "checkpoint").write_bytes(bytes(2_000_000)),
        AuditDamaged,
        "checkpoint: larger than",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_named_and_left_as_it_is(spoilt: Path, name: str) -> None:
    spoil, kind, said = DAMAGE[name]
    spoil(spoilt)
    refused(spoilt, kind, said)


def sampled(directory: Path, each: int) -> Iterator[tuple[str, int, int]]:
    """Every file, and places in it: its ends and some between."""
    chance = random.Random(20260401)
    for name, data in files(directory).items():
        if data and name != "reserve":
            places = {0, 1, 5, 6, len(data) - 1, *(chance.randrange(len(data)) for _ in range(each))}
            yield from ((name, place, chance.randrange(8)) for place in sorted(places & set(range(len(data)))))


HARMLESS = ("offsets", "marks.json")


def test_a_flipped_bit_in_any_file_is_refused_or_harmless(
    whole: Path, spoilt: Path, expected: list[tuple[bytes, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for name, place, bit in sampled(whole, 25):
        flip(spoilt / name, place, bit)
        try:
            log = open_log(spoilt)
        except AuditError as error:
            assert str(spoilt) in error.message
            assert not name.startswith(HARMLESS), (name, place, bit)
        else:
            assert name.startswith(HARMLESS) or (name in ("checkpoint", "cosigned")), (name, place, bit)
            assert [(log.entry(n), log.tags(n)) for n in range(1, RECORDS + 1, 37)] == expected[::37]
            assert log.root() == naive_root([entry for entry, _ in expected])
            log.close()
        for path in (name, "marks.json"):
            (spoilt / path).write_bytes((whole / path).read_bytes())


def test_a_flipped_bit_in_a_signed_text_is_caught_or_is_in_its_name_or_signature(spoilt: Path) -> None:
    """Name and signature are verified by who knows the log's keys: the daemon and the witnesses."""
    data = (spoilt / "checkpoint").read_bytes()
    _, size, root, *_ = data.split(b"\n")
    place = data.index(size + b"\n" + root)
    for index in range(place, place + len(size + root) + 1):
        for bit in range(8) if index < place + len(size) else (index % 8,):
            flip(spoilt / "checkpoint", index, bit)
            with pytest.raises((AuditRolledBack, AuditDamaged), match="checkpoint"):
                open_log(spoilt)
            (spoilt / "checkpoint").write_bytes(data)


def test_an_older_copy_of_the_whole_folder_is_known_to_the_engine_only(
    spoilt: Path, expected: list[tuple[bytes, bytes]]
) -> None:
    old = copy(spoilt, spoilt.parent / "old")
    log = open_log(spoilt)
    log.append(mixed(50))
    head = log.head()
    log.store_checkpoint(checkpoint(log))
    log.close()
    copy(old, spoilt)
    log = open_log(spoilt)
    assert log.size == RECORDS, "nothing in it contradicts itself"
    with pytest.raises(AuditRolledBack, match="it holds 1000 records; the engine's mark .* says 1050") as caught:
        log.require_behind(*head)
    assert "keep the folder as evidence" in str(caught.value.hint)
    log.append(mixed(70))
    with pytest.raises(AuditRolledBack, match="its first 1050 records are others"):
        log.require_behind(*head)
    log.close()


def test_single_files_of_an_older_copy_are_noticed(spoilt: Path) -> None:
    old = copy(spoilt, spoilt.parent / "old")
    log = open_log(spoilt)
    log.append(mixed(400))
    log.store_checkpoint(checkpoint(log))
    log.close()
    new = copy(spoilt, spoilt.parent / "new")
    told = {
        "entries/000000003": "000000003: record 1001, at byte .*: missing, though there is a later segment",
        "level.0": None,
        "level.1": None,
        "checkpoint": None,  # an older signed state of the same log
        "marks.json": None,
    }
    for name, said in told.items():
        (spoilt / name).write_bytes((old / name).read_bytes())
        if said is None:
            open_log(spoilt).close()
        else:
            refused(spoilt, AuditDamaged, said)
        (spoilt / name).write_bytes((new / name).read_bytes())


# Only the newest segments are read


def older(directory: Path, segments: int) -> None:
    """A log of that many whole segments and a bit, everything signed."""
    fill(directory, segments * SEGMENT + 10, group=1_000)
    log = open_log(directory)
    log.store_checkpoint(checkpoint(log))
    log.close()


def test_the_newest_segments_are_read_in_full_and_the_others_are_left(tmp_path: Path) -> None:
    older(tmp_path, 12)
    flip(segment(tmp_path, 4), starts(tmp_path, 4)[1] - 3)
    log = open_log(tmp_path)
    assert log.unread == range(5)
    with pytest.raises(AuditDamaged, match="record 1025: "):
        log.entry(1_025)
    log.close()
    flip(segment(tmp_path, 5), starts(tmp_path, 5)[1] - 3)
    with pytest.raises(AuditDamaged, match="000000005: record 1281"):
        open_log(tmp_path)


def test_large_segments_are_read_only_as_far_as_a_start_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older(tmp_path, 6)
    sizes = [segment(tmp_path, number).stat().st_size for number in range(7)]
    for most, unread in ((sum(sizes[3:]), 3), (sum(sizes[3:]) - 1, 4), (1, 5)):
        monkeypatch.setattr(opening, "MOST_BYTES", most)
        log = open_log(tmp_path)
        assert log.unread == range(unread)
        log.close()


def test_missing_hashes_make_older_segments_be_read_too(tmp_path: Path) -> None:
    older(tmp_path, 12)
    levels = {name: data for name, data in files(tmp_path).items() if name.startswith("level")}
    os.truncate(tmp_path / "level.0", 700 * 32)
    os.truncate(tmp_path / "level.1", 5 * 32)
    log = open_log(tmp_path)
    assert log.unread == range(2)
    assert log.repaired_levels == (12 * SEGMENT + 10 - 700) + 7
    log.close()
    assert {name: data for name, data in files(tmp_path).items() if name.startswith("level")} == levels


def test_missing_hashes_above_are_made_from_those_below(tmp_path: Path) -> None:
    older(tmp_path, 12)
    level = (tmp_path / "level.1").read_bytes()
    os.truncate(tmp_path / "level.1", 2 * 32)
    log = open_log(tmp_path)
    assert (log.unread, log.repaired_levels) == (range(5), 10)
    log.close()
    assert (tmp_path / "level.1").read_bytes() == level


def test_hashes_of_older_segments_that_were_changed_do_not_fit_the_root(tmp_path: Path) -> None:
    older(tmp_path, 12)
    flip(tmp_path / "level.1", 2 * 32)
    with pytest.raises(AuditRolledBack, match="its first 3082 records are others than its checkpoint says"):
        open_log(tmp_path)


def test_a_system_that_refuses_is_told_from_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 300)

    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(AuditUnusable, match=r"Input/output error"):
        open_log(tmp_path)
