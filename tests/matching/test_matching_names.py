"""Names and the letters they are written with: what is united, what stays apart, and the table of kanji forms."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from appliance.matching import names, writing

SAME_BY_TYPING = [
    ("山田　太郎", "山田太郎"),
    ("山田  太郎", "山田 太郎"),
    ("ﾔﾏﾀﾞ ﾀﾛｳ", "ヤマダ タロウ"),
    ("Ｓｍｉｔｈ　Ｊｏｈｎ", "SMITH JOHN"),
    ("邉\U000e0104 修", "邉 修"),
    ("神 修", "神 修"),  # a compatibility ideograph, U+FA19
]
SAME_BY_WRITING = [
    ("茅が﨑", "茅ヶ崎"),
    ("髙橋 花子", "高橋 花子"),
    ("山﨑 修", "山崎 修"),
    ("山嵜 修", "山崎 修"),
    ("齋藤 修", "斎藤 修"),
    ("齊藤 修", "斉藤 修"),
    ("斉藤 修", "斎藤 修"),
    ("渡邊 修", "渡辺 修"),
    ("渡邉 修", "渡邊 修"),
    ("𠮷田 修", "吉田 修"),
    ("濱田 國廣", "浜田 国広"),
    ("櫻井 惠", "桜井 恵"),
    ("島 修", "嶋 修"),
    ("佐々木 修", "佐佐木 修"),
    ("一ノ瀬 修", "一之瀬 修"),
    ("一の瀬 修", "一ノ瀬 修"),
    ("鶴ヶ谷 修", "鶴が谷 修"),
    ("三ツ木 修", "三つ木 修"),
    ("林 さくら", "林 サクラ"),
    ("林 ゆうこ", "林 ゆーこ"),
    ("林 シヨウコ", "林 ショウコ"),
    ("林 しづ", "林 しず"),
    ("林 サワヱ", "林 サワエ"),
    ("佐藤（田中） 花子", "佐藤 花子"),
    ("SMITH, John", "John Smith"),
    ("ジョン・スミス", "ジョンスミス"),
]
APART = [
    ("山田 太郎", "山田 次郎"),
    ("安部 修", "阿部 修"),
    ("渡部 修", "渡辺 修"),
    ("大田 修", "太田 修"),
    ("坂本 修", "阪本 修"),
    ("林 ゆみ", "林 ゆうみ"),
    ("林 しす", "林 しず"),
]


@pytest.mark.parametrize(("one", "other"), SAME_BY_TYPING)
def test_typing_makes_no_other_name(one: str, other: str) -> None:
    assert names.read(one).plain == names.read(other).plain


@pytest.mark.parametrize(("one", "other"), SAME_BY_WRITING)
def test_ways_of_writing_are_united_and_told_from_typing(one: str, other: str) -> None:
    assert names.read(one).folded == names.read(other).folded


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_names_stay_apart(one: str, other: str) -> None:
    assert names.read(one).folded != names.read(other).folded


def test_a_space_tells_the_parts_and_only_one_does() -> None:
    name = names.read("髙橋　花子")
    assert (name.surname, name.given) == ("高橋", "花子")
    assert {names.read(text).given for text in ("高橋花子", "アンナ マリア 高橋", "John Smith")} == {""}


def test_a_name_is_not_shown() -> None:
    assert repr(names.read("高橋 花子")) == "Name()"


def test_classes_of_kanji_are_disjoint_and_not_united_by_unicode_already() -> None:
    letters = [letter for letters in writing.classes() for letter in letters]
    assert len(letters) == len(set(letters)) > 1000
    assert all(len(one) > 1 for one in writing.classes())
    assert [letter for letter in letters if unicodedata.normalize("NFKC", letter) != letter] == []
    assert [letter for letter in letters if len(writing.folded(letter)) != 1] == []


def test_every_letter_of_a_class_is_a_kanji_beside_particles() -> None:
    for letter in (letter for letters in writing.classes() for letter in letters):
        assert writing.folded(f"茅が{letter}") == writing.folded(f"茅ヶ{letter}")
        assert writing.folded(f"{letter}の下") == writing.folded(f"{letter}之下")


def test_a_third_party_s_table_of_new_letters_and_old_agrees() -> None:
    """OpenCC's: every pair of it that JIS X 0213 has is one name here, but for four that mean other things in Japan."""
    to_new, to_old = OpenCC("t2jp"), OpenCC("jp2t")
    apart = {
        "禦",
        "纔",
        "聯",
        "醱",
        "勻",
        "皋",
        "鱉",
    }  # not old forms of 御, 才, 連, 発 in names; the last three: no name's
    letters = [chr(code) for code in range(0x4E00, 0xA000) if _in_japan(chr(code))]
    pairs = [(one, made) for one in letters for made in (to_new.convert(one), to_old.convert(one)) if made != one]
    known = [(one, other) for one, other in pairs if _in_japan(other) and not {one, other} & apart]
    assert len(known) > 600
    assert [pair for pair in known if writing.folded(pair[0]) != writing.folded(pair[1])] == []


def _in_japan(letter: str) -> bool:
    try:
        letter.encode("euc_jis_2004")
    except UnicodeEncodeError:
        return False
    return True


LETTERS = "".join(writing.classes()) + "山田一二三ノのケヶがガ々ーアオウエおゆうョょッ 　･Smith（）-９\U000e0100"


@settings(deadline=None)
@example("⻆が㐂")
@given(st.text(LETTERS, min_size=1, max_size=12))
def test_folding_is_idempotent(text: str) -> None:
    assert writing.folded(writing.folded(text)) == writing.folded(text)
    assert writing.plain(writing.plain(text)) == writing.plain(text)


@settings(deadline=None)
@given(st.text(LETTERS, min_size=1, max_size=8), st.sampled_from(["", " ", "　", "  "]))
def test_spaces_and_letters_forms_never_count(text: str, space: str) -> None:
    forms = {letter: letters for letters in writing.classes() for letter in letters}
    rewritten = space.join(forms.get(letter, letter)[-1] for letter in text)
    assert writing.folded(rewritten) == writing.folded(text)
