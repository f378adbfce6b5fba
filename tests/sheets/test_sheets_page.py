"""Whatever a sheet says, the file is well formed, self-contained, and can do nothing."""

from __future__ import annotations

import re

import pytest

from appliance.bilingual import Language
from keyceremony.sheets.page import css_string
from keyceremony.sheets.wording import LANGUAGES

from . import fixedledger
from .fixedledger import FixedLedger
from .golden import minutes_of, script_of
from .reading import read

NUMBERS = range(1, len(fixedledger.plans()) + 1)
HOSTILE = "</title></style><script>alert(1)</script><img src=http://x.example/> {{ 7*7 }} \" ' & \\A"


def hostile() -> FixedLedger:
    """A ledger whose texts try to break out; what `require_line` refuses (bidi, say) is in none."""
    made = FixedLedger()
    made.add(made.plan(HOSTILE, fixedledger.found()), notes=(HOSTILE,))
    return made


@pytest.mark.parametrize("number", NUMBERS)
def test_every_sheet_is_well_formed_and_fetches_nothing(number: int) -> None:
    for data in (script_of(number), minutes_of(number)):
        page = read(data)
        assert not {"script", "img", "link", "iframe", "object", "base", "form"} & set(page.tags)
        assert not re.search(r"url\(|@import|expression", page.style)
        assert [name for name, _ in page.attributes if name == "src" or name.startswith("on")] == []
        assert b"://" not in data
        links = [value for name, value in page.attributes if name == "href"]
        assert all(re.fullmatch(r"ledger/[0-9]{6}\.[a-z0-9.]+\.cms", link) for link in links)


def test_what_a_plan_says_is_shown_and_never_obeyed() -> None:
    for data in (script_of(1, ledger=hostile()), minutes_of(1, ledger=hostile())):
        page = read(data)
        assert HOSTILE in page.text
        assert "script" not in page.tags
        assert "alert" not in page.style


def test_text_in_a_style_sheet_stays_text() -> None:
    assert css_string('a" }</style>\n計画') == "a\\000022 \\00007d\\00003c\\00002fstyle\\00003e\\00000a計画"


def test_a_browser_is_told_to_fetch_nothing_and_run_nothing() -> None:
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read(script_of(1)).attributes


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_language_alone_has_none_of_the_other(language: Language) -> None:
    titles = {"ja": "鍵セレモニー手順書", "en": "Key ceremony script"}
    page = read(script_of(3, [language]))
    assert [one for one, title in titles.items() if title in page.words] == [language]
    assert page.tags.count("main") == 1


def test_both_languages_are_japanese_first_each_on_pages_of_its_own() -> None:
    page = read(minutes_of(3))
    assert page.words.index("鍵セレモニー議事録") < page.words.index("Minutes of a key ceremony")
    assert [value for name, value in page.attributes if name == "lang"] == ["ja", "ja", "en"]
    assert ".sheet + .sheet { break-before: page; }" in page.style


def test_a_rehearsal_says_so_on_every_page() -> None:
    for data in (script_of(1, ledger=fixedledger.rehearsal()), minutes_of(1, ledger=fixedledger.rehearsal())):
        page = read(data)
        assert "Nothing of this ledger may be used with real numbers." in page.words
        assert ("class", "watermark") in page.attributes
        assert page.style.count("@top-center") == 2
    assert "rehearsal" not in str(read(script_of(1)).attributes)
    assert "@top-center" not in read(script_of(1)).style
