"""The script holds everything that people need in the room, as the tool will have it."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import click
import pytest

import keyceremony
from appliance.ledger import canonical
from appliance.ledger.plan import digest
from keyceremony.cli import cli
from keyceremony.words import groups, words_of
from tests.commandkit import command_of

from . import fixedledger
from .golden import script_of
from .reading import Read, read

SOURCES = Path(keyceremony.__file__).parent


def english(number: int) -> Read:
    return read(script_of(number, ["en"]))


def commands(page: Read) -> list[str]:
    return [text for text in page.text if text.startswith(("keyceremony ", "openssl "))]


def test_the_words_and_the_digest_are_those_of_the_plan() -> None:
    data = canonical.encode(fixedledger.ledger().entries[2].plan)
    page = english(3)
    assert digest(data) in page.text
    assert " ".join(words_of(data)) in page.words
    assert all(f"{number}.  {line}" in page.text for number, line in enumerate(groups(words_of(data)), start=1))


def test_the_first_and_last_words_are_on_every_page() -> None:
    words = words_of(canonical.encode(fixedledger.ledger().entries[2].plan))
    shown = english(3).style.replace("\\002026", "…").replace("\\0000b7", "·")
    assert f'@top-right {{ content: "{words[0]} {words[1]} … {words[-2]} {words[-1]}"; }}' in shown
    assert '@bottom-right { content: "page " counter(page) " of " counter(pages); }' in shown
    assert "Key ceremony script · Plan 3" in shown


def test_everybody_who_decides_has_a_line_and_a_step() -> None:
    page = english(3)
    roster = fixedledger.ledger().entries[0].state.roster
    assert "Approvals needed: 2 of the officers, 1 of the oversight body" in page.text
    for person in roster.people:
        assert page.text.count(person.name) == 2, "among those present, and to sign off"
        assert any(f"--as {person.id} --token {person.id} " in command for command in commands(page))
        assert f"Approved as {person.id}, signature verified: …" in page.text
    assert {"operator", "witness"} <= set(page.text)


def test_a_roster_change_has_both_bodies_and_who_renewed_approves_in_both() -> None:
    page = english(10)
    assert "present roster · Approvals needed: 3 of the officers, 1 of the oversight body" in page.words
    assert "new roster · Approvals needed: 3 of the officers, 1 of the oversight body" in page.words
    steps = [text for text in page.text if " approves, typing the last four words" in text]
    assert [re.findall(r"present roster|new roster", step) for step in steps] == [
        ["present roster", "new roster"],
        ["present roster"],
        ["present roster", "new roster"],
        ["present roster"],
        ["present roster", "new roster"],
        ["new roster"],
        ["new roster"],
    ]
    assert all(step.endswith("when asked, the subject roster.") for step in steps)
    assert "Approved as officer-1 for the present roster and the new roster, signature verified: …" in page.text


def test_a_roster_change_says_who_joins_who_leaves_and_what_is_renewed() -> None:
    told = dict(pairwise(english(10).text))
    assert (told["leaves"], told["joins"], told["certificate renewed"]) == ("officer-2", "officer-4", "oversight-1")
    assert told["destroying"] == "3"
    assert "1 → 2" in english(10).text


def test_actions_stand_in_their_order_with_what_they_change() -> None:
    text = english(3).text
    heads = [at for at, piece in enumerate(text) if re.fullmatch(r"(generate|activate) [a-z]+(\.[BCE])?\.1", piece)]
    names = ["common.1", "spin.1", "sspin.B.1", "sspin.C.1", "sspin.E.1", "tag.1", "log.1"]
    wanted = [f"generate {name}" for name in names] + [f"activate {name}" for name in names]
    assert [(text[at - 2], text[at]) for at in heads] == [(str(n), one) for n, one in enumerate(wanted, start=1)]
    changes = [" ".join(text[at + 1 : at + 3]) for at in heads]
    assert changes == ["no key → generated"] * 7 + ["generated → active"] * 7


def test_the_tokens_and_pins_that_a_restore_needs_are_listed() -> None:
    words = english(12).words
    assert "☐ vault-1 1111222233334444 user PIN SO PIN" in words
    assert "☐ kagimori-2 ccccddddeeeeffff user PIN SO PIN must be empty" in words
    assert "☐ kagimori 0123456789abcdef" not in words


def test_a_destruction_names_every_token_that_holds_the_key() -> None:
    told = dict(pairwise(english(9).text))
    assert told["tokens that hold the key"].split("\n") == [
        "kagimori (serial 0123456789abcdef)",
        "vault-1 (serial 1111222233334444)",
        "vault-2 (serial 5555666677778888)",
    ]
    assert any(step.endswith("the subject sspin.C.1.") for step in english(9).text)


def test_what_a_restore_gives_up_is_told_in_both_languages_and_typed_by_everybody() -> None:
    page = read(script_of(13, ledger=fixedledger.given_up()))
    for text in (
        "GIVEN UP for ever sspin.E.2 (generated now): on no backup token; no number under it can ever be converted",
        "失われる鍵 sspin.E.2（現在：生成済）：どのバックアップトークンにも写しがなく、その番号は二度と変換できない",
        "the subject kagimori-2 sspin.E.2.",
        "求められた対象名 kagimori-2 sspin.E.2 を打ち込む",
    ):
        assert text in page.words, text
    assert "GIVEN UP" not in english(12).words
    assert "goes with the old token log.1 (active now): there is no copy of it." in english(12).words
    assert "the subject kagimori-2." in english(12).words, "a log key is nothing that is typed"


def test_steps_are_numbered_through() -> None:
    page = english(3)
    start = page.text.index("Preparing")
    numbers = [int(text) for text in page.text[start:] if re.fullmatch(r"\d{1,2}", text)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 15


@pytest.mark.parametrize("number", [1, 3, 10, 12])
def test_every_command_exists_with_its_options(number: int) -> None:
    shown = [shlex.split(command) for command in commands(english(number)) if command.startswith("keyceremony ")]
    assert {words[1] for words in shown} >= {
        "show",
        "approve",
        "execute",
        "verify",
        "note",
        "resume",
        "abort",
        "status",
    }
    for words in shown:
        if words[1] == "--version":
            continue
        command = command_of(cli, words[1])
        context = click.Context(command)
        _, rest, _ = command.make_parser(context).parse_args(words[2:])
        assert rest == [], words


def test_what_the_screen_must_show_is_what_the_tool_prints() -> None:
    """So that a message changed there is changed here; these are the fixed parts."""
    printed = "".join(path.read_text() for path in SOURCES.rglob("*.py") if "sheets" not in path.parts)
    for text in (
        "Approved as {",
        ", signature verified: {",
        "Done: the ledger is now at entry {",
        "   head     {",
        " entries; every signature, quorum and step holds.",
        "   approved by enough people",
        "Verified: {",
    ):
        assert text in printed, text
