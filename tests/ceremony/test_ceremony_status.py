"""Status tells where things stand, what is due and what to type next; and every command can print a transcript."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import click
import ledgerkit
import paperkit
import pytest
from ledgerkit import B1
from paperkit import Table

from appliance.ledger.actions import Generate, Ratify, Suspend
from keyceremony import cli, screen
from tests.commandkit import commands_of


@pytest.fixture(scope="module")
def book() -> ledgerkit.Book:
    return paperkit.with_backup()


@pytest.fixture
def table(
    tmp_path: Path, book: ledgerkit.Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Table:
    monkeypatch.setattr(screen, "PLAIN", False)
    return Table(tmp_path, book.fork(), monkeypatch, capsys)


def next_of(table: Table) -> list[str]:
    shown = json.loads(table.must("status", "--json", *table.where))
    assert isinstance(shown["next"], list)
    return shown["next"]


def test_an_unratified_stop_is_loud_and_its_ratification_the_next_command(table: Table) -> None:
    table.book.add([Suspend(generation="sspin.B.1")])
    table.write_ledger()
    told = table.must("status", *table.where)
    assert "!! NEEDS ATTENTION NOW" in told
    assert "!! ratify sspin.B.1: suspended since 2026-04-01T09:03:00Z by the lighter quorum and not ratified" in told
    command = next_of(table)
    assert command[:4] == ["keyceremony", "plan", "keys", "ratify sspin.B.1"]
    table.must(*command[1:])
    table.must("withdraw", str(table.newest()))
    table.book.add([Ratify(generation="sspin.B.1")])
    table.write_ledger()
    assert "ratify" not in table.must("status", *table.where)


def test_keys_made_and_not_in_use_are_the_next_command(table: Table) -> None:
    table.book.add([Generate(generation="sspin.C.1", parent="spin.1", backups=(B1,))])
    table.write_ledger()
    assert next_of(table)[3:6] == ["activate sspin.C.1", "--title", "Activate the new keys"]


def test_after_a_recovery_the_next_log_key_is_the_next_command(table: Table) -> None:
    table.book.add([ledgerkit.restore(B1, lost=("log.1",))])
    table.write_ledger()
    told = table.must("status", *table.where)
    assert "!! service log: no active key, so nothing signs the log: no daemon starts" in told
    command = next_of(table)
    assert command[3:7] == ["generate log", "activate log.2", "--title", "The next key of log"]
    table.must(*command[1:])
    assert "current key of log: none → log.2" in table.must("show", str(table.newest()), *table.where)


def test_status_in_json_tells_the_public_key_of_a_log_key(table: Table) -> None:
    keys = json.loads(table.must("status", "--json", *table.where))["ledger"]["keys"]
    assert b64decode(keys["log.1"]["public_key"]) == ledgerkit.log_public_key("log.1")
    assert keys["tag.1"]["public_key"] is None


def test_a_run_that_was_cut_off_comes_before_everything_else(table: Table) -> None:
    journal = table.ledger / "pending" / "000004.journal.jsonl"
    journal.write_text("")
    told = table.must("status", *table.where)
    assert f"!! An execute was cut off; its journal is ledger/pending/{journal.name}" in told
    assert next_of(table)[:2] == ["keyceremony", "resume"]


def test_backup_tokens_and_the_age_of_the_last_drill(table: Table) -> None:
    assert "backup-1 b1b1b1b1b1b1b1b1 5 never" in squeezed(table.must("status", *table.where))
    table.book.add([ledgerkit.drill(B1)])
    table.write_ledger()
    assert "days ago (2026-04-01T09:03:00Z)" in table.must("status", *table.where)


def test_status_in_json_tells_the_same(table: Table) -> None:
    path = table.plan("roster", "--threshold", "keys=3+1")
    table.must(*table.approve_command(path, "ito"), "--confirm-subject", "roster")
    told = table.must("refuse", str(path), "--as", "sato", "--reason", "なぜ今", *table.own("sato"), *table.where)
    assert "Refused as sato" in told
    shown = json.loads(table.must("status", "--json", *table.where))
    assert shown["ledger"]["sequence"] == 3
    assert shown["ledger"]["keys"]["sspin.B.1"]["copies"] == [B1]
    assert shown["ledger"]["backups"] == {B1: {"label": "backup-1", "last_drill": None}}
    (plan,) = shown["plans"]
    assert [body["body"] for body in plan["bodies"]] == ["present roster", "new roster"]
    assert [one["person"] for one in plan["bodies"][1]["approved"]] == ["ito"]
    assert plan["bodies"][0]["missing"] == {"officer": 2, "oversight": 1}
    assert [one["reason"] for one in plan["refusals"]] == ["なぜ今"]
    assert [(one["kind"], one["subject"], one["urgent"]) for one in shown["due"]] == [("drill", "backup-1", True)]
    assert shown["next"][:5] == ["keyceremony", "approve", str(path), "--as", "sato"]


def test_an_empty_ledger_and_a_plan_that_is_none(table: Table) -> None:
    for path in table.ledger.glob("*.cms"):
        path.unlink()
    (table.ledger / "pending" / "000001.plan.json").write_text("{}")
    told = table.must("status", *table.where)
    assert "The ledger is empty." in told
    assert "Not a plan for this ledger: ledger/pending/000001.plan.json" in told
    assert json.loads(table.must("status", "--json", *table.where))["ledger"] is None


# --- transcripts --------------------------------------------------------------------------------


def test_every_command_takes_plain() -> None:
    found = dict(leaves(cli.cli, "keyceremony"))
    assert {"keyceremony status", "keyceremony plan backup enroll", "keyceremony execute"} <= found.keys()
    for name, command in found.items():
        assert sum("--plain" in parameter.opts for parameter in command.params) == 1, name


def leaves(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(name, command)]
    return [leaf for below, one in commands_of(command).items() for leaf in leaves(one, f"{name} {below}")]


def test_a_transcript_has_one_fact_a_line_and_no_boxes(table: Table) -> None:
    path = table.plan("rotate", "sspin.B")
    for command in (["show", str(path)], ["status"], ["verify"]):
        told = table.must(*command, *table.where, "--plain")
        assert "─" not in told
        assert "\x1b" not in told
    lines = table.must("status", *table.where, "--plain").splitlines()
    at = lines.index("-  sspin.B.1")
    assert lines[at : at + 6] == [
        "-  sspin.B.1",
        "   state: active",
        "   current",
        "   parent: spin.1",
        f"   check value: {ledgerkit.check_value_of('sspin.B.1')}",
        "   copies on: backup-1",
    ]
    assert "─" in table.must("status", *table.where), "the next command prints tables again"


def test_a_transcript_has_no_colours_even_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "PLAIN", True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = screen.console()
    assert (console.is_terminal, console.no_color, console.width) == (False, True, 100)


def squeezed(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.splitlines())
