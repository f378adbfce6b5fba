"""The page: well formed, self-contained, unable to do anything, in one language, and readable without colours."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from reportkit import HOSTILE, log, sample
from reportreading import Read, read
from reportworld import book

import appliance.oversight.report
from appliance.bilingual import Language, texts
from appliance.daemon.problems import KINDS, NUMBER_CODES
from appliance.ledger.actions import Action
from appliance.ledger.states import KeyState
from appliance.oversight.report import page, sections_head
from appliance.oversight.report.moments import Clock
from appliance.oversight.report.words import LANGUAGES, Words

TEXTS = texts("appliance.oversight.report")

ROOM = Path(appliance.oversight.report.__file__).parent
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
SAME_IN_BOTH = {"page.of", "time.join", "column.uid", "detail.stop", "detail.ledger_refused", "detail.engine_lost"}
SAME_IN_BOTH |= {"detail.engine_regained", "detail.audit_lost", "usual.order_refused", "did.join"}


def english(language: Language = "en") -> Read:
    return read(sample().report(language).page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_well_formed_and_fetches_nothing(language: Language) -> None:
    data = sample().report(language).page
    made = read(data)
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & {tag for tag, _ in made.tags}
    assert set(re.findall(r"url\(([^)]*)\)", made.style)) <= {f"#hatch-{name}" for name in HATCHES}
    assert not re.search(r"@import|expression", made.style)
    assert [name for name, _ in made.attributes if name == "src" or name.startswith("on")] == []
    assert {value[:1] for name, value in made.attributes if name == "href"} == {"#"}
    assert b"://" not in data
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert ("content", policy) in made.attributes


HATCHES = ("unknown", "1", "2", "3", "key", "stop", "zone", "refuse")


def test_every_pattern_that_a_colour_needs_is_there() -> None:
    made = english()
    there = {held["id"] for tag, held in made.tags if tag == "pattern"}
    assert there == {f"hatch-{name}" for name in HATCHES}
    assert [value for name, value in made.attributes if name == "id"].count("hatch-unknown") == 1


def test_what_callers_wrote_is_shown_and_never_obeyed() -> None:
    made = english()
    assert "</svg><script>alert(1)</" in made.words
    assert "行ウ31 <img src=x>" in made.words
    assert "令和8年(行ウ)第31号 <b>" in made.words
    assert not {"script", "b", "img"} & {tag for tag, _ in made.tags}
    assert "alert" not in made.style


def test_nothing_in_a_text_hides_or_turns_other_text_round() -> None:
    shown = Words("en")("detail.engine_lost", detail=HOSTILE)
    assert shown == "</svg><script>alert(1)</script>\\u202e{{ 7*7 }}\\x07\"'&"


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_can_be_read_without_seeing_it(language: Language) -> None:
    made = read(sample().report(language).page)
    pictures = [held for tag, held in made.tags if tag == "svg" and "viewbox" in held and "role" in held]
    assert len(pictures) >= 12
    assert all(held["role"] == "img" and held["aria-label"] for held in pictures)
    names = [tag for tag, _ in made.tags]
    assert names.count("caption") == names.count("table")
    assert names.count("figure") == 5
    assert names.count("details") >= 5  # a table of numbers behind every picture that is not one itself
    regions = [held for _, held in made.tags if held.get("role") == "region"]
    assert all(held["tabindex"] == "0" and held["aria-label"] for held in regions)
    assert made.tags[0] == ("html", {"lang": language})


def test_it_prints_on_a4_with_its_colours_and_without_what_is_for_screens() -> None:
    style = english().style
    assert "size: A4" in style
    assert "print-color-adjust: exact" in style
    assert "details:not([open]) { display: none; }" in style
    assert 'counter(page) " of " counter(pages)' in style


def test_one_language_alone_has_none_of_the_other() -> None:
    titles = {"ja": "監視報告書", "en": "Oversight report"}
    for language in LANGUAGES:
        words = english(language).words
        assert [one for one, title in titles.items() if title in words] == [language]


def test_the_japanese_page_has_no_english_of_ours() -> None:
    """Latin letters are names in log and ledger, what the daemon itself said, or one of a few terms."""
    made, data = english("ja"), _said(log().entries) | _said([*book().files.values()])
    latin = re.compile(r"[A-Za-z]+")
    terms = {"UTC", "MAD", "max", "M", "E", "uid", "unknown", "ID", "Kagimori", "ML", "DSA", "Asia", "Tokyo", "Ed"}
    known = terms | {word for text in data for word in latin.findall(text)}
    words = re.sub(r"[0-9a-f]{16}", "", " ".join(made.text))  # digests of orders
    assert set(latin.findall(words)) - known == set()
    assert Words("en")("lead.keys") not in made.words


def _said(documents: list[bytes]) -> set[str]:
    """Every text that is a value in canonical JSON, also in that which a CMS file holds."""
    values = re.compile(rb'[:\\[,]"((?:[^"\\\\]|\\\\.)*)"(?!:)')
    return {text.decode("utf-8", "ignore") for one in documents for text in values.findall(one)}


@pytest.mark.parametrize("key", TEXTS)
def test_each_text_is_in_both_languages(key: str) -> None:
    text = TEXTS[key]
    names = [{name for _, name, _, _ in string.Formatter().parse(one) if name} for one in (text.ja, text.en)]
    assert names[0] == names[1]
    assert bool(text.ja) == bool(text.en)
    assert not JAPANESE.search(text.en)
    assert JAPANESE.search(text.ja) or key in SAME_IN_BOTH


def test_each_text_is_used() -> None:
    sources = [path.read_text(encoding="utf-8") for path in ROOM.rglob("*") if path.suffix in {".py", ".j2"}]
    named = set(re.findall(r"[\"'(]([a-z]+\.[a-z0-9_-]+)[\"']", "\n".join(sources)))
    built = ("check.", "code.", "state.", "action.", "event.", "detail.", "unusual.", "usual.", "rule.", "rule_name.")
    built += ("column.", "weekday.", "time.", "fresh.", "service.", "did.")
    assert [key for key in TEXTS if key not in named and not key.startswith(built)] == []
    columns = {key for key in TEXTS if key.startswith("column.")}
    words = set(re.findall(r"\"([a-z_]+)\"", "\n".join(sources)))
    assert [key for key in columns if key not in named and key.removeprefix("column.") not in words] == []


def test_everything_that_a_log_or_ledger_can_name_has_its_words() -> None:
    kinds = {path.stem: path.read_text(encoding="utf-8") for path in ROOM.glob("unusual_*.py")}
    found = set(re.findall(r"\"([a-z_]+)\", (?:True|False)", "\n".join(kinds.values())))
    wanted = {f"code.{code}" for code in (*KINDS, *NUMBER_CODES)}
    wanted |= {f"state.{state.value}" for state in KeyState}
    wanted |= {f"action.{kind.__struct_config__.tag}" for kind in Action.__args__}  # type: ignore[attr-defined]
    wanted |= {f"{section}.{kind}" for section in ("unusual", "usual") for kind in found}
    wanted |= {f"{section}.{kind}" for section in ("rule", "rule_name") for kind in sections_head.RULES}
    assert sorted(wanted - set(TEXTS)) == []
    assert {"night", "gap", "order_overuse"} & found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_is_told_with_its_constants(language: Language) -> None:
    words = read(sample().report(language).page).words
    t = Words(language)
    for name, amounts in sections_head.RULES.items():
        assert " ".join(t(f"rule.{name}", **amounts).split()) in words


def test_numbers_durations_and_shares_are_told_for_people() -> None:
    en, ja = Words("en"), Words("ja")
    assert [en.compact(one) for one in (0, 999, 1_000, 1_250_000, 12_345_678)] == ["0", "999", "1.0k", "1.2M", "12M"]
    assert [ja.compact(one) for one in (9_999, 12_345, 1_234_567_890)] == ["9,999", "1.2万", "12億"]
    assert [en.duration(one) for one in (0, 61, 3_600, 90_061)] == ["0 s", "1 min 1 s", "1 h", "1 d 1 h"]
    assert [en.share(one) for one in (0, 0.00001, 0.0003, 0.417, 1)] == ["0.0%", "<0.1%", "0.03%", "41.7%", "100.0%"]
    assert en("page.rest", count=3) == "and 3 more"
    assert en("fact.answers", count=1) == "in 1 conversion record"
    assert en("check.ledger_good", entries=2, anchor="ab").startswith("The ledger: 2 entries verified")


def test_text_in_a_style_sheet_stays_text() -> None:
    assert page.css_string('a" }</style>\n記') == "a\\000022 \\00007d\\00003c\\00002fstyle\\00003e\\00000a記"


def test_no_number_of_any_person_is_on_the_page() -> None:
    """The log has none; the page adds no digits of eleven or twelve of its own."""
    for language in LANGUAGES:
        words = english(language).words
        assert re.findall(r"(?<![0-9a-f,.-])[0-9]{11,12}(?![0-9a-f,])", words) == []


def test_a_clock_that_knows_no_database_still_knows_tokyo(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise ValueError(name)

    monkeypatch.setattr("appliance.oversight.report.moments.ZoneInfo", nothing)
    clock = Clock.named("Asia/Tokyo")
    assert clock.second("2026-05-13T20:30:01.000000Z") == "2026-05-14 05:30:01"
    assert clock.at("2026-05-13T20:30:01.000000Z") == clock.at("2026-05-13T20:30:59.000000Z")
    assert clock.at("2026-05-13T20:30:01.000000Z").weekday == 3
