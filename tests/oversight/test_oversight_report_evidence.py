"""What the report proves of a copy, and that it says so at its top when something in it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import logkit
import msgspec
import pytest
from ledgerkit import Book, first_keys, make_found, service_keys, signer
from logkit import Log, put, witness_keys
from reportkit import NOW, sample
from reportreading import read
from reportworld import day_at, orders, second_order

from appliance.audit import records
from appliance.ledger import cms
from appliance.ledger.errors import LedgerError, OrderUnsigned, WrongAnchor
from appliance.oversight.copy import Copy
from appliance.oversight.errors import FolderUnusable, PieceMissing, PieceWrong
from appliance.oversight.report.checks import MOST_PLACES, Check
from appliance.oversight.report.errors import PeriodEmpty, TimeZoneUnknown
from appliance.oversight.report.make import Report, Wanted, make
from appliance.oversight.report.orders import HeldOrder, open_order
from appliance.oversight.report.witnesses import freshness
from appliance.oversight.report.words import Words
from appliance.oversight.trust import Trust, of
from appliance.tlog.tiles import ENTRIES, Tile

LATE = datetime(2026, 4, 3, tzinfo=UTC)


def reported(folder: Path, log: Log, **wanted: object) -> Report:
    return make(folder, log.book.anchor, Wanted(**wanted), now=LATE)  # type: ignore[arg-type]


def checks(made: Report) -> dict[str, Check]:
    return {check.name: check for check in made.evidence.checks}


def judged(made: Report) -> dict[str, str]:
    return {name: check.judgement for name, check in checks(made).items()}


GOOD = {"ledger": "good", "checkpoint": "good", "records": "good", "heads": "good"}


def test_of_a_whole_copy_everything_holds(log: Log, tmp_path: Path) -> None:
    made = reported(log.write(tmp_path, cosigned=1_000), log)
    assert judged(made) == {**GOOD, "cosigned": "good"}
    assert checks(made)["records"].amounts == {"proven": 1_000, "size": 1_000, "pruned": 0}
    assert made.evidence.sound
    page = read(made.page)
    assert Words("en")("check.sound") in page.words
    assert f"appliance oversight verify {tmp_path} --anchor {log.book.anchor}" in page.words


def test_without_cosignatures_nothing_is_wrong_but_it_is_said(log: Log, tmp_path: Path) -> None:
    made = reported(log.write(tmp_path), log)
    assert judged(made)["cosigned"] == "open"
    assert made.evidence.sound
    assert "Co-signed with 0 of the 2 keys" in read(made.page).words


@pytest.mark.parametrize("position", [0, 1, 700, 20_000, -1])
@pytest.mark.parametrize("name", ["tile/entries/000", "tile/entries/003.p/232", "tile/0/001", "tile/1/000.p/3"])
def test_a_flipped_bit_is_named_and_the_rest_is_still_shown(log: Log, tmp_path: Path, name: str, position: int) -> None:
    log.write(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[position % len(data)] ^= 4
    (tmp_path / name).write_bytes(data)
    made = reported(tmp_path, log)
    assert judged(made)["records"] == "bad"
    assert not made.evidence.sound
    places = " ".join(checks(made)["records"].places)
    assert name in places
    words = read(made.page).words
    assert Words("en")("check.unsound") in words
    assert name in words
    assert made.statistics.records >= 700


def test_records_in_each_others_place_are_not_counted(log: Log, tmp_path: Path) -> None:
    log.entries[10], log.entries[11] = log.entries[11], log.entries[10]
    log.leaves[10], log.leaves[11] = log.leaves[11], log.leaves[10]
    made = reported(log.write(tmp_path), log)
    assert checks(made)["unreadable"].amounts == {"count": 2}
    assert "tile/entries/000 entry 10 (record 11): says it is record 12" in checks(made)["unreadable"].places
    assert made.statistics.records == 998


def test_an_entry_that_is_no_record_or_has_no_time_is_not_counted(log: Log, tmp_path: Path) -> None:
    log.append(b"{}")
    log.add(records.Stop(reason="x"), time="2026-02-31T00:00:00.000000Z")
    made = reported(log.write(tmp_path), log)
    assert checks(made)["unreadable"].amounts == {"count": 2}
    assert made.statistics.records == 1_000
    assert judged(made)["records"] == "good"  # they are what the log holds


def test_a_bundle_that_is_missing_in_the_middle_is_named(log: Log, tmp_path: Path) -> None:
    log.write(tmp_path)
    (tmp_path / "tile/entries/001").unlink()
    made = reported(tmp_path, log)
    assert checks(made)["records"].places == ("tile/entries/001: is missing",)
    assert checks(made)["records"].amounts["proven"] == 744


@pytest.mark.parametrize(("first", "judgement"), [(257, "good"), (200, "bad")])
def test_old_records_may_be_missing_only_as_far_as_the_log_says_so(
    log: Log, tmp_path: Path, first: int, judgement: str
) -> None:
    log.add(records.Pruned(first=first))
    log.write(tmp_path)
    (tmp_path / Tile(ENTRIES, 0).path).unlink()
    made = reported(tmp_path, log)
    check = checks(made)["records_pruned"]
    assert (check.judgement, check.amounts["pruned"]) == (judgement, 256)
    if judgement == "bad":
        assert check.places == ("records 200 to 256: no `pruned` record says why",)


def test_a_checkpoint_by_another_key_is_not_believed(log: Log, tmp_path: Path) -> None:
    log.write(tmp_path)
    put(tmp_path / "checkpoint", logkit.sign(log.checkpoint(), "log.7"))
    made = reported(tmp_path, log)
    assert judged(made) == {**GOOD, "checkpoint": "bad", "cosigned": "open"}
    assert "has no valid signature by a key of the ledger" in read(made.page).words


def test_a_checkpoint_over_another_root_makes_every_record_unproven(log: Log, tmp_path: Path) -> None:
    other = log.fork()
    other.entries[5], other.leaves[5] = other.entries[6], other.leaves[6]
    log.write(tmp_path)
    put(tmp_path / "checkpoint", other.note())
    made = reported(tmp_path, log)
    assert checks(made)["records"].amounts["proven"] == 0
    assert "these tiles do not give the checkpoint's root" in checks(made)["records"].places[0]
    assert made.statistics.records == 1_000  # still to be looked at


def test_a_state_that_the_ledger_never_had_is_named(log: Log, tmp_path: Path) -> None:
    log.add(records.LedgerLoaded(sequence=2, head="ab" * 32))
    log.add(records.LedgerLoaded(sequence=9, head="cd" * 32))
    made = reported(log.write(tmp_path), log)
    assert checks(made)["heads"].places == (
        "record 1001: entry 2, head abababababababab",
        "record 1002: entry 9, head cdcdcdcdcdcdcdcd",
    )


def test_a_wrong_cosignature_is_named_and_an_older_checkpoint_counts(log: Log, tmp_path: Path) -> None:
    log.write(tmp_path, cosigned=600)
    made = reported(tmp_path, log)
    assert [(one.size, one.kind) for one in made.evidence.witnesses] == [(600, "Ed25519"), (600, "ML-DSA-44")]
    lines = witness_keys().cosign(log.checkpoint(600), 1_775_100_000)
    put(tmp_path / "checkpoint", log.note(1_000, lines))
    wrong = reported(tmp_path, log)
    assert judged(wrong)["cosigned"] == "bad"
    assert "does not fit the checkpoint of size 1000" in checks(wrong)["cosigned"].places[0]


@pytest.mark.parametrize(("newest", "size"), [(1_775_100_500, 1_000), (1_775_099_000, 600)])
def test_the_newest_cosignature_counts_wherever_it_is(log: Log, tmp_path: Path, newest: int, size: int) -> None:
    log.write(tmp_path, cosigned=600)
    put(tmp_path / "checkpoint", log.cosigned(1_000, newest))
    made = reported(tmp_path, log)
    assert [one.size for one in made.evidence.witnesses] == [size, size]


def test_a_cosignature_on_a_fork_does_not_count(log: Log, tmp_path: Path) -> None:
    fork = log.fork()
    fork.entries[5], fork.leaves[5] = fork.entries[6], fork.leaves[6]
    log.write(tmp_path)
    put(tmp_path / "cosigned", fork.cosigned(800))
    made = reported(tmp_path, log)
    assert [one.time for one in made.evidence.witnesses] == [None, None]


def test_freshness_is_told_against_the_policys_thresholds() -> None:
    words = read(sample().report().page).words
    assert "warns after 8 h" in words
    assert "refuses after 1 d" in words
    assert "7 h 22 min" in words


@pytest.mark.parametrize(
    ("age", "warn", "refuse", "judged_as"),
    [
        (10, 20, 30, "fresh"),
        (20, 20, 30, "fresh"),
        (21, 20, 30, "late"),
        (31, 20, 30, "overdue"),
        (31, None, 30, "overdue"),
        (31, 20, None, "late"),
        (31, None, None, "undemanded"),
        (None, 20, 30, "none"),
    ],
)
def test_freshness(age: int | None, warn: int | None, refuse: int | None, judged_as: str) -> None:
    assert freshness(None if age is None else 1_000 - age, 1_000.0, warn, refuse) == judged_as


def test_the_ledger_must_be_verified_or_there_is_no_report(log: Log, tmp_path: Path) -> None:
    log.write(tmp_path)
    with pytest.raises(WrongAnchor, match="the trust anchor is"):
        make(tmp_path, "ab" * 32, Wanted())
    name = tmp_path / "ledger" / "000002.outcome.cms"
    name.write_bytes(name.read_bytes()[:-1])
    with pytest.raises(LedgerError, match=r"000002\.outcome\.cms"):
        reported(tmp_path, log)


def test_a_folder_without_a_checkpoint_is_no_copy(log: Log, tmp_path: Path) -> None:
    log.write(tmp_path)
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(PieceMissing, match="checkpoint: is missing"):
        reported(tmp_path, log)
    with pytest.raises(FolderUnusable, match="no such folder"):
        reported(tmp_path / "nowhere", log)


def test_progress_is_told_bundle_by_bundle(log: Log, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    make(log.write(tmp_path), log.book.anchor, Wanted(), progress=lambda done, size: told.append((done, size)))
    assert told == [(256, 1_000), (512, 1_000), (768, 1_000), (1_000, 1_000)]


def test_a_period_without_records_and_a_time_zone_that_is_none(log: Log, tmp_path: Path) -> None:
    log.write(tmp_path)
    with pytest.raises(PeriodEmpty, match="no record in this period"):
        reported(tmp_path, log, first=datetime(2030, 1, 1, tzinfo=UTC).date())
    with pytest.raises(PeriodEmpty, match="ends on 2026-04-01, before it begins on 2026-04-02"):
        day = datetime(2026, 4, 2, tzinfo=UTC).date()
        reported(tmp_path, log, first=day, last=day.replace(day=1))
    for name in ("Asia/Edo", "../../etc/passwd", ""):
        with pytest.raises(TimeZoneUnknown, match="this machine knows no time zone"):
            reported(tmp_path, log, timezone=name)


def test_a_period_is_clipped_to_the_log_and_said(log: Log, tmp_path: Path) -> None:
    made = reported(log.write(tmp_path), log, first=datetime(1990, 1, 1, tzinfo=UTC).date())
    words = read(made.page).words
    assert "2026-04-02 to 2026-04-02 (1 day)" in words
    assert Words("en")("page.selected") in words


def test_an_order_is_opened_under_the_ledger_of_its_day() -> None:
    trust = of_sample()
    digest, data = second_order()
    held = open_order(data, trust.entries)
    assert isinstance(held, HeldOrder)
    assert (held.digest, held.signers, held.order.most) == (digest, ("ueda",), 25)


def of_sample() -> Trust:
    return of(Copy(sample().folder / "copy").ledger(), sample().anchor)


def test_what_is_no_order_is_refused_by_its_name(log: Log, tmp_path: Path) -> None:
    log.write(tmp_path / "copy")
    (tmp_path / "x.cms").write_bytes(b"nonsense")
    foreign = tmp_path / "foreign.cms"
    foreign.write_bytes(orders()["case-17.order.cms"])
    with pytest.raises(PieceWrong, match=r"x\.cms: no disclosure order of this ledger"):
        reported(tmp_path / "copy", log, orders=(tmp_path / "x.cms",))
    with pytest.raises(PieceWrong, match=r"foreign\.cms.*the order is for the ledger"):
        reported(tmp_path / "copy", log, orders=(foreign,))
    with pytest.raises(PieceMissing, match=r"none\.cms: is missing"):
        reported(tmp_path / "copy", log, orders=(tmp_path / "none.cms",))


def test_an_order_that_too_few_signed_is_none(tmp_path: Path) -> None:
    content = cms.verify(second_order()[1]).content
    data = cms.sign(content, signer("ito"), day_at(74, 10))
    with pytest.raises(OrderUnsigned, match="0 of 1 oversight signatures"):
        open_order(data, of_sample().entries)


def test_more_than_a_quota_stands_out(tmp_path: Path) -> None:
    rules = logkit.policy()
    hub = msgspec.structs.replace(rules.roles["hub"], values_per_day=150)
    book = Book()
    book.add([make_found(policy=msgspec.structs.replace(rules, roles={**rules.roles, "hub": hub}))])
    book.add([*first_keys(), *service_keys()], ("ito", "sato", "ueda"))
    log = Log(book=book)
    for part, marked in ((75, 0), (75, 0), (1, 1)):
        log.convert(part)
        made = reported(log.write(tmp_path / str(log.size)), log)
        assert made.page.decode().count('<span class="mark grave">150</span>') == marked


def test_the_page_is_about_the_day_it_was_made() -> None:
    assert day_at(90, 9.5) == NOW
    assert "made 2026-06-30 09:30" in read(sample().report().page).words


def test_of_many_faults_the_first_few_places_are_told(log: Log, tmp_path: Path) -> None:
    for number in range(20):
        log.append(b"%d" % number)
    made = reported(log.write(tmp_path), log)
    assert checks(made)["unreadable"].amounts == {"count": 20}
    assert len(checks(made)["unreadable"].places) == MOST_PLACES
