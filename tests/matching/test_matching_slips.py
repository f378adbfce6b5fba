"""What one slip makes of a name and of a date."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.matching import evidence, names, slips
from appliance.matching.evidence import NameIs


@pytest.mark.parametrize(
    ("one", "other", "off"),
    [
        ("山田太郎", "山田太朗", True),
        ("山田太郎", "山田郎", True),
        ("山田太郎", "山田太太郎", True),
        ("山田太郎", "山太田郎", True),
        ("山田太郎", "山田太郎", False),
        ("山田太郎", "山本次郎", False),
        ("山田太郎", "田山郎太", False),
        ("山田", "山田太郎", False),
        ("", "山", True),
    ],
)
def test_one_character(one: str, other: str, off: bool) -> None:
    assert slips.one_off(one, other) is slips.one_off(other, one) is off


@settings(deadline=None)
@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_one_off_is_what_trying_every_slip_gives(one: str, other: str) -> None:
    places = range(len(one) + 1)
    every = {one[:at] + one[at + 1 :] for at in places} | {one[:at] + new + one[at:] for at in places for new in "ab"}
    every |= {one[:at] + new + one[at + 1 :] for at in range(len(one)) for new in "ab"}
    every |= {one[:at] + one[at + 1 : at + 2] + one[at : at + 1] + one[at + 2 :] for at in places}
    assert slips.one_off(one, other) is (other in every and other != one)


@pytest.mark.parametrize(
    ("one", "other", "off"),
    [
        (19700131, 19700131, False),
        (19700131, 19700130, True),
        (19700131, 19800131, True),
        (19700131, 19070131, True),
        (19700112, 19701201, True),  # month and day
        (19700131, 20330131, True),  # 昭和45年 as 平成45年
        (19200131, 19340131, True),  # 大正9年 as 昭和9年
        (19930131, 20230131, False),  # 平成5年 and 令和5年: father and son
        (19700131, 19810131, False),
        (19700131, 19700228, False),
    ],
)
def test_one_slip_in_a_date(one: int, other: int, off: bool) -> None:
    for left, right in ((one, other), (other, one)):
        assert slips.dates_one_off(np.array([left], np.int32), np.array([right], np.int32)).tolist() == [off]


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("山本 太郎", "山木 太郎", NameIs.SURNAME_SLIP),
        ("山本 花子", "佐藤 花子", NameIs.SURNAME_OTHER),
        ("山本 花子", "佐藤花子", NameIs.SURNAME_OTHER),
        ("山本花子", "佐藤花子", NameIs.OTHER),  # no space anywhere: 花 might be the surname's
        ("山本太郎", "川本太郎", NameIs.SURNAME_SLIP),  # a first letter is
        ("山本太郎", "山木太郎", NameIs.ONE_OFF),
        ("山本 一郎", "山本 二郎", NameIs.ONE_OFF),
        ("山本 一郎", "山本二郎", NameIs.ONE_OFF),
        ("山本 優斗", "山本 結菜", NameIs.OTHER),
        ("山本 子", "本 子", NameIs.SURNAME_SLIP),
    ],
)
def test_how_two_names_differ(one: str, other: str, level: NameIs) -> None:
    left, right = names.read(one), names.read(other)
    assert evidence.other_names(left, right) is evidence.other_names(right, left) is level
