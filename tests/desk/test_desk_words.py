"""Every text of the desk is in both languages, says the same there, and is shown somewhere."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import appliance.desk
from appliance.audit.records import Record
from appliance.bilingual import Text
from appliance.desk.pages.every import PAGES
from appliance.desk.words import DeskWords
from appliance.oversight import report
from appliance.oversight.report.findings import Seconds
from appliance.oversight.report.words import LANGUAGES

ROOM = Path(appliance.desk.__file__).parent
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def _own() -> dict[str, Text]:
    sections = msgspec.toml.decode((ROOM / "wording.toml").read_bytes(), type=dict[str, dict[str, Text]])
    return {f"{section}.{name}": text for section, held in sections.items() for name, text in held.items()}


def _filled(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", _own())
def test_each_text_is_in_both_languages(key: str) -> None:
    text = _own()[key]
    assert _filled(text.ja) == _filled(text.en)
    assert JAPANESE.search(text.ja) or key == "plan.join", text.ja
    assert not JAPANESE.search(text.en), text.en
    assert not re.search(r"(です|ます|ません|ください)。", text.ja) or key.startswith("stop."), "one style throughout"


def _source() -> Iterator[str]:
    """The desk's own files, and those of the report whose sections it shows."""
    for room in (ROOM, Path(report.__file__).parent):
        for path in (*room.rglob("*.py"), *room.rglob("*.j2")):
            yield path.read_text("utf-8")


def test_each_text_is_shown_somewhere() -> None:
    """By its whole key, or by its name where the section stands in the code."""
    source = "\n".join(_source())
    quoted = set(re.findall(r'"([a-z_.-]+)"', source)) | set(re.findall(r"field\.(\w+)", source))
    names = {name for kind in Record.__args__ for name in kind.__struct_fields__}
    put_together = set(re.findall(r'"([a-z]+)\.(?:\{|" ~)', source))
    unused = [
        key
        for key, (section, _, name) in ((key, key.partition(".")) for key in _own())
        if key not in quoted
        and not (section in put_together and name.split("_")[-1] in quoted | names)
        and not (section in put_together and name in quoted | names)
        and section != "stop"
    ]
    assert unused == ["plan.officer"], "its key is the role in the roster"


def test_everything_that_is_named_has_its_words() -> None:
    for language in LANGUAGES:
        t = DeskWords(language)
        for name in PAGES:
            assert t.known(f"nav.{name}")
            assert t.known(f"intro.{name}")
        for kind in Record.__args__:
            assert [name for name in kind.__struct_fields__ if t.known(f"field.{name}") is None] == []
        for part in ("log", "daemon", "ceremony"):
            assert t.known(f"trouble.{part}")
        for judgement in ("good", "wait", "bad", "plain"):
            assert t.known(f"judge.{judgement}")
        assert {t.known(f"order.{one}") for one in ("early", "open", "ended", "used_up", "over")}.isdisjoint({None})
        assert t("light.fresh_late", age=Seconds(90)) != t("light.fresh_late", age=Seconds(3_600))


def test_what_is_hidden_in_a_text_is_shown() -> None:
    assert "\\u202e" in DeskWords("ja")("plan.strange", what="a\u202eb")
