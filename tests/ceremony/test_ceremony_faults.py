"""Executes that fail in the middle: what was made on the token is gone again, or the error says where it is."""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from pathlib import Path

import ceremonykit as kit
import pytest
from ceremonykit import APPLIANCE, PEOPLE, QUORUM, Done, Stage

SABOTEUR = Path(__file__).with_name("saboteur.py")
UNCHANGED = "the keys made in this run were destroyed again, and the ledger is unchanged"


def sabotaged(stage: Stage, fault: str, number: int, *arguments: str) -> Done:
    """The command line with a fault in it."""
    command = [sys.executable, str(SABOTEUR), fault, str(number), *arguments]
    done = subprocess.run(
        command, env=stage.env, cwd=stage.folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert kit.PIN not in done.stdout + done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


FAULTS = [
    ("before-generate", 2, "the token was pulled out"),
    ("after-generate", 3, "the token was pulled out"),
    ("attributes", 3, "the token was pulled out"),
    ("check-value", 2, "the token was pulled out"),
    ("wrong-blocks", 3, "sspin.E: a number enciphered with the new key does not come back"),
    ("same-check-value", 0, "check_value 000102030405 is another key's: the same key twice"),
    ("signer", 2, "the token was pulled out"),
    ("defect", 2, "ZeroDivisionError: no such thing"),
    ("ctrl-c", 2, "stopped"),
    ("sigterm", 2, "stopped"),
    ("disk-full", 1, "000002.authorization.cms: cannot be written (No space left on device)"),
    ("disk-full", 2, "000002.outcome.part: cannot be written (No space left on device)"),
    ("disk-full", 3, "000002.outcome.cms: cannot be written (No space left on device)"),
]


@pytest.fixture
def ready(stage: Stage) -> tuple[Stage, list[str]]:
    """A founded ledger with an approved plan of three keys, and the command that carries it out."""
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *QUORUM)
    return stage, ["execute", str(plan), "--config", "kagimori.toml"]


@pytest.mark.parametrize(("fault", "number", "reason"), FAULTS)
def test_what_was_made_is_destroyed_again(ready: tuple[Stage, list[str]], fault: str, number: int, reason: str) -> None:
    stage, command = ready
    before = stage.snapshot()
    done = sabotaged(stage, fault, number, *command)
    assert done.code == 1, done.out + done.err
    assert reason in done.message
    assert done.message.endswith(f"; {UNCHANGED}")
    assert stage.snapshot() == before
    assert stage.run(*command).code == 0, "and without the fault the same command succeeds"
    assert len(stage.state().keys) == 3


def test_a_genesis_that_fails_leaves_an_empty_token(beginning: Stage) -> None:
    plan = kit.drafted(beginning)
    beginning.approve(plan, *PEOPLE)
    before = beginning.snapshot()
    for fault, number in (("after-identity", 1), ("store-certificate", 1), ("signer", 2), ("disk-full", 2)):
        done = sabotaged(beginning, fault, number, "execute", str(plan), "--config", "kagimori.toml")
        assert done.code == 1, done.out + done.err
        assert done.message.endswith(UNCHANGED)
        assert beginning.snapshot() == before
    assert "Private Key Object" not in before["objects"]
    assert beginning.execute(plan).code == 0


def test_keys_that_cannot_be_destroyed_are_named(ready: tuple[Stage, list[str]]) -> None:
    stage, command = ready
    done = sabotaged(stage, "not-destroyed", 2, *command)
    assert done.code == 1
    named = re.search(r"keys LEFT ON THE TOKEN that the ledger does not know, by CKA_ID: (.*)$", done.message)
    assert named is not None, done.message
    left = named[1].split(", ")
    assert len(left) == 2
    assert "docs/ceremony.md" in done.hint
    listed = stage.objects()
    assert all(key_id in listed for key_id in left)


@pytest.mark.parametrize(
    ("fault", "number", "made"), [("sigkill", 2, 2), ("killed-while-staging", 1, 3), ("killed-while-staging", 2, 3)]
)
def test_a_machine_that_dies_leaves_keys_that_status_lists_and_execute_stumbles_over(
    ready: tuple[Stage, list[str]], fault: str, number: int, made: int
) -> None:
    stage, command = ready
    assert sabotaged(stage, fault, number, *command).code == -9
    told = stage.must("status", "--config", "kagimori.toml", "--token", APPLIANCE)
    orphans = re.findall(r"key ([0-9a-f]{32}) is unknown to the ledger", told)
    assert len(orphans) == made
    before = stage.snapshot()
    again = stage.run(*command)
    assert again.code == 1
    assert again.message == "token kagimori: holds a key spin.1 that the ledger does not know"
    assert "docs/ceremony.md" in again.hint
    assert stage.snapshot() == before
    for key_id in orphans:  # what docs/ceremony.md tells people to do
        stage.pkcs11_tool("--delete-object", "--type", "secrkey", "--id", key_id)
    assert stage.run(*command).code == 0
    told = stage.must("status", "--config", "kagimori.toml", "--token", APPLIANCE)
    assert "holds every key of the ledger, and no other" in told


def test_a_machine_that_dies_in_a_genesis_leaves_a_key_that_status_lists(beginning: Stage) -> None:
    plan = kit.drafted(beginning)
    beginning.approve(plan, *PEOPLE)
    assert sabotaged(beginning, "killed-with-identity", 1, "execute", str(plan), "--config", "kagimori.toml").code == -9
    told = beginning.must("status", "--config", "kagimori.toml", "--token", APPLIANCE)
    (orphan,) = re.findall(r"key ([0-9a-f]{32}) is unknown to the ledger", told)
    again = beginning.execute(plan)
    assert (again.code, again.message) == (1, "token kagimori: holds keys already (identity)")
    for kind in ("privkey", "pubkey"):  # what docs/ceremony.md tells people to do
        beginning.pkcs11_tool("--delete-object", "--type", kind, "--id", orphan)
    assert beginning.execute(plan).code == 0


@pytest.mark.parametrize(
    ("fault", "number"),
    [
        ("killed-while-staging", 3),
        ("killed-before-ledger", 1),
        ("killed-between", 1),
        ("killed-between", 2),
        ("killed-after-ledger", 1),
    ],
)
def test_a_death_after_the_work_is_completed_by_the_same_command(
    ready: tuple[Stage, list[str]], fault: str, number: int
) -> None:
    stage, command = ready
    assert sabotaged(stage, fault, number, *command).code == -9
    objects = stage.objects()
    withdrawn = stage.run("withdraw", command[1])
    assert withdrawn.code == 1
    assert "its outcome waits for the ledger" in withdrawn.message
    if (fault, number) == ("killed-between", 1):
        refused = stage.run("status", "--config", "kagimori.toml")
        assert refused.code == 1
        assert "000002.outcome.cms: is missing: an execute was interrupted" in refused.message
    done = stage.run(*command)
    assert done.code == 0, done.err
    assert "the ledger is now complete" in done.out
    assert stage.objects() == objects, "without touching the token"
    assert len(stage.state().keys) == 3
    told = stage.must("status", "--config", "kagimori.toml", "--token", APPLIANCE)
    assert "holds every key of the ledger, and no other" in told
    left = {path.name for path in (stage.ledger / "pending").iterdir() if not path.name.startswith(".")}
    assert left == {"carried-out", "execute.lock"}


def test_stopping_it_once_the_outcome_is_safe_comes_too_late(ready: tuple[Stage, list[str]]) -> None:
    """The keys stay and the ledger is complete; the signal is heeded after that."""
    stage, command = ready
    done = sabotaged(stage, "sigterm-while-staging", 1, *command)
    assert (done.code, done.message) == (1, "stopped")
    assert done.hint == "keyceremony status tells where things stand"
    assert len(stage.state().keys) == 3
    told = stage.must("status", "--config", "kagimori.toml", "--token", APPLIANCE)
    assert "holds every key of the ledger, and no other" in told


@pytest.mark.parametrize("number", [1, 2])
def test_a_full_disk_while_the_ledger_is_written_is_completed_later(
    ready: tuple[Stage, list[str]], number: int
) -> None:
    stage, command = ready
    done = sabotaged(stage, "link", number, *command)
    assert done.code == 1
    assert "No space left on device" in done.message
    assert "the plan was carried out, and its outcome waits in" in done.message
    assert done.hint == "put the cause right and run the same command again: it completes the ledger"
    assert stage.run(*command).code == 0
    assert len(stage.state().keys) == 3


def test_two_executes_cannot_run_at_once(ready: tuple[Stage, list[str]]) -> None:
    stage, command = ready
    before = stage.snapshot()
    with (stage.ledger / "pending" / "execute.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = stage.run(*command)
    assert done.code == 1
    assert done.message.endswith("execute.lock: another execute runs on this ledger")
    assert stage.snapshot() == before


def test_a_wrong_pin_is_tried_once(ready: tuple[Stage, list[str]]) -> None:
    stage, command = ready
    before = stage.snapshot()
    assert "user PIN count low" not in stage.slots()
    (stage.folder / "pin").write_text("99999999\n")
    done = sabotaged(stage, "logins", 0, *command)
    assert done.code == 5
    assert "wrong PIN; it was tried once" in done.message
    assert "tokens lock after a few wrong PINs" in done.hint
    assert done.out.count("login ") == 1
    assert stage.slots().count("user PIN count low") == 1, "the token remembers it"
    assert stage.snapshot() == before
