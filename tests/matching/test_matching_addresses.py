"""Addresses: one lot in its many forms, building and room apart, and what must not be taken for one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.matching import addresses
from tests.matching import writtenforms
from tests.matching.livedplaces import Home, Places, registered

LOTS = {
    "緑ケ丘 1-2-3": (
        "緑ケ丘１丁目２番３号 緑が丘一丁目二番三号 緑ヶ丘1-2-3 緑ガ丘１－２－３ 緑ケ丘1丁目2番地の3 緑ケ丘1の2の3 "
        "緑ケ丘一ー二ー三 緑ケ丘1‐2‐3 緑ケ丘1丁目2-3 緑ケ丘一の二の三 緑ケ丘1-02-03 字緑ケ丘1-2-3 大字緑ケ丘1-2-3"
    ),
    "平井 2780": "平井2780番地 大字平井２７８０ 平井二七八〇番地 平井二千七百八十番地 平井二七八〇",
    "一番町 6-4": "一番町6番地4 1番町6-4 １番町６の４ 一番町六番四号",
    "二十四軒二条 2-3-3": "二十四軒2条2丁目3-3 24軒二条二丁目3番3号",
}


@pytest.mark.parametrize(("lot", "form"), [(lot, form) for lot, forms in LOTS.items() for form in forms.split()])
def test_one_lot_in_its_many_forms(lot: str, form: str) -> None:
    home = addresses.read(f"桜台市{form}")
    assert f"{home.town} {home.lot}" == f"桜台市{lot}"


def test_spaces_within_a_lot_do_not_count() -> None:
    assert addresses.read("桜台市 緑ケ丘 一丁目 2番 3号").lot == "1-2-3"
    assert addresses.read("桜台市緑ケ丘12番地 101号室").lot == "12"


@pytest.mark.parametrize(
    ("text", "building", "room"),
    [
        ("桜台市緑ケ丘1-2-3", "", ""),
        ("桜台市緑ケ丘1-2-3-101", "", "101"),
        ("桜台市緑ケ丘1-2-3 101", "", "101"),
        ("桜台市緑ケ丘1-2-3　コーポ桜１０１号室", "コウポ桜", "101"),
        ("桜台市緑ケ丘1丁目2番3号ｺｰﾎﾟ桜 101号", "コウポ桜", "101"),
        ("桜台市緑ケ丘1-2-3 コーポ桜A101", "コウポ桜", "a101"),
        ("桜台市緑ケ丘1-2-3 コーポ桜", "コウポ桜", ""),
        ("桜台市緑ケ丘1-2-3 山田様方", "", ""),
    ],
)
def test_building_and_room(text: str, building: str, room: str) -> None:
    home = addresses.read(text)
    assert (home.lot, home.building, home.room) == ("1-2-3", building, room)


def test_prefecture_and_county_may_be_left_out_and_a_prefecture_is_remembered() -> None:
    long, short = addresses.read("東京都西多摩郡日の出町平井2780"), addresses.read("日の出町平井2780")
    assert (long.town, long.lot) == (short.town, short.lot) == ("日之出町平井", "2780")
    assert (long.prefecture, short.prefecture) == (13, 0)
    assert len(addresses.PREFECTURES) == 47
    assert addresses.read("京都市左京区本町1").prefecture == 0


@pytest.mark.parametrize("city", ["郡山市", "大和郡山市", "蒲郡市", "小郡市", "郡上市"])
def test_a_city_with_county_in_its_name_keeps_it(city: str) -> None:
    assert addresses.read(f"{city}本町1").town == f"{city}本町"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("桜台市緑ケ丘123番地", "桜台市緑ケ丘123番地4"),
        ("桜台市緑ケ丘1-2-3", "桜台市緑ケ丘1-23"),
        ("桜台市緑ケ丘1-2-3", "桜台市緑ケ丘2-3"),
        ("桜台市緑ケ丘12-3", "桜台市緑ケ丘1-23"),
        ("桜台市東緑ケ丘1-2-3", "桜台市緑ケ丘1-2-3"),
        ("桜台市三番町1", "桜台市二番町1"),
    ],
)
def test_other_lots_stay_apart(one: str, other: str) -> None:
    left, right = addresses.read(one), addresses.read(other)
    assert (left.town, left.lot) != (right.town, right.lot)


@pytest.mark.parametrize(
    ("text", "narrow"),
    [
        ("桜台市緑ケ丘1", True),
        ("市川市1-2", False),
        ("町田市1", False),
        ("緑ケ丘1-2-3", False),
        ("千代田区一番町1", True),
    ],
)
def test_only_a_place_within_a_municipality_is_a_neighbourhood(text: str, narrow: bool) -> None:
    assert addresses.read(text).narrow is narrow


@settings(deadline=None)
@given(st.integers(0, 1_000_000))
def test_whatever_a_sector_writes_is_the_lot_that_the_register_has(seed: int) -> None:
    """The forms come from tables of the generator's own; building and room agree or are not said."""
    rng = random.Random(seed)
    home = Places(rng).home()
    here, there = addresses.read(registered(home)), addresses.read(writtenforms.address(rng, home))
    assert (there.town, there.lot) == (here.town, here.lot)
    assert there.room == here.room
    assert {there.prefecture, here.prefecture} <= {0, here.prefecture}
    assert addresses.read(writtenforms.address(rng, home, without_house=True)).room == ""


@settings(deadline=None)
@given(st.text("一二三十百丁目番地号のノ-ー条線字大町市都京府県0129 　ａA室", min_size=1, max_size=25))
def test_any_text_is_read_and_all_its_digits_are_somewhere(text: str) -> None:
    home = addresses.read(text)
    assert home == addresses.read(text)
    assert home.plain or not text.strip()
    assert repr(home) == "Address()"


def test_a_home_of_the_country_is_written_as_registers_do() -> None:
    home = Home("東京都", "", "桜台市", "緑ケ丘", False, True, 1, 2, 3, "コーポ桜", 101)
    assert registered(home) == "東京都桜台市緑ケ丘一丁目2番3号　コーポ桜101号室"
