"""Every text has both languages, fills in the same names, and is used."""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import get_args

import pytest

import keyceremony
from appliance.bilingual import Language
from appliance.ledger.actions import Action, action_name
from appliance.ledger.roster import Role, ThresholdClass
from appliance.ledger.states import KeyState
from keyceremony.sheets.wording import LANGUAGES, Wording, texts

from . import fixedledger
from .golden import minutes_of, script_of
from .reading import read

ROOM = Path(keyceremony.__file__).parent / "sheets"
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
LATIN_IN_JAPANESE = {"minutes.key_id", "minutes.result", "sheet.id", "sheet.of"}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", texts())
def test_each_text_is_in_both_languages(key: str) -> None:
    text = texts()[key]
    assert text.ja
    assert text.en
    assert placeholders(text.ja) == placeholders(text.en)
    assert not JAPANESE.search(text.en)
    assert JAPANESE.search(text.ja) or key in LATIN_IN_JAPANESE


def test_each_text_is_used() -> None:
    sources = [path.read_text(encoding="utf-8") for path in ROOM.rglob("*") if path.suffix in {".py", ".j2"}]
    named = set(re.findall(r"[\"'(]([a-z]+\.[a-z0-9_-]+)[\"']", "\n".join(sources)))
    built = ("role.", "body.", "state.", "class.", "action.", "meaning.", "phase.", "minutes.attempt_")
    assert [key for key in texts() if key not in named and not key.startswith(built)] == []


def test_each_kind_of_the_ledger_has_its_word() -> None:
    actions = [str(kind.__struct_config__.tag) for kind in get_args(Action)]
    wanted = [f"{section}.{name}" for section in ("action", "meaning") for name in actions]
    wanted += [f"state.{state.value}" for state in KeyState]
    wanted += [f"class.{name}" for name in get_args(ThresholdClass)]
    wanted += [f"role.{name}" for name in get_args(Role)]
    assert [key for key in wanted if key not in texts()] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_action_is_told_before_and_after(language: Language) -> None:
    t = Wording(language)
    told = set()
    ledgers = (fixedledger.ledger(), fixedledger.cloned())
    for ledger, entry in [(one, entry) for one in ledgers for entry in one.entries]:
        sheets = [read(make(entry.sequence, [language], ledger)).words for make in (script_of, minutes_of)]
        for name in map(action_name, entry.plan.actions):
            told.add(name)
            assert [t(f"action.{name}") in sheet and t(f"meaning.{name}") in sheet for sheet in sheets] == [True, True]
    assert told == {str(kind.__struct_config__.tag) for kind in get_args(Action)}


def test_times_are_utc_and_in_japanese_those_of_japan_as_well() -> None:
    assert Wording("en").instant("2026-12-31T20:05:09Z") == "2026-12-31 20:05:09 UTC"
    assert Wording("ja").instant("2026-12-31T20:05:09Z") == "2026-12-31 20:05:09 UTC（日本時間 01-01 05:05:09）"


def test_durations_are_milliseconds_up_to_ten_seconds() -> None:
    assert [Wording("en").duration(one) for one in (0, 9_999, 10_000, 3_723_456)] == [
        "0 ms",
        "9,999 ms",
        "10.0 s",
        "3,723.5 s",
    ]
