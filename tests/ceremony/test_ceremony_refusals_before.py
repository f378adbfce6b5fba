"""What is refused before an execute: wrong words, wrong keys, second approvals, plans that cannot be, wrong usage."""

from __future__ import annotations

import re

import ceremonykit as kit
import pytest
from ceremonykit import Stage

# --- approving ----------------------------------------------------------------------------------


def test_approving_with_wrong_words(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    before, slots = stage.snapshot(), stage.slots()
    command = stage.approve_command(plan, "officer-1")
    command[command.index("--confirm-words") + 1] = "academic acid acne acquire"
    done = stage.run(*command)
    assert done.code == 1
    assert done.message == "these are not the last four words of this plan's digest; nothing was signed"
    assert stage.snapshot() == before
    assert stage.slots() == slots


def test_enter_alone_approves_nothing(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    before = stage.snapshot()
    command = ["approve", str(plan), "--as", "officer-1", "--token", "officer-1", "--config", "kagimori.toml"]
    code, shown = stage.on_terminal(command, [("LAST FOUR words", ""), ("LAST FOUR words", "yes")])
    assert code == 1
    assert "these are not the last four words" in shown
    assert "PIN of" not in shown
    assert stage.snapshot() == before


def test_approving_twice(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, "officer-1")
    before = stage.snapshot()
    done = stage.run(*stage.approve_command(plan, "officer-1"), "--out", "again.cms")
    assert done.code == 1
    assert done.message == f"officer-1 has approved this plan already ({plan.parent}/000002.officer-1.approval.cms)"
    assert stage.snapshot() == before
    assert not (stage.folder / "again.cms").exists()


def test_approving_with_somebody_elses_key(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    command = stage.approve_command(plan, "officer-1")
    command[command.index("--token") + 1] = "officer-2"
    done = stage.run(*command)
    assert done.code == 1
    assert done.error == "KeyNotTheirs"
    assert done.message == "token officer-2: holds no key of the certificate that the roster has for officer-1"
    passphrase = stage.folder / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    passphrase.chmod(0o600)
    own = ["--pem", "mine.pem", "--passphrase-file", "passphrase"]
    stage.must("enroll", "--id", "mallory", "--name", "Mallory", "--role", "officer", "--out", "mallory.json", *own)
    words = ["--confirm-words", stage.words(plan), "--config", "kagimori.toml"]
    done = stage.run("approve", str(plan), "--as", "officer-1", *own, *words)
    assert done.code == 1
    assert done.message == "mine.pem: its key is not the one of the certificate in the roster"
    done = stage.run("approve", str(plan), "--as", "mallory", *own, *words)
    assert done.code == 1
    assert done.message == "mallory is not in the roster"
    assert done.hint == "people: officer-1, officer-2, officer-3, oversight-1"
    assert not list((stage.ledger / "pending").glob("*.approval.cms"))


def test_an_approval_that_is_there_already_is_not_overwritten(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    (stage.folder / "mine.cms").write_bytes(b"evidence")
    done = stage.run(*stage.approve_command(plan, "officer-1"), "--out", "mine.cms")
    assert (done.code, done.message) == (1, "mine.cms: exists already; nothing is overwritten")
    assert (stage.folder / "mine.cms").read_bytes() == b"evidence"


# --- drafting -----------------------------------------------------------------------------------


def test_a_plan_that_waits_already_is_not_overwritten(stage: Stage) -> None:
    stage.plan_keys(*kit.FIRST_KEYS)
    before = stage.snapshot()
    done = stage.run("plan", "keys", "generate common", "--title", "Another", "--config", "kagimori.toml")
    assert done.code == 1
    assert done.message.endswith("pending/000002.plan.json: exists already; nothing is overwritten")
    assert re.search(
        r"hint: keyceremony status tells .*; keyceremony withdraw \S+000002\.plan\.json puts it away", done.err
    )
    assert stage.snapshot() == before


def test_nothing_can_be_drafted_before_the_genesis(beginning: Stage) -> None:
    anchor = ["--ledger", "ledger", "--anchor", "0" * 64]
    done = beginning.run("plan", "keys", "generate spin", "--title", "Keys", *anchor)
    assert (done.code, done.message) == (1, "the ledger is empty")
    assert done.hint == "found it first: keyceremony plan genesis SETUP.toml"


def test_a_second_genesis_is_not_drafted_into_a_ledger(stage: Stage) -> None:
    before = stage.snapshot()
    done = stage.run("plan", "genesis", "setup.toml", "--ledger", "ledger")
    assert (done.code, done.message) == (1, "ledger: there is a ledger already")
    assert stage.snapshot() == before


# --- usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify"], "--ledger is missing"),
        (["verify", "--ledger", "ledger"], "--anchor is missing"),
        (["approve", "plan.json", "--as", "officer-1"], "give either --token or --pem"),
        (["approve", "p", "--as", "o", "--token", "t", "--pem", "f"], "give either --token or --pem"),
        (
            ["enroll", "--id", "Officer 1", "--name", "n", "--role", "officer", "--out", "c", "--pem", "p"],
            "--id Officer 1: ",
        ),
        (["execute", "missing.json", "--ledger", "nowhere/ledger"], "--anchor is missing"),
    ],
)
def test_usage(stage: Stage, arguments: list[str], message: str) -> None:
    done = stage.run(*arguments)
    assert done.code == 2, done.err
    assert done.message.startswith(message)


def test_click_tells_what_is_missing(stage: Stage) -> None:
    done = stage.run("approve", "plan.json")
    assert done.code == 2
    assert "Missing option '--as'" in done.err


def test_a_missing_file_is_named(stage: Stage) -> None:
    done = stage.run("show", "missing.json")
    assert (done.code, done.message) == (1, "missing.json: cannot be read (No such file or directory)")
    done = stage.run("verify", "--ledger", "nowhere", "--anchor", "0" * 64)
    assert (done.code, done.message) == (4, "nowhere: no such folder")
    done = stage.run("status", "--config", "nowhere.toml")
    assert done.code == 3
