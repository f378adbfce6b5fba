"""The page on card sign-in: its commands run, its table of refusals is whole, its figures are those of the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cardkit import TokenCard, build, number

from appliance.portal.signin import attempts, challenge, door, journal
from appliance.portal.signin.reasons import Reason
from tests.world import PROJECT, softhsm

PAGE = (PROJECT / "docs" / "card-signin.md").read_text(encoding="utf-8")
PORTAL = "https://portal.example.go.jp"
COMMANDS = [
    line.strip()
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> TokenCard:
    """A card, in a folder with all that the commands name."""
    world = build(tmp_path_factory.mktemp("guide"))
    (world.folder / "challenge.json").write_text(challenge.Challenges(PORTAL).issue("s").text)
    (world.folder / "cards.csv").write_text(f"serial,common_number,name\n12ab,{number(1)},山田 花子\n")
    (world.folder / "revoked.crl.new").write_bytes(world.authority.crl())
    return world.token_card("card", "rsa")


def run(words: list[str], card: TokenCard) -> str:
    """What a command complained of; nothing if it succeeded."""
    programs = {"appliance": [sys.executable, "-m", "appliance.cli"], "openssl": [str(softhsm()["KAGIMORI_OPENSSL"])]}
    command = [*programs.get(words[0], [words[0]]), *words[1:]]
    told = subprocess.run(command, cwd=card.folder.parent, env=card.env, capture_output=True, text=True)
    return told.stderr if told.returncode else ""


def test_every_command_runs_as_it_stands(card: TokenCard) -> None:
    """With the card's module, label and PIN of the test; in the order of the page, since one needs the other's file."""
    told = {}
    for line in COMMANDS:
        words = shlex.split(line.replace("/usr/lib/opensc-pkcs11.so", str(card.module)).replace('"User proof"', "card"))
        if words[:3] == ["appliance", "card", "sign"]:
            words += ["--pin-file", str(card.pin_file)]
            words += [] if "--portal" in words else ["--portal", PORTAL]
        told[line] = run(words, card)
    assert len(told) == 6
    assert {line: complaint for line, complaint in told.items() if complaint} == {}


def test_the_table_has_every_reason_in_the_order_of_the_door() -> None:
    table = PAGE.split("| reason | what happened | what to do |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [reason.value for reason in Reason]


def test_its_figures_are_those_of_the_code() -> None:
    assert challenge.LIFETIME.total_seconds() == 300 and "good for five minutes" in PAGE
    assert (attempts.OF_SESSION, attempts.WINDOW.total_seconds()) == (10, 600)
    limits = (
        f"{attempts.A_MINUTE:,} a minute in all; three open challenges of a session, {challenge.MOST_OPEN:,} in all"
    )
    assert limits in PAGE and challenge.MOST_OF_SESSION == 3


def test_the_journals_events_are_those_of_the_code() -> None:
    source = Path(door.__file__).read_text(encoding="utf-8") + Path(journal.__file__).read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| (?:`|\w)", PAGE.split("| event | fields |")[1], re.MULTILINE)
    assert told == ["entered", "refused", "list"]
    assert all(f'"{event}"' in source for event in told)
