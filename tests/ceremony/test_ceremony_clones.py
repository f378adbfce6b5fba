"""Clones by the real command line: enrolled, kept up to date through a rotation, destroyed on, removed and lost."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import ceremonykit as kit
import livingkit
import pytest
from ceremonykit import Done, Stage
from livingkit import agreed, carry_out, strange, where

from appliance.ledger import census
from appliance.ledger.actions import (
    Activate,
    Destroy,
    EnrollClone,
    Restrict,
    Retire,
    UpdateClone,
)
from appliance.ledger.census import Census
from appliance.ledger.chain import verify_entries
from appliance.ledger.files import read
from appliance.ledger.outcome import CloneEnrolled, CloneRemoved
from appliance.numbers.domains import Generation
from keyceremony.table import papers
from keyceremony.table.approve import grave_subjects
from tests.world import softhsm

TAMPER = Path(__file__).with_name("tokentamper.py")
BACKUP, CLONE = "backup-1", "spare"
NEW = Generation("sspin.B", 2)


@pytest.fixture
def guarded(guarded_stage: Stage, tmp_path: Path) -> Stage:
    """Two keys with copies on backup-1, and service keys; no clone."""
    return guarded_stage.copy(tmp_path / "stage")


@pytest.fixture
def cloned(cloned_stage: Stage, tmp_path: Path) -> Stage:
    """The token ``spare`` is a clone that keeps the log ``osaka``, and lacks the new key sspin.B.2."""
    return cloned_stage.copy(tmp_path / "stage")


def flat(text: str) -> str:
    return " ".join(text.split())


def execute(stage: Stage, *more: str) -> Done:
    """Everybody approves the newest plan, and it is carried out."""
    plan = stage.newest_plan()
    stage.approve(plan, *kit.PEOPLE)
    return stage.run("execute", str(plan), *where(stage), *more)


def enroll_words(stage: Stage, *more: str) -> list[str]:
    words = ["plan", "enroll-clone", "--label", CLONE, "--serial", stage.serials[CLONE], "--from", BACKUP]
    return [*words, *more, "--config", "kagimori.toml"]


def kinds(stage: Stage, label: str) -> list[str]:
    """What another program sees on a token: kind and label of each object, sorted."""
    told = stage.objects(label)
    found = re.findall(r"^(\S.*?) Object.*?\n(?:.*\n)*?  label: +(.*)$", told, re.MULTILINE)
    return sorted(f"{kind}: {name}" for kind, name in found)


# --- enrolling --------------------------------------------------------------------------------------------------------


def test_a_clone_with_a_log_of_its_own(guarded: Stage) -> None:
    before = kinds(guarded, BACKUP)
    drafted = flat(guarded.must(*enroll_words(guarded, "--log-name", "osaka")))
    assert "enroll-clone: a token more that converts: it gets every key that can be copied, sealed" in drafted
    assert "gets from backup-1 (serial " in drafted and "never leave it: spin.1, sspin.B.1, tag.1" in drafted
    assert "FROM THEN ON it converts every number, as the appliance's token does, for whoever has its PIN" in drafted
    assert "keeps the log osaka, signed with an Ed25519 key that is made on it and never leaves it" in drafted
    shown = flat(guarded.must("show", str(guarded.newest_plan()), "--config", "kagimori.toml"))
    assert f"spare (serial {guarded.serials[CLONE]}), which must hold nothing yet: PIN" in shown
    assert f"backup-1 (serial {guarded.serials[BACKUP]}): PIN and SO PIN" in shown
    done = execute(guarded)
    assert done.code == 0, done.err
    (entry,) = verify_entries(read(guarded.ledger), guarded.anchor)[-1:]
    (result,) = entry.outcome.results
    assert isinstance(result, CloneEnrolled) and result.log_key is not None
    assert [key.generation for key in result.keys] == ["spin.1", "sspin.B.1", "tag.1"]
    assert kinds(guarded, CLONE) == [
        "Private Key: log osaka",
        "Public Key: log osaka",
        "Secret Key: spin.1",
        "Secret Key: sspin.B.1",
        "Secret Key: tag.1",
    ], "no transport key is left"
    told = guarded.objects(CLONE)
    assert told.count("Access:     sensitive") == 4, "another program's view"
    assert " extractable" not in told.replace("never extractable", ""), "sealed: nothing leaves it"
    assert kinds(guarded, BACKUP) == before, "it does not trust the transport key any more"
    assert strange(guarded) == []


def test_a_clone_that_serves_engines_only(guarded: Stage) -> None:
    assert "keeps no log, and signs nothing" in flat(guarded.must(*enroll_words(guarded)))
    assert execute(guarded).code == 0
    assert kinds(guarded, CLONE) == ["Secret Key: spin.1", "Secret Key: sspin.B.1", "Secret Key: tag.1"]
    state = guarded.state()
    assert [clone.log_name for clone in state.clones.values()] == [None]
    status = flat(guarded.must("status", "--config", "kagimori.toml", "--token", kit.APPLIANCE))
    assert f"spare {guarded.serials[CLONE]} 3 none: it serves engines" in status


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--log-name", "Osaka"), "--log-name Osaka: not the name of a log"),
        (("--log-name", "main"), "main is the log of the appliance that the ledger was founded on"),
        (("--from", "vault-9"), "vault-9: no backup token of this ledger"),
        (("--serial", "SELF"), "has a part in this ledger already"),
    ],
)
def test_a_plan_that_cannot_be(guarded: Stage, more: tuple[str, str], message: str) -> None:
    more = (more[0], guarded.serials[kit.APPLIANCE]) if more[1] == "SELF" else more
    done = guarded.run(*enroll_words(guarded, *more))
    assert (done.code != 0, done.error) == (True, "DraftRefused")
    assert message in done.message


def test_a_clone_must_be_empty_and_the_copies_must_be_right(guarded: Stage) -> None:
    action = EnrollClone(
        token_label=CLONE, token_serial=guarded.serials[CLONE], source=guarded.serials[BACKUP], log_name=None
    )
    command = agreed(guarded, action)
    tamper(guarded, "exchange-copy", BACKUP, guarded.state().keys[Generation("sspin.B", 1)].key_id)
    refused(guarded, command, "CopyMismatch", "sspin.B.1 on backup-1: its check value is ")
    fresh = tamper(guarded, "add", CLONE, secrets.token_bytes(16))
    refused(guarded, command, "TokenNotEmpty", "token spare: holds keys already (sspin.Z.1)")
    assert fresh


def tamper(stage: Stage, deed: str, label: str, key_id: bytes) -> bytes:
    module = str(softhsm()["KAGIMORI_SOFTHSM_MODULE"])
    env = {**stage.env, "KAGIMORI_MODULE": module, "KAGIMORI_TEST_PIN": kit.PIN}
    command = [sys.executable, str(TAMPER), deed, label, stage.serials[label], key_id.hex()]
    subprocess.run(command, env=env, check=True, timeout=60)
    return key_id


def refused(stage: Stage, command: Sequence[str], error: str, message: str) -> Done:
    """`execute` says no by that name, and nothing is begun."""
    before = livingkit.objects(stage)
    done = stage.run(*command)
    assert (done.error, message in done.message) == (error, True), done.err
    assert livingkit.objects(stage) == before
    assert not list((stage.ledger / "pending").glob("*.journal.jsonl"))
    return done


# --- kept up to date --------------------------------------------------------------------------------------------------


def test_a_rotation_takes_a_clone_along(guarded: Stage) -> None:
    """The commands as they are typed: the same one drafts every plan in its turn."""
    guarded.must(*enroll_words(guarded, "--log-name", "osaka"))
    assert execute(guarded).code == 0
    titles = [
        "Rotation of sspin.B, plan 1 of 6: new keys",
        "Rotation of sspin.B, plan 2 of 6: bring the new keys to a clone",
        "Rotation of sspin.B, plan 3 of 6: activate the new keys",
    ]
    for number, title in enumerate(titles):
        told = flat(guarded.must("plan", "rotate", "sspin.B", "--config", "kagimori.toml"))
        assert title in told
        assert "bring sspin.B.2 to spare, a plan for each clone that lacks it" in told
        if number == 1:
            assert "gets from backup-1 (serial " in told and "never leave it: sspin.B.2" in told
        done = execute(guarded)
        assert done.code == 0, done.err
    state = guarded.state()
    assert state.keys[NEW].clones == {guarded.serials[CLONE]}
    assert str(state.current["sspin.B"]) == "sspin.B.2"
    assert "Secret Key: sspin.B.2" in kinds(guarded, CLONE)
    assert strange(guarded) == []


def test_status_says_what_comes_next_while_a_clone_lacks_a_key(cloned: Stage) -> None:
    told = flat(cloned.must("status", "--config", "kagimori.toml", "--token", kit.APPLIANCE))
    assert f"spare {cloned.serials[CLONE]} 3 osaka" in told
    lacks = "clone spare: lacks sspin.B.2, which cannot be activated before: keyceremony plan update-clone spare"
    assert lacks in told
    assert "keyceremony plan update-clone spare --from backup-1 --config kagimori.toml" in told
    data = json.loads(cloned.must("status", "--json", "--config", "kagimori.toml"))
    assert data["ledger"]["clones"] == {cloned.serials[CLONE]: {"label": "spare", "log": "osaka"}}
    assert data["ledger"]["keys"]["sspin.B.1"]["clones"] == [cloned.serials[CLONE]]
    assert data["next"][:5] == ["keyceremony", "plan", "update-clone", "spare", "--from"]


def test_what_a_clone_lacks_cannot_be_activated_and_what_it_has_is_not_brought_again(cloned: Stage) -> None:
    done = cloned.run("plan", "keys", "activate sspin.B.2", "--title", "Use it", "--config", "kagimori.toml")
    assert (done.error, done.message) == (
        "DraftRefused",
        "'activate sspin.B.2': activate: sspin.B.2: not on clone spare yet; first: keyceremony plan update-clone spare",
    )
    told = flat(cloned.must("plan", "update-clone", CLONE, "--from", BACKUP, "--config", "kagimori.toml"))
    assert "3 keys → 4 keys" in told
    assert execute(cloned).code == 0
    again = cloned.run("plan", "update-clone", CLONE, "--from", BACKUP, "--config", "kagimori.toml")
    assert again.message == f"update-clone {cloned.serials[CLONE]}: update-clone: clone spare has every key already"
    unknown = cloned.run("plan", "update-clone", "scratch", "--from", BACKUP, "--config", "kagimori.toml")
    assert (unknown.message, unknown.hint) == (
        "scratch: no clone of this ledger",
        f"clones: spare (serial {cloned.serials[CLONE]})",
    )


def test_a_clone_that_was_tampered_with_gets_nothing_more(cloned: Stage) -> None:
    state = cloned.state()
    (clone,) = state.clones.values()
    update = UpdateClone(token_serial=clone.serial, source=cloned.serials[BACKUP])
    command = agreed(cloned, update)
    tamper(cloned, "exchange-log", CLONE, clone.log_key_id)
    refused(cloned, command, "SignatureMismatch", "does not verify with the public key that the ledger has")
    assert strange(cloned) == [("wrong key", CLONE, "key of the log osaka")]
    strange_key = tamper(cloned, "add", CLONE, secrets.token_bytes(16))
    tamper(cloned, "remove", CLONE, clone.log_key_id)
    tamper(cloned, "remove", CLONE, state.keys[Generation("sspin.B", 1)].key_id)
    assert sorted(strange(cloned)) == [
        ("missing", CLONE, "key of the log osaka"),
        ("missing", CLONE, "sspin.B.1"),
        ("unknown", CLONE, "sspin.Z.1"),
    ]
    refused(cloned, command, "KeyMissing", "")
    assert strange_key


def test_a_clone_in_its_safe_is_told_not_guessed(cloned: Stage) -> None:
    found = json.loads(cloned.run("inventory", "--json", *where(cloned)).out)["findings"]
    (unlooked,) = [one for one in found if one["token"] == CLONE]
    assert (unlooked["status"], unlooked["subject"]) == ("unlooked", "clone")
    assert unlooked["text"] == "not at hand, so nothing can be said of it"
    looked = json.loads(cloned.run("inventory", "--json", "--with", CLONE, *where(cloned)).out)["findings"]
    assert {one["subject"] for one in looked if one["token"] == CLONE} == {
        "spin.1",
        "sspin.B.1",
        "tag.1",
        "key of the log osaka",
    }


def test_at_a_second_site_the_clone_is_the_appliance_s_token(cloned: Stage) -> None:
    told = cloned.run("inventory", "--json", "--token", CLONE, *where(cloned))
    assert told.code in (0, 1), told.err
    found = json.loads(told.out)["findings"]
    assert [one["attention"] for one in found] == [False] * len(found)
    assert {one["token"] for one in found if one["status"] == "present"} == {CLONE}
    assert {(one["token"], one["subject"]) for one in found if one["status"] == "unlooked"} == {
        (kit.APPLIANCE, "the appliance's token"),
        (BACKUP, "backup token"),
    }


# --- the end ----------------------------------------------------------------------------------------------------------


def updated(stage: Stage) -> Stage:
    """The clone has the new key, which is in use; the old one may still be read."""
    carry_out(stage, UpdateClone(token_serial=stage.serials[CLONE], source=stage.serials[BACKUP]))
    carry_out(stage, Activate(generation="sspin.B.2"), Restrict(generation="sspin.B.1"))
    return stage


def test_a_key_is_destroyed_on_the_clone_as_well(cloned: Stage) -> None:
    updated(cloned)
    carry_out(cloned, Retire(generation="sspin.B.1"))
    command = agreed(cloned, Destroy(generation="sspin.B.1"))
    shown = flat(cloned.must("show", command[1], "--config", "kagimori.toml"))
    assert f"spare (serial {cloned.serials[CLONE]}); on each, its absence is proven" in shown
    assert "Secret Key: sspin.B.1" in kinds(cloned, CLONE)
    cloned.must(*command)
    for label in (kit.APPLIANCE, BACKUP, CLONE):
        assert "Secret Key: sspin.B.1" not in kinds(cloned, label)
    assert strange(cloned) == []


def test_a_destroy_without_the_clone_at_hand_is_refused_until_it_is_given_up(cloned: Stage) -> None:
    updated(cloned)
    carry_out(cloned, Retire(generation="sspin.B.1"))
    command = agreed(cloned, Destroy(generation="sspin.B.1"))
    lost = cloned.pkcs11_tool("-L", label=None)
    assert CLONE in lost
    subprocess.run(
        [str(softhsm()["KAGIMORI_SOFTHSM2_UTIL"]), "--delete-token", "--token", CLONE],
        env=cloned.env,
        check=True,
        capture_output=True,
    )
    done = cloned.run(*command)
    assert (done.error, CLONE in done.message) == ("TokenNotFound", True), done.err
    cloned.must("withdraw", command[1], "--config", "kagimori.toml")
    told = flat(cloned.must("plan", "remove-clone", CLONE, "--lost", "--config", "kagimori.toml"))
    assert (
        "LOST: nothing can be proven of its keys; whoever has it and its PIN can convert. Rotate what was on it" in told
    )
    assert "its log osaka ends, or goes on with another clone; what it has signed stays valid" in told
    assert execute(cloned).code == 0
    carry_out(cloned, Destroy(generation="sspin.B.1"))
    assert cloned.state().clones == {}
    assert strange(cloned) == []


def test_a_clone_leaves_empty_and_people_type_its_name(cloned: Stage) -> None:
    cloned.must("plan", "remove-clone", CLONE, "--config", "kagimori.toml")
    plan = papers.load_plan(cloned.folder / cloned.newest_plan()).plan
    assert grave_subjects(plan, cloned.state()) == [CLONE]
    assert execute(cloned).code == 0
    assert kinds(cloned, CLONE) == []
    (result,) = verify_entries(read(cloned.ledger), cloned.anchor)[-1].outcome.results
    assert isinstance(result, CloneRemoved) and len(result.removed) == 4
    carry_out(cloned, Activate(generation="sspin.B.2"))
    carry_out(
        cloned,
        EnrollClone(
            token_label=CLONE, token_serial=cloned.serials[CLONE], source=cloned.serials[BACKUP], log_name="osaka"
        ),
    )
    assert len(cloned.state().clone_logs["osaka"]) == 2, "the log goes on under a new key"
    assert strange(cloned) == []


# --- a retirement and its census --------------------------------------------------------------------------------------


def census_file(stage: Stage, left: int = 0, **changes: object) -> str:
    state = stage.state()
    fields: dict[str, object] = {
        "type": "kagimori/census/v1",
        "anchor": state.anchor,
        "domain": "sspin.B",
        "generations": {"sspin.B.1": left, "sspin.B.2": 1000},
        "neither": 0,
        "malformed": 0,
        "empty": 0,
        "rows": 1000 + left,
        "input_sha256": "ab" * 32,
        "output_sha256": None,
        "reference": "rekey-2026",
        "purpose": "exchange",
        "began": state.keys[NEW].activated_at,
        "ended": state.keys[NEW].activated_at,
    }
    data = census.encode(Census(**{**fields, **changes}))  # type: ignore[arg-type]
    (stage.folder / "count.census.json").write_bytes(data)
    return "count.census.json"


def test_a_retirement_cites_a_census_and_shows_it(cloned: Stage) -> None:
    updated(cloned)
    file = census_file(cloned)
    told = flat(cloned.must("plan", "rotate", "sspin.B", "--census", file, "--config", "kagimori.toml"))
    assert "by the census " in told and "of 1,000 numbers, none still under it" in told
    assert execute(cloned).code == 0
    (action,) = verify_entries(read(cloned.ledger), cloned.anchor)[-1].plan.actions
    assert isinstance(action, Retire) and action.census is not None
    assert (action.census.counted, action.census.left) == (1000, 0)


def test_a_census_that_speaks_against_it(cloned: Stage) -> None:
    updated(cloned)
    file = census_file(cloned, left=7)
    words = ["plan", "keys", "retire sspin.B.1", "--title", "End", "--census", file, "--config", "kagimori.toml"]
    done = cloned.run(*words)
    assert (done.error, done.message, done.hint) == (
        "DraftRefused",
        f"{file}: census: 7 of 1007 numbers are still under sspin.B.1; they could never be read again",
        "re-key them first; or, if they may be lost, say so: --accept-left 7",
    )
    assert "of 1,007 numbers, 7 STILL UNDER IT" in flat(cloned.must(*words, "--accept-left", "7") + shown(cloned))
    cloned.must("withdraw", str(cloned.newest_plan()), "--config", "kagimori.toml")
    other = ["plan", "keys", "suspend spin.1", "--title", "x", "--census", file, "--config", "kagimori.toml"]
    assert cloned.run(*other).message == f"{file}: it counts numbers of sspin.B, and this plan retires no key of it"
    twice = cloned.run(*words, "--census", file, "--accept-left", "7")
    assert twice.message == f"{file}: a census of sspin.B is cited already"
    (cloned.folder / file).write_bytes(b"{}")
    assert cloned.run(*words).message.startswith(f"{file}: Object missing required field")


def shown(stage: Stage) -> str:
    return stage.must("show", str(stage.newest_plan()), "--config", "kagimori.toml")
