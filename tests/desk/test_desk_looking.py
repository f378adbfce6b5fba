"""One look: what is new and verified becomes the view; a fork is an alarm with evidence, and stays one."""

from __future__ import annotations

from pathlib import Path

import pytest
from deskkit import looking_at
from logkit import Log, thousand
from reportworld import book, order
from reportworld import orders as spring_orders

from appliance.desk.errors import AlarmStands, RecordNotHere
from appliance.desk.looking import Looking
from appliance.desk.onerecord import Reader
from appliance.desk.orderfolder import OrderFolder
from appliance.ledger.actions import Suspend
from appliance.ledger.chain import verify_entries
from appliance.ledger.errors import LedgerError
from appliance.oversight import trust as trusts
from appliance.oversight.copy import Copy
from appliance.oversight.errors import CheckpointRefused, LogForked, LogShrunk, PieceWrong, RecordWrong
from appliance.oversight.report.moments import Clock
from appliance.oversight.trust import Trust
from appliance.tlog import merkle

TOKYO = Clock.named("Asia/Tokyo")


def _trusted(log: Log) -> Trust:
    return trusts.of(log.book.files, log.book.anchor)


def test_the_view_is_that_of_the_newest_checkpoint(tmp_path: Path) -> None:
    log = thousand()
    looking = looking_at(tmp_path / "state", log)
    first = looking.at(Copy(log.write(tmp_path / "a", 400)))
    assert first is not None
    assert (first.evidence.checkpoint.size, first.statistics.records) == (400, 400)
    second = looking.at(Copy(log.write(tmp_path / "b", 1_000, cosigned=900)))
    assert second is not None
    assert (second.evidence.checkpoint, second.statistics.records) == (log.checkpoint(1_000), 1_000)
    assert [one.size for one in second.evidence.witnesses] == [900, 900]
    assert [check.judgement for check in second.evidence.checks] == ["good"] * 5
    assert second.note == log.note(1_000)
    assert Copy(looking.copy_folder).checkpoint() == log.note(1_000)


def test_a_look_at_the_same_log_is_the_same_view(tmp_path: Path) -> None:
    log = thousand()
    looking = looking_at(tmp_path / "state", log)
    source = Copy(log.write(tmp_path / "a"))
    assert looking.at(source) is looking.at(source)


def test_a_new_cosignature_is_seen_although_the_log_has_not_grown(tmp_path: Path) -> None:
    log = thousand()
    looking = looking_at(tmp_path / "state", log)
    looking.at(Copy(log.write(tmp_path / "a")))
    view = looking.at(Copy(log.write(tmp_path / "a", cosigned=1_000)))
    assert view is not None
    assert [one.time for one in view.evidence.witnesses] == [1_775_100_000] * 2


def test_a_ledger_that_has_grown_is_verified_anew(tmp_path: Path) -> None:
    log = thousand()
    looking = looking_at(tmp_path / "state", log)
    first = looking.at(Copy(log.write(tmp_path / "a")))
    log.book.add([Suspend(generation="sspin.B.1")])
    log.load()
    second = looking.at(Copy(log.write(tmp_path / "b")))
    assert first is not None
    assert second is not None
    assert (len(first.evidence.entries), len(second.evidence.entries)) == (2, 3)
    assert [check.judgement for check in second.evidence.checks if check.name == "heads"] == ["good"]


def test_a_restart_begins_with_the_copy(tmp_path: Path) -> None:
    """Without any daemon; and what was there is not fetched again."""
    log = thousand()
    looking_at(tmp_path / "state", log).at(Copy(log.write(tmp_path / "a", 900)))
    again = looking_at(tmp_path / "state", log)
    view = again.from_copy()
    assert view is not None
    assert view.statistics.records == 900
    source = Copy(log.write(tmp_path / "a"))
    (tmp_path / "a/tile/entries/000").unlink()  # it has that one
    view = again.at(source)
    assert view is not None
    assert view.statistics.records == 1_000
    assert looking_at(tmp_path / "nothing", log).from_copy() is None


def test_a_copy_that_was_changed_is_refused_at_the_start(tmp_path: Path) -> None:
    log = thousand()
    looking = looking_at(tmp_path / "state", log)
    looking.at(Copy(log.write(tmp_path / "a")))
    path = looking.copy_folder / "tile/entries/001"
    path.write_bytes(path.read_bytes().replace(b'"uid":1001', b'"uid":1002', 1))
    again = looking_at(tmp_path / "state", log)
    for look in (again.from_copy, lambda: again.at(Copy(tmp_path / "a"))):
        with pytest.raises(PieceWrong, match=r"tile/entries/001 entry 0 \(record 257\)"):
            look()


def test_a_fork_is_an_alarm_that_stays_until_somebody_settles_it(tmp_path: Path) -> None:
    log = thousand()
    looking = looking_at(tmp_path / "state", log)
    view = looking.at(Copy(log.write(tmp_path / "a", 900)))
    other = log.fork()
    del other.entries[500:], other.leaves[500:]
    other.convert(3, reference="another history")
    other.grow(1_000)
    looking.require_calm()
    with pytest.raises(LogForked, match=r"the log was forked: size 900") as raised:
        looking.at(Copy(other.write(tmp_path / "b")))
    assert "remove" in str(raised.value.hint)
    evidence = tmp_path / "state/evidence/0001"
    assert (evidence / "seen.note").read_bytes() == log.note(900)
    assert (evidence / "offered.note").read_bytes() == other.note()
    for one in (looking, looking_at(tmp_path / "state", log)):
        with pytest.raises(AlarmStands, match="the log was forked: size 900"):
            one.require_calm()
    assert view is not None
    assert view.statistics.records == 900
    (tmp_path / "state/alarm").unlink()
    looking.require_calm()
    assert evidence.is_dir()


def test_a_log_that_shrank_is_one_as_well(tmp_path: Path) -> None:
    log = thousand()
    looking = looking_at(tmp_path / "state", log)
    looking.at(Copy(log.write(tmp_path / "a")))
    with pytest.raises(LogShrunk, match="the log shrank: size 1000"):
        looking.at(Copy(log.write(tmp_path / "b", 999)))
    with pytest.raises(AlarmStands):
        looking.require_calm()


def test_what_nobody_signed_is_refused(tmp_path: Path) -> None:
    log, stranger = thousand(), Log(generation="log.9")
    stranger.start()
    with pytest.raises(LedgerError):
        Looking(tmp_path, "0" * 64, TOKYO, OrderFolder(None)).at(Copy(log.write(tmp_path / "a")))
    other = Log(name="Main")
    other.start()
    with pytest.raises(CheckpointRefused):
        looking_at(tmp_path / "s", other).at(Copy(other.write(tmp_path / "b")))
    with pytest.raises(Exception, match="not signed"):
        looking_at(tmp_path / "s", stranger).at(Copy(stranger.write(tmp_path / "c")))
    assert not (tmp_path / "s/copy/checkpoint").exists()


def test_orders_are_read_again_when_their_folder_changes(tmp_path: Path) -> None:
    held = tmp_path / "orders"
    held.mkdir()
    log = Log(book=book(), generation="log.2")
    log.start()
    looking = looking_at(tmp_path / "state", log, held)
    source = Copy(log.write(tmp_path / "a"))
    view = looking.at(source)
    assert view is not None
    assert (view.orders, view.strange) == ({}, ())
    for name, data in spring_orders().items():
        (held / name).write_bytes(data)
    (held / "broken.order.cms").write_bytes(b"no order")
    (held / "notes.txt").write_text("not looked at")
    view = looking.at(source)
    assert view is not None
    assert order("令和8年(フ)第17号", 60, 20, 50)[0] in view.orders
    assert len(view.orders) == 2
    assert [one.partition(":")[0] for one in view.strange] == ["broken.order.cms"]
    (held / "case-17.order.cms").unlink()
    again = looking.at(source)
    assert again is not None
    assert len(again.orders) == 1
    assert again.statistics is view.statistics


def test_a_folder_of_orders_that_is_not_there_is_told(tmp_path: Path) -> None:
    entries = verify_entries(book().files, book().anchor)
    assert OrderFolder(tmp_path / "none").read(entries)[1] == (f"{tmp_path / 'none'}: No such file or directory",)


@pytest.mark.parametrize("number", [1, 256, 257, 999, 1_000])
def test_a_record_is_proven_by_hand(number: int, tmp_path: Path) -> None:
    """The proof, folded up here by RFC 9162 from the record's own bytes, gives the checkpoint's root."""
    log = thousand()
    proven = Reader(Copy(log.write(tmp_path)), _trusted(log)).read(number)
    assert proven.entry == log.entries[number - 1]
    assert proven.record.record == number
    merkle.verify_inclusion(merkle.leaf_hash(proven.entry), number - 1, 1_000, proven.proof, log.root())


def test_a_record_that_is_not_there_or_not_the_logs_is_refused(tmp_path: Path) -> None:
    log = thousand()
    copy = Copy(log.write(tmp_path))
    for number in (0, 1_001):
        with pytest.raises(RecordNotHere, match="the copy goes up to 1000"):
            Reader(copy, _trusted(log)).read(number)
    path = tmp_path / "tile/entries/000"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"case-9", b"case-8", 1))
    with pytest.raises(PieceWrong):
        Reader(copy, _trusted(log)).read(9)
    path.unlink()
    with pytest.raises(RecordNotHere, match="removed after its retention"):
        Reader(copy, _trusted(log)).read(9)
    log.append(log.entries[4])
    with pytest.raises(RecordWrong, match="says it is record 5"):
        Reader(Copy(log.write(tmp_path / "double")), _trusted(log)).read(1_001)
