"""The index of subject tags: complete or refused, whatever happens to its files, its disk and its log."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from auditkit import SEGMENT, conversion, open_log
from tagkit import SMALL, ListLog, add, alike, caught_up, filled, find, run_files, tag, wait_for

from appliance.audit import records
from appliance.audit.entries import Item
from appliance.audit.errors import AuditError, AuditUnusable
from appliance.audit.tagindex import keeper as tagkeeper
from appliance.audit.tagindex.background import NICENESS
from appliance.audit.tagindex.index import IndexBehind, TagIndex


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine is switched off here, disks are slow, and nobody likes to wait for the next try."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(tagkeeper, "RETRY_SECONDS", 0.002)
    monkeypatch.setattr(tagkeeper, "MERGE_AGAIN_SECONDS", 0.0)


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def index(tmp_path: Path, log: ListLog) -> Iterator[TagIndex]:
    with contextlib.closing(TagIndex.open(tmp_path / "tags", log, shape=SMALL)) as opened:
        yield opened


# ── Looking up ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_persons_records_are_found_newest_first(index: TagIndex, log: ListLog) -> None:
    add(index, log, tag(1), b"", tag(2) + tag(1), tag(3), tag(1) + tag(2) + tag(1))
    assert find(index, [tag(1)]) == [5, 3, 1]
    assert find(index, [tag(1)], limit=2) == [5, 3]
    assert find(index, [tag(1)], before=3) == [1]
    assert find(index, [tag(1)], before=5, limit=1) == [3]
    assert find(index, [tag(3), tag(2)]) == [5, 4, 3]
    assert find(index, [tag(9)]) == find(index, []) == find(index, [tag(1)], limit=0) == []
    assert find(index, [tag(1)], before=0) == find(index, [tag(1)], before=-5) == []
    assert find(index, [tag(1)], before=2) == [1]
    assert find(index, [tag(1)], before=2**70, limit=1) == [5]
    assert (index.indexed, index.tags, index.trouble, index.rebuilt_reason) == (5, 7, None, None)


def test_tags_that_begin_alike_are_candidates_of_each_other(index: TagIndex, log: ListLog) -> None:
    add(index, log, tag(1), alike(tag(1)), tag(2))
    index.flush()
    assert find(index, [tag(1)]) == find(index, [alike(tag(1))]) == [2, 1]


def test_a_tag_of_another_length_is_refused(index: TagIndex) -> None:
    with pytest.raises(ValueError, match="a subject tag has 16 bytes, not 8"):
        index.find([b"x" * 8])
    with pytest.raises(ValueError, match="subject tags have 16 bytes each; 24 bytes are not a multiple"):
        index.add(1, b"x" * 24)
    assert index.indexed == 0


def test_records_are_found_while_they_are_written_and_merged(index: TagIndex, log: ListLog) -> None:
    """From chunk to run to merged run, nothing is away for a moment, and nothing is there twice."""
    numbers = random.Random(4)
    for _ in range(400):
        add(index, log, b"".join(tag(numbers.randrange(6)) for _ in range(numbers.randrange(4))))
        asked = [tag(numbers.randrange(6))]
        assert find(index, asked) == log.truth(asked)


def test_a_record_may_have_more_tags_than_a_chunk(index: TagIndex, log: ListLog) -> None:
    add(index, log, tag(1), b"".join(map(tag, range(20))), tag(2))
    assert find(index, [tag(1)]) == [2, 1]
    index.flush()
    assert find(index, [tag(2)]) == [3, 2]


def test_finders_see_all_that_was_added_before_they_asked(index: TagIndex, log: ListLog) -> None:
    done = threading.Event()
    wrong: list[str] = []

    def ask() -> None:
        while not done.is_set():
            known = log.size - 1
            with contextlib.suppress(IndexBehind):
                found = index.find([tag(0)], limit=10_000)
                if [number for number in found if number <= known] != list(range(known, 0, -1)):
                    wrong.append(f"{found} of {known}")

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for _ in range(300):
        add(index, log, tag(0))
    done.set()
    for asker in askers:
        asker.join()
    assert not wrong


# ── Staying and coming back ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_closed_is_there_again(tmp_path: Path, log: ListLog) -> None:
    filled(tmp_path, log)
    log.wrong = AuditError("nothing is to be read again")
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        assert (index.indexed, index.rebuilt_reason) == (30, None)
        assert find(index, [tag(3)]) == log.truth([tag(3)])


def test_what_was_not_written_is_read_from_the_log(tmp_path: Path, log: ListLog) -> None:
    filled(tmp_path, log)
    for number in range(25):
        log.append(tag(number % 7))
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        assert find(index, [tag(3)]) == log.truth([tag(3)])
        assert index.indexed == 55


def test_while_records_are_missing_nothing_is_answered(tmp_path: Path) -> None:
    log = ListLog([tag(1)] * 9)
    log.wrong = AuditError("the log is busy")
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        wait_for(lambda: index.trouble is not None)
        with pytest.raises(IndexBehind) as caught:
            index.find([tag(1)])
        assert caught.value.message == "the index of subject tags lacks records 1 to 9: the log is busy"
        assert caught.value.hint == "it reads them from the log by itself; ask again in a while"
        log.wrong = None
        assert find(index, [tag(1)]) == list(range(9, 0, -1))
        wait_for(lambda: index.trouble is None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"),
        (RuntimeError("a mistake"), "RuntimeError: a mistake"),
    ],
)
def test_whatever_reading_the_log_raises_is_said_and_tried_again(tmp_path: Path, wrong: Exception, said: str) -> None:
    log = ListLog([tag(1)] * 3)
    log.wrong = wrong
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        wait_for(lambda: index.trouble == said)
        log.wrong = None
        assert find(index, [tag(1)]) == [3, 2, 1]
        wait_for(lambda: index.trouble is None)


def test_what_expires_while_the_log_cannot_be_read_is_missed_no_more(tmp_path: Path) -> None:
    log = ListLog([tag(1)] * 9)
    log.wrong = AuditError("the log is busy")
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        wait_for(lambda: index.trouble is not None)
        log.first = 6  # and nobody has told the index yet
        log.wrong = None
        assert find(index, [tag(1)]) == [9, 8, 7, 6]


def test_a_record_out_of_turn_is_read_from_the_log(index: TagIndex, log: ListLog) -> None:
    for tags in (tag(1), tag(2), tag(1)):
        log.append(tags)
    index.add(3, tag(1))
    assert find(index, [tag(1)]) == [3, 1]
    index.add(2, tag(9))  # known already
    assert find(index, [tag(9)]) == []


def test_a_record_that_the_log_does_not_give_is_missed(index: TagIndex, log: ListLog) -> None:
    index.add(7, tag(1))
    wait_for(lambda: index.trouble == "EOFError: the log gives no record 1")
    with pytest.raises(IndexBehind, match="lacks records 1 to 7"):
        index.find([tag(1)])


def test_numbers_beyond_an_entrys_room_are_never_taken(index: TagIndex) -> None:
    index._tags.prune(2**40)  # as if all before were expired
    index.add(2**40, tag(1))
    with pytest.raises(IndexBehind, match=f"lacks records {2**40} to {2**40}"):
        index.find([tag(1)])


def test_the_folder_must_be_usable(tmp_path: Path, log: ListLog) -> None:
    (tmp_path / "tags").write_text("a file")
    with pytest.raises(AuditUnusable) as caught:
        TagIndex.open(tmp_path / "tags", log)
    assert caught.value.message == f"index of subject tags {tmp_path / 'tags'}: File exists"
    assert caught.value.hint is not None
    assert "may be removed as a whole" in caught.value.hint


def test_the_keeper_gives_way_to_others(index: TagIndex) -> None:
    def priorities() -> list[int]:
        threads = [thread.native_id for thread in threading.enumerate() if thread.name == "tags"]
        return [os.getpriority(os.PRIO_PROCESS, number) for number in threads if number is not None]

    wait_for(lambda: priorities() == [min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)])


def test_it_follows_the_audit_log(tmp_path: Path) -> None:
    """Fed as it is written, read again after the index was lost, and pruned."""
    with contextlib.closing(open_log(tmp_path)) as log:
        with contextlib.closing(TagIndex.open(tmp_path / "tags", log, shape=SMALL)) as index:
            for number in range(2 * SEGMENT):
                item = conversion("reference", [tag(number % 9), tag(100 + number)])
                index.add(log.append([item]), item.tags)
            assert find(index, [tag(3)], limit=3) == [508, 499, 490]
            caught_up(index, log)
        shutil.rmtree(tmp_path / "tags")
        with contextlib.closing(TagIndex.open(tmp_path / "tags", log, shape=SMALL)) as index:
            assert find(index, [tag(3)], limit=3) == [508, 499, 490]
            index.add(log.append([Item(records.Pruned(first=SEGMENT + 1))]), b"")
            index.prune(log.first)
            found = find(index, [tag(3)], limit=1000)
            assert found == [number for number in range(508, SEGMENT, -9)]
            assert all(log.tags(number).startswith(tag(3)) for number in found)


# ── Expiry ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_expired_records_are_never_given_and_leave_the_disk(tmp_path: Path, index: TagIndex, log: ListLog) -> None:
    add(index, log, *[tag(1)] * 12)
    index.flush()
    log.first = 6
    index.prune(6)
    assert find(index, [tag(1)]) == list(range(12, 5, -1))
    index.prune(3)  # never back
    assert find(index, [tag(1)]) == list(range(12, 5, -1))
    index.prune(13)
    wait_for(lambda: not run_files(tmp_path / "tags"))
    assert (find(index, [tag(1)]), index.tags, index.indexed) == ([], 0, 12)
    log.first = 13
    add(index, log, tag(1))
    assert find(index, [tag(1)]) == [13]


def test_merging_leaves_expired_entries_out(tmp_path: Path, log: ListLog) -> None:
    filled(tmp_path, log, 4)
    log.first = 2
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        add(index, log, *(tag(number % 7) + tag(number % 5) for number in range(8)))
        index.flush()
        wait_for(lambda: len(run_files(tmp_path)) == 2)
        assert index.tags == 22


def test_what_expired_while_it_was_missing_is_missed_no_more(tmp_path: Path, log: ListLog) -> None:
    filled(tmp_path, log)
    for number in range(25):
        log.append(tag(number % 7))
    log.first = 50
    with contextlib.closing(TagIndex.open(tmp_path, log, shape=SMALL)) as index:
        assert index.rebuilt_reason is None
        assert find(index, [tag(1)]) == log.truth([tag(1)])
        assert min(log.truth([tag(1), tag(2), tag(3)])) >= 50
