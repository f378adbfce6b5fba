"""Birth dates by era and otherwise: to ISO where there was such a day in such an era, refused where there was none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.matching import numerals
from appliance.matching.attributes import AttributesRefused
from appliance.matching.dates import ERAS, birth_date

ONE_DAY = (
    "昭和64年1月7日 S64.1.7 s64-01-07 Ｓ６４／１／７ ㍼64年1月7日 昭64.1.7 S640107 昭和六十四年一月七日 1989-01-07 "
    "1989/1/7 １９８９年１月７日 1989.1.7 19890107 一九八九年一月七日 千九百八十九年一月七日 1989−01−07"
)


@pytest.mark.parametrize("text", [*ONE_DAY.split(), "昭和 64年 1月 7日", "昭和64年１月７日　"])
def test_one_day_in_its_many_ways(text: str) -> None:
    assert birth_date(text) == "1989-01-07"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("平成元年1月8日", "1989-01-08"),
        ("平成1年1月8日", "1989-01-08"),
        ("H31.4.30", "2019-04-30"),
        ("令和元年5月1日", "2019-05-01"),
        ("昭和元年12月25日", "1926-12-25"),
        ("大正15年12月25日", "1926-12-25"),  # that day was of both eras
        ("大正元年7月30日", "1912-07-30"),
        ("明治45年7月30日", "1912-07-30"),
        ("明治6年1月1日", "1873-01-01"),
        ("M33.2.28", "1900-02-28"),
    ],
)
def test_first_and_last_days_of_eras(text: str, day: str) -> None:
    assert birth_date(text) == day


@pytest.mark.parametrize(
    "text",
    [
        "昭和65年1月1日",
        "昭和64年1月8日",
        "平成元年1月7日",
        "平成31年5月1日",
        "令和元年4月30日",
        "大正元年7月29日",
        "昭和元年12月24日",
        "明治5年12月2日",
    ],
)
def test_a_date_outside_its_era_is_refused(text: str) -> None:
    with pytest.raises(AttributesRefused, match="birth_date lies outside the era that it names"):
        birth_date(text)


@pytest.mark.parametrize(
    "text", ["昭和63年2月30日", "1989-02-29", "M33.2.29", "1989/13/1", "R9999.1.1", "1989年0月1日"]
)
def test_a_day_that_never_was_is_refused(text: str) -> None:
    with pytest.raises(AttributesRefused, match="birth_date names a day that does not exist"):
        birth_date(text)


def test_a_year_of_two_digits_without_an_era_is_refused() -> None:
    with pytest.raises(AttributesRefused, match="a year of neither four digits nor an era"):
        birth_date("64/1/7")


@pytest.mark.parametrize(
    "text",
    ["", "昭和", "1989-1/7", "昭和64年1月7日頃", "X64.1.7", "1989年", "7 January 1989", "1" * 50, "昭和64年1月7日" * 9],
)
def test_what_is_no_date_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(AttributesRefused) as refused:
        birth_date(text)
    assert str(refused.value) == "birth_date must be a date such as 1989-01-07, 昭和64年1月7日 or S64.1.7"


@settings(deadline=None)
@given(st.dates(date(1873, 1, 1), date(2100, 1, 1)))
def test_every_day_reads_back_from_every_era_that_has_it(day: date) -> None:
    for era in ERAS:
        text = f"{era.name}{day.year - era.zero}年{day.month}月{day.day}日"
        if era.first <= day <= era.last:
            assert birth_date(text) == day.isoformat()
        else:
            with pytest.raises(AttributesRefused):
                birth_date(text)
    assert birth_date(day.strftime("%Y/%m/%d")) == birth_date(day.isoformat()) == day.isoformat()


@settings(deadline=None)
@given(st.integers(1, 99))
def test_numerals_read_what_they_write(number: int) -> None:
    assert numerals.value(numerals.written(number)) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("〇", 0), ("百二十", 120), ("千九百八十九", 1989), ("二七八〇", 2780), ("二十三", 23), ("十", 10)],
)
def test_numerals(text: str, number: int) -> None:
    assert numerals.value(text) == number


def test_other_letters_are_no_numeral() -> None:
    for text in ("", "一丁", "3"):
        with pytest.raises(ValueError, match="not a number in kanji"):
            numerals.value(text)
    for number in (0, 100):
        with pytest.raises(ValueError, match="not from 1 to 99"):
            numerals.written(number)
