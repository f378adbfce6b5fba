"""Pauses between the starts of engines: short while a token is gone, longer after crashes, and never an overflow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from yardkit import failure

from appliance.engine import patience
from appliance.engine.frames import Failed
from appliance.engine.link import defect
from appliance.engine.patience import Patience

GONE, CRASH = failure("token"), defect("died of SIGSEGV")


def pauses(failures: list[Failed]) -> list[float]:
    one = Patience()
    one.ended(1_000.0)
    seen = [one.pause]
    for failed in failures:
        one.start_failed(failed)
        seen.append(one.pause)
    return seen


def test_a_token_that_is_gone_is_tried_at_once_and_then_every_second() -> None:
    assert pauses([GONE] * 7) == [0, 0.25, 0.5, 1, 1, 1, 1, 1]


def test_pauses_after_crashes_double_up_to_half_a_minute() -> None:
    assert pauses([CRASH] * 10) == [0, 0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_token_that_is_gone_after_crashes_is_tried_often_again() -> None:
    assert pauses([CRASH] * 9 + [GONE])[-2:] == [30, 1]


def test_an_engine_that_lived_long_is_followed_at_once_and_one_that_did_not_after_a_pause() -> None:
    one = Patience()
    for lived, wanted in ((99.0, 0.0), (1.0, 0.25), (1.0, 0.5), (patience.STABLE_SECONDS, 0.0), (0.0, 0.25)):
        one.ended(lived)
        assert one.pause == wanted


def test_engines_that_die_young_for_years_are_still_followed_every_second() -> None:
    one = Patience(failures=10**9)
    one.ended(0.0)
    assert one.pause == patience.LONGEST_WAIT and not one.over


def test_so_many_crashes_in_a_row_are_the_end_and_a_greeting_begins_anew() -> None:
    one = Patience()
    for _ in range(patience.MOST_DEFECTS - 1):
        one.start_failed(CRASH)
    assert not one.over
    one.served()
    one.ended(0.0)
    for _ in range(patience.MOST_DEFECTS - 1):
        one.start_failed(CRASH)
    assert not one.over
    one.start_failed(CRASH)
    assert one.over


@given(st.lists(st.sampled_from(["gone", "served"]), max_size=300))
def test_without_a_crash_at_the_start_there_is_never_an_end_and_never_a_long_pause(story: list[str]) -> None:
    one = Patience()
    for what in story:
        if what == "gone":
            one.start_failed(GONE)
        else:
            one.served()
            one.ended(0.0)
        assert not one.over
        assert 0 <= one.pause <= patience.LONGEST_WAIT
