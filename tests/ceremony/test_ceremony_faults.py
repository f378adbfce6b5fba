"""Executes that fail in the middle: what was made is gone again and a signed record is left, or the error says more."""

from __future__ import annotations

import fcntl
import json
import re

import ceremonykit as kit
import pytest
from ceremonykit import APPLIANCE, PEOPLE, QUORUM, Done, Stage

from appliance.ledger import chain
from appliance.ledger.annexes import Attempt
from appliance.ledger.files import read

KEYS = 5
UNDONE = "what was made in this run was removed again; recorded as 000002.attempt.1.cms"

FAULTS = [
    ("before-generate", 2, "the token was pulled out"),
    ("after-generate", 3, "the token was pulled out"),
    ("attributes", 3, "the token was pulled out"),
    ("check-value", 2, "the token was pulled out"),
    ("wrong-blocks", 3, "sspin.E: a number enciphered with the new key does not come back"),
    ("wrong-blocks", 4, "tag: the new key gives another tag each time"),
    ("same-check-value", 0, "check_value 000102030405 is another key's: the same key twice"),
    ("after-log", 1, "the token was pulled out"),
    ("log-signer", 1, "the token was pulled out"),
    ("signer", 2, "the token was pulled out"),
    ("defect", 2, "ZeroDivisionError: no such thing"),
    ("ctrl-c", 2, "stopped"),
    ("sigterm", 2, "stopped"),
]


@pytest.fixture
def ready(stage: Stage) -> tuple[Stage, list[str]]:
    """A founded ledger with an approved plan of five keys, and the command that carries it out."""
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *QUORUM)
    return stage, ["execute", str(plan), "--config", "kagimori.toml"]


def _record(stage: Stage, name: str = "000002.attempt.1.cms") -> Attempt:
    state = stage.state() if stage.ledger.joinpath("000001.outcome.cms").exists() else None
    record = chain.open_annexes(read(stage.ledger), state)[name]
    assert isinstance(record, Attempt)
    return record


@pytest.mark.parametrize(("fault", "number", "reason"), FAULTS)
def test_what_was_made_is_removed_again_and_recorded(
    ready: tuple[Stage, list[str]], fault: str, number: int, reason: str
) -> None:
    stage, command = ready
    before = stage.objects()
    done = stage.run(*command, fault=(fault, number))
    assert done.code == 1, done.out + done.err
    assert reason in done.message
    assert done.message.endswith(f"; {UNDONE}")
    assert stage.objects() == before
    assert stage.state().sequence == 1
    record = _record(stage)
    assert record.ended_by == "failure"
    assert reason in record.reason
    again = stage.run(*command)
    assert again.code == 0, "and without the fault the same command succeeds"
    assert len(stage.state().keys) == KEYS


def test_a_full_disk_at_any_moment_leaves_nothing_that_a_later_try_cannot_settle(
    ready: tuple[Stage, list[str]],
) -> None:
    """Every fsync of a run fails once; each time the next command finds a way, and the ledger holds."""
    stage, command = ready
    number = 0
    while True:
        number += 1
        tried = stage.copy(stage.folder.with_name(f"full-{number}"))
        done = tried.run(*command, fault=("disk-full", number))
        if done.code == 0:
            break
        assert "No space left on device" in done.message, done.message
        _settle(tried, command, done)
        assert len(tried.state().keys) == KEYS
        told = tried.must("status", "--config", "kagimori.toml", "--token", APPLIANCE)
        assert "holds every key of the ledger, and no other" in told
        tried.discard()
    assert number > 30, "one for each line of the journal, and for each file"


def _settle(stage: Stage, command: list[str], done: Done) -> None:
    """Do what the hints say until the plan is in the ledger."""
    for _ in range(3):
        if "the ledger is complete" in done.message:
            return
        if "keyceremony abort" in done.hint:
            done = stage.run("abort", "--reason", "the disk was full", "--config", "kagimori.toml")
        elif "keyceremony resume" in done.hint:
            done = stage.run("resume", "--config", "kagimori.toml")
        else:
            done = stage.run(*command)
        if done.code == 0 and stage.state().sequence == 2:
            return
    raise AssertionError(f"not settled: {done.message} / {done.hint}")


def test_a_genesis_that_fails_leaves_an_empty_token(beginning: Stage) -> None:
    plan = kit.drafted(beginning)
    beginning.approve(plan, *PEOPLE)
    before = beginning.objects()
    for number, (fault, call) in enumerate((("after-identity", 1), ("store-certificate", 1), ("signer", 2)), start=1):
        done = beginning.run("execute", str(plan), "--config", "kagimori.toml", fault=(fault, call))
        assert done.code == 1, done.out + done.err
        assert done.message.endswith(f"removed again; recorded as 000001.attempt.{number}.cms")
        assert beginning.objects() == before
        assert "the token was pulled out" in _record(beginning, f"000001.attempt.{number}.cms").reason
    assert "Private Key Object" not in before
    assert beginning.execute(plan).code == 0
    (entry,) = chain.verify_entries(read(beginning.ledger), beginning.anchor)
    assert len(entry.annexes) == 3


def test_what_cannot_be_removed_is_named_until_it_can(ready: tuple[Stage, list[str]]) -> None:
    stage, command = ready
    done = stage.run(*command, fault=("not-destroyed", 2))
    assert done.code == 1
    named = re.search(r"LEFT ON A TOKEN that nothing accounts for: (.*)$", done.message)
    assert named is not None, done.message
    left = re.findall(r"([0-9a-f]{32}) \(key (sspin\.B\.1|spin\.1)\)", named[1])
    assert len(left) == 2
    assert done.hint == "put the token back, then: keyceremony abort"
    assert all(key_id in stage.objects() for key_id, _ in left)
    told = stage.run("inventory", "--json", "--config", "kagimori.toml")
    assert told.code == 1
    unknown = {one["key_id"] for one in json.loads(told.out)["findings"] if one["status"] == "unknown"}
    assert unknown == {key_id for key_id, _ in left}
    aborted = stage.run("abort", "--reason", "the token is back", "--config", "kagimori.toml")
    assert aborted.code == 0, aborted.err
    assert not any(key_id in stage.objects() for key_id, _ in left)
    assert sorted(_record(stage).removed) == sorted(key_id for key_id, _ in left)
    assert stage.run(*command).code == 0


@pytest.mark.parametrize(
    ("fault", "number"),
    [("killed-before-ledger", 1), ("killed-between", 1), ("killed-between", 2), ("killed-after-ledger", 1)],
)
def test_a_death_after_the_work_is_completed_without_the_token(
    ready: tuple[Stage, list[str]], fault: str, number: int
) -> None:
    stage, command = ready
    assert stage.run(*command, fault=(fault, number)).code == -9
    objects = stage.objects()
    withdrawn = stage.run("withdraw", command[1], "--config", "kagimori.toml")
    assert withdrawn.code == 1
    assert withdrawn.message == f"{command[1]}: an execute of it was cut off"
    aborted = stage.run("abort", "--reason", "too late", "--config", "kagimori.toml")
    assert aborted.code == 1
    assert aborted.message == "the plan was carried out, and its outcome is signed"
    assert aborted.hint == "keyceremony resume completes the ledger"
    if (fault, number) == ("killed-between", 1):
        refused = stage.run("status", "--config", "kagimori.toml")
        assert refused.code == 1
        assert "000002.outcome.cms: is missing: an execute was interrupted" in refused.message
        assert "keyceremony resume" in refused.hint
    done = stage.run("resume", "--config", "kagimori.toml", fault=("logins", 0))
    assert done.code == 0, done.err
    assert "The plan had been carried out; the ledger is now complete." in done.out
    assert "login" not in done.out, "without touching the token"
    assert stage.objects() == objects
    assert len(stage.state().keys) == KEYS
    told = stage.must("status", "--config", "kagimori.toml", "--token", APPLIANCE)
    assert "holds every key of the ledger, and no other" in told
    left = {path.name for path in (stage.ledger / "pending").iterdir() if not path.name.startswith(".")}
    assert left == {"carried-out", "execute.lock"}


def test_stopping_it_once_the_outcome_is_safe_comes_too_late(ready: tuple[Stage, list[str]]) -> None:
    """The keys stay and the ledger is complete; the signal is heeded after that."""
    stage, command = ready
    done = stage.run(*command, fault=("sigterm-while-staging", 1))
    assert (done.code, done.message) == (1, "stopped")
    assert done.hint == "keyceremony status tells where things stand"
    assert len(stage.state().keys) == KEYS
    told = stage.must("status", "--config", "kagimori.toml", "--token", APPLIANCE)
    assert "holds every key of the ledger, and no other" in told


@pytest.mark.parametrize("number", [1, 2])
def test_a_full_disk_while_the_ledger_is_written_is_completed_later(
    ready: tuple[Stage, list[str]], number: int
) -> None:
    stage, command = ready
    done = stage.run(*command, fault=("link", number))
    assert done.code == 1
    assert "No space left on device" in done.message
    assert "the plan was carried out, and its outcome waits in" in done.message
    assert done.hint == "put the cause right; keyceremony resume then completes the ledger"
    assert stage.run("resume", "--config", "kagimori.toml").code == 0
    assert len(stage.state().keys) == KEYS


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
    done = stage.run(*command, fault=("logins", 0))
    assert done.code == 5
    assert "wrong PIN; it was tried once" in done.message
    assert "tokens lock after a few wrong PINs" in done.hint
    assert done.out.count("login ") == 1
    assert stage.slots().count("user PIN count low") == 1, "the token remembers it"
    assert stage.snapshot() == before


def test_a_journal_that_was_changed_is_refused_and_nothing_is_touched(ready: tuple[Stage, list[str]]) -> None:
    stage, command = ready
    assert stage.run(*command, kill=(6, "after")).code == -9
    (journal,) = (stage.ledger / "pending").glob("*.journal.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    objects = stage.objects()
    for changed, why in (
        ("".join([*lines[:2], *lines[3:]]), "line 3 is numbered 4"),
        ("".join([lines[0], "{}\n"]), "line 2: Object missing required field `n`"),
        (lines[1], "line 1 is numbered 2"),
    ):
        journal.write_text(changed)
        for asked in (["resume"], ["abort", "--reason", "a reason"]):
            told = stage.run(*asked, "--config", "kagimori.toml")
            assert told.code == 1
            assert told.message.endswith(why)
            assert "keyceremony inventory" in told.hint
    assert stage.objects() == objects
    journal.write_text("".join(lines) + '{"n":7,"at":"2026')  # a line that was cut off in writing
    assert stage.run("resume", "--config", "kagimori.toml").code == 0


def test_a_key_that_vanished_since_is_not_papered_over(ready: tuple[Stage, list[str]]) -> None:
    stage, command = ready
    assert stage.run(*command, kill=(8, "after")).code == -9
    (key_id,) = re.findall(r"ID: +([0-9a-f]{32})", stage.objects().split("Secret Key Object", 1)[1])[:1]
    stage.pkcs11_tool("--delete-object", "--type", "secrkey", "--id", key_id)
    told = stage.run("resume", "--config", "kagimori.toml")
    assert told.code == 1
    assert "key spin.1: the journal says that it was made, but kagimori does not hold" in told.message
    assert told.message.endswith(UNDONE)
    assert stage.run(*command).code == 0
