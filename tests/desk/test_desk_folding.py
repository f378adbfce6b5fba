"""Counting by and by is counting at once; each record is proven; what does not go on is refused."""

from __future__ import annotations

import copy as copying
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logkit import HUB, Log, put, thousand
from reportkit import sample

from appliance.audit import records
from appliance.desk.folding import Fold, Folds
from appliance.ledger.state import LedgerState
from appliance.oversight import trust as trusts
from appliance.oversight.copy import Copy
from appliance.oversight.errors import LogForked, LogShrunk, PieceMissing, PieceWrong
from appliance.oversight.report import evidence
from appliance.oversight.report.make import disclosing
from appliance.oversight.report.moments import Clock
from appliance.oversight.report.statistics import Statistics
from appliance.oversight.trust import Trust
from appliance.tlog.tiles import ENTRIES, Tile

TOKYO = Clock.named("Asia/Tokyo")


def _trust(log: Log) -> Trust:
    return trusts.of(log.book.files, log.book.anchor)


def _sums(statistics: Statistics) -> dict[str, object]:
    """Everything that is counted; objects of ours as what they hold."""
    left_out = {"clock", "_handlers", "_day", "_domains", "incidents"}
    held = {name: value for name, value in vars(statistics).items() if name not in left_out}
    incidents = {name: value for name, value in vars(statistics.incidents).items() if name != "_clock"}
    return {**held, **incidents}


def _fold(log: Log, folder: Path, size: int, fold: Fold | Folds) -> Fold:
    log.write(folder, size)
    if isinstance(fold, Folds):
        made, _ = fold.advance(Copy(folder), _trust(log), log.checkpoint(size))
        fold.show()
        return made
    fold.advance(Copy(folder), _trust(log), log.checkpoint(size))
    return fold


def _whole(folder: Path, anchor: str) -> tuple[Statistics, evidence.Evidence]:
    trust = trusts.of(Copy(folder).ledger(), anchor)
    statistics = Statistics(TOKYO, disclosing(trust.state))
    return statistics, evidence.read(Copy(folder), trust, statistics)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 1_000), min_size=1, max_size=6).map(lambda cuts: [*sorted(cuts), 1_000]))
def test_by_and_by_is_the_same_as_at_once(cuts: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wherever it is cut, in the middle of a bundle as well; what was shown before is not changed meanwhile."""
    log, folds, folder = thousand(), Folds(TOKYO), tmp_path_factory.mktemp("f")
    before: Fold | None = None
    for size in cuts:
        kept = copying.deepcopy(before)
        log.write(folder, size)
        made, _ = folds.advance(Copy(folder), _trust(log), log.checkpoint(size))
        assert before is None or kept is None or _sums(before.statistics) == _sums(kept.statistics)
        folds.show()
        before = made
    assert before is not None
    statistics, judged = _whole(folder, log.book.anchor)
    assert _sums(before.statistics) == _sums(statistics)
    assert before.statistics.records == before.size == 1_000
    assert list(before.checks()) == [check for check in judged.checks if check.name in ("records", "heads")]


def test_the_believable_log_adds_up_to_its_report(tmp_path: Path) -> None:
    """Ninety days with everything that may be in a log, in three steps."""
    held = sample()
    copy, trust = Copy(held.folder / "copy"), trusts.of(Copy(held.folder / "copy").ledger(), held.anchor)
    checkpoint = copy.head()
    fold = Fold(TOKYO, frozenset(disclosing(trust.state)))
    fold.advance(copy, trust, checkpoint)
    assert _sums(fold.statistics) == _sums(held.report().statistics)
    assert fold.size == checkpoint.size


def test_no_record_is_read_twice(tmp_path: Path) -> None:
    log, read = thousand(), list[str]()
    fold = _fold(log, tmp_path, 700, Fold(TOKYO, frozenset()))
    log.write(tmp_path, 1_000)
    copy = Copy(tmp_path)
    plain = copy.tile

    def watched(tile: Tile) -> bytes:
        read.append(tile.path)
        return plain(tile)

    copy.tile = watched  # type: ignore[method-assign]
    fold.advance(copy, _trust(log), log.checkpoint(1_000))
    assert [path for path in read if "entries" in path] == ["tile/entries/002", "tile/entries/003.p/232"]


def test_a_wrong_record_is_named_and_nothing_of_it_counted(tmp_path: Path) -> None:
    log, folds = thousand(), Folds(TOKYO)
    shown = _fold(log, tmp_path, 300, folds)
    kept = _sums(copying.deepcopy(shown.statistics))
    log.write(tmp_path, 1_000)
    path = tmp_path / "tile/entries/002"
    path.write_bytes(path.read_bytes().replace(b'"count":1', b'"count":7', 1))
    with pytest.raises(PieceWrong, match=r"tile/entries/002 entry \d+ \(record \d+\): its hash is not the one"):
        folds.advance(Copy(tmp_path), _trust(log), log.checkpoint(1_000))
    assert _sums(shown.statistics) == kept
    put(path, log.tile(Tile(ENTRIES, 2)))
    made, _ = folds.advance(Copy(tmp_path), _trust(log), log.checkpoint(1_000))
    assert _sums(made.statistics) == _sums(_whole(tmp_path, log.book.anchor)[0])


def test_a_log_that_does_not_go_on_is_refused(tmp_path: Path) -> None:
    """Smaller, of the same size, and larger; the fold remembers, whatever became of the copy."""
    log = thousand()
    fold = _fold(log, tmp_path / "a", 900, Fold(TOKYO, frozenset()))
    with pytest.raises(LogShrunk, match=r"the log shrank: size 900, root [0-9a-f]{64}, and size 899, root"):
        _fold(log, tmp_path / "b", 899, fold)
    for name, size in (("c", 900), ("d", 950)):
        other = log.fork()
        del other.entries[500:], other.leaves[500:]
        other.convert(3, reference="another history")
        with pytest.raises(LogForked, match="the log was forked: size 900"):
            _fold(other.grow(size), tmp_path / name, size, fold)
    assert _fold(log, tmp_path / "e", 1_000, fold).statistics.records == 1_000


def test_missing_records_need_a_record_that_says_why(tmp_path: Path) -> None:
    """Those that the log says were removed are no fault; more are; and a hole in the middle is one as well."""
    log = thousand()
    log.add(records.Pruned(first=257))
    log.write(tmp_path)
    (tmp_path / "tile/entries/000").unlink()
    fold = Fold(TOKYO, frozenset())
    fold.advance(Copy(tmp_path), _trust(log), log.checkpoint())
    check = next(fold.checks())
    assert (check.name, check.judgement, fold.missing) == ("records_pruned", "good", 256)
    assert check.amounts == {"proven": log.size - 256, "size": log.size, "pruned": 256}
    (tmp_path / "tile/entries/002").unlink()
    fold = Fold(TOKYO, frozenset())
    fold.advance(Copy(tmp_path), _trust(log), log.checkpoint())
    check = next(fold.checks())
    assert (check.judgement, fold.missing) == ("bad", 512)
    assert check.places == ("records up to 768: no `pruned` record says why they are missing",)


def test_missing_hashes_are_never_taken_for_pruned_records(tmp_path: Path) -> None:
    log = thousand()
    log.add(records.Pruned(first=257))
    log.write(tmp_path)
    (tmp_path / "tile/0/000").unlink()
    with pytest.raises(PieceMissing, match="tile/0/000"):
        Fold(TOKYO, frozenset()).advance(Copy(tmp_path), _trust(log), log.checkpoint())


def test_what_is_no_record_and_a_head_that_nobody_signed_are_told(tmp_path: Path) -> None:
    log = Log()
    log.start()
    log.append(b"{}")
    log.append(records.encode(records.Stop(record=77, time="2026-04-02T00:00:09.000000Z", reason="SIGTERM")))
    log.add(records.LedgerLoaded(sequence=2, head="0" * 64))
    log.write(tmp_path)
    fold = Fold(TOKYO, frozenset())
    fold.advance(Copy(tmp_path), _trust(log), log.checkpoint())
    checks = {check.name: check for check in fold.checks()}
    assert checks["unreadable"].amounts == {"count": 2}
    assert checks["unreadable"].places[1].endswith("says it is record 77")
    assert checks["heads"].judgement == "bad"
    assert checks["heads"].places == (f"record {log.size}: entry 2, head {'0' * 16}",)


def test_a_ledger_by_which_other_numbers_disclose_counts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A domain that others come to stand under discloses from then on, and what was converted to it before did, too."""
    log, folds = Log(), Folds(TOKYO)
    log.start()
    log.convert(4)
    assert _fold(log, tmp_path, log.size, folds).statistics.disclosures == {}
    log.convert(5)

    def more(state: LedgerState) -> frozenset[str]:
        return frozenset({*disclosing(state), "sspin.E"})

    monkeypatch.setattr("appliance.desk.folding.disclosing", more)
    made = _fold(log, tmp_path, log.size, folds)
    assert sum(one.total.converted for one in made.statistics.disclosures.values()) == 9
    assert made.statistics.records == log.size
    log.convert(1, **HUB)
    assert _fold(log, tmp_path, log.size, folds).statistics.total.converted == 10
