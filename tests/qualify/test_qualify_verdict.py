"""What findings mean together, and that the table and the trials are one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from appliance.qualify import conversions, page, text
from appliance.qualify.checks import CHECKS, NOTHING_LEFT, THREADS
from appliance.qualify.runner import Report
from appliance.qualify.table import GROUPS, Check, Need
from appliance.qualify.verdict import Fitness, Row, headline, judge
from appliance.token.trials.every import TRIALS
from appliance.token.trials.findings import Finding, Result
from tests.qualify import docs

ALL = (*CHECKS, THREADS, NOTHING_LEFT)


def rows(result: Result = Result.PASSED, among: Iterable[Check] = ()) -> list[Row]:
    """Every check passed, but for some."""
    odd = {check.id for check in among}
    return [Row(one, Finding(result if one.id in odd else Result.PASSED, "seen")) for one in ALL]


def called(*ids: str) -> list[Check]:
    found = [check for check in ALL if check.id in ids]
    assert len(found) == len(ids)
    return found


def test_every_check_has_its_trial_and_every_trial_its_check() -> None:
    assert conversions.__doc__
    assert {check.id for check in (*CHECKS, THREADS)} == set(TRIALS)
    assert len({check.id for check in ALL}) == len(ALL)
    assert {check.group for check in ALL} == set(GROUPS)


def test_whatever_is_not_required_says_what_its_lack_costs_or_what_is_done_instead() -> None:
    for check in ALL:
        assert bool(check.otherwise) == (check.need in (Need.RECOMMENDED, Need.WORKED_AROUND)), check.id


def test_the_page_about_it_has_every_check() -> None:
    assert docs.written() == docs.table(), "python -m tests.qualify --write-docs writes it anew"


def test_all_passed_is_fit() -> None:
    verdict = judge(rows())
    assert verdict.fitness is Fitness.FIT
    assert (verdict.lacks, verdict.untried, verdict.concessions, verdict.around) == ((), (), (), ())
    assert headline(verdict) == "Fit for production."


def test_each_required_check_alone_takes_the_fitness_away_and_names_the_purpose() -> None:
    for check in ALL:
        for result in (Result.MISSING, Result.DIFFERS):
            verdict = judge(rows(result, [check]))
            assert (verdict.fitness is Fitness.FIT) == (check.need is not Need.REQUIRED), check.id
            if check.need is Need.REQUIRED:
                assert [lack.purpose for lack in verdict.lacks] == [check.purpose]
                assert [row.check.id for row in verdict.lacks[0].rows] == [check.id]
                assert check.purpose.lack in headline(verdict)


def test_without_signatures_and_backup_it_serves_for_trials_alone() -> None:
    lacking = [check for check in ALL if check.group in ("sign", "wrap", "seal")]
    verdict = judge(rows(Result.MISSING, lacking))
    assert verdict.fitness is Fitness.CONVERSIONS_ONLY
    assert headline(verdict) == (
        "Not fit for production (no P-256 signing key, no Ed25519 log key, no backup). "
        "It converts numbers rightly, so it serves for trials alone."
    )


def test_a_wrong_conversion_is_unfit_whatever_else_it_can() -> None:
    verdict = judge(rows(Result.DIFFERS, called("convert.tree")))
    assert verdict.fitness is Fitness.UNFIT
    assert headline(verdict) == "Unfit (no conversions)."


def test_what_was_not_tried_is_no_pass() -> None:
    left_out = called("wrap.so-trusts")
    verdict = judge(rows(Result.NOT_TRIED, left_out))
    assert verdict.fitness is Fitness.UNDECIDED
    assert [row.check for row in verdict.untried] == left_out
    converting = called("stream.pieces")
    failed = [*rows(Result.NOT_TRIED, converting), Row(called("sign.ed25519")[0], Finding(Result.MISSING, "none"))]
    assert judge(failed).fitness is Fitness.UNFIT  # nobody has seen it convert


def test_what_a_token_says_of_itself_changes_no_report() -> None:
    hostile = "<script>alert(1)</script>\x1b[2J\u202e"
    told = [Row(one, Finding(Result.DIFFERS, hostile)) for one in called("key.private", "wrap.so-trusts")]
    report = Report(
        dict.fromkeys((key for _, key in text.FACTS), hostile), datetime.now(UTC), False, (*told,), judge(told)
    )
    assert "\x1b" not in text.render(report) and "\u202e" not in text.render(report)
    assert "<script>alert(1)</script>\\x1b[2J\\u202e" in text.render(report)
    assert b"<script" not in page.render(report) and "\u202e".encode() not in page.render(report)
    assert page.render(report).count(b"&lt;script&gt;") == len(text.FACTS) + 1 + len(told)  # the title as well


def test_nothing_shown_is_unfit() -> None:
    assert judge([]).fitness is Fitness.UNFIT
    assert headline(judge([])) == "Unfit (nothing was shown)."


def test_concessions_and_workarounds_are_told_and_do_not_decide() -> None:
    verdict = judge(rows(Result.MISSING, called("convert.nist", "wrap.oaep-sha256", "speed.blocks")))
    assert verdict.fitness is Fitness.FIT
    assert [row.check.id for row in verdict.concessions] == ["convert.nist"]
    assert [row.check.id for row in verdict.around] == ["wrap.oaep-sha256"]
