"""Tokens that are not as they must be, PINs that are wrong: refused before anything is made, and told by inventory."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import ceremonykit as kit
import livingkit
import pytest
from ceremonykit import Done, Stage
from livingkit import agreed, carry_out, strange, where

from appliance.ledger.actions import Action, Activate, Destroy, Drill, EnrollBackup, Generate, RemoveBackup, Restore
from appliance.numbers.domains import Generation
from tests.world import softhsm

TAMPER = Path(__file__).with_name("tokentamper.py")
APPLIANCE, BACKUP = kit.APPLIANCE, "backup-1"


@pytest.fixture
def guarded(guarded_stage: Stage, tmp_path: Path) -> Stage:
    """Two keys with copies on backup-1."""
    return guarded_stage.copy(tmp_path / "stage")


def _tamper(stage: Stage, deed: str, label: str, key_id: bytes) -> None:
    module = str(softhsm()["KAGIMORI_SOFTHSM_MODULE"])
    env = {**stage.env, "KAGIMORI_MODULE": module, "KAGIMORI_TEST_PIN": kit.PIN}
    command = [sys.executable, str(TAMPER), deed, label, stage.serials[label], key_id.hex()]
    subprocess.run(command, env=env, check=True, timeout=60)


def _refused(stage: Stage, command: list[str], error: str, message: str, labels: tuple[str, ...] = ()) -> Done:
    """`execute` says no by that name, and nothing is made anywhere."""
    there = labels or (APPLIANCE, *livingkit.SPARES)
    before = livingkit.objects(stage, there)
    done = stage.run(*command)
    assert done.error == error, done.err
    assert message in done.message, done.message
    assert livingkit.objects(stage, there) == before
    assert not list((stage.ledger / "pending").glob("*.journal.jsonl")), "nothing was begun"
    return done


def _generate(stage: Stage) -> Action:
    return Generate(generation="sspin.B.2", parent="spin.1", backups=(stage.serials[BACKUP],))


def _restore(stage: Stage) -> Action:
    spare, source = stage.serials["spare"], stage.serials[BACKUP]
    return Restore(token_label="spare", token_serial=spare, source=source, lost=("log.1",))


def _drill(stage: Stage) -> Action:
    return Drill(token_label="scratch", token_serial=stage.serials["scratch"], source=stage.serials[BACKUP])


def _key_id(stage: Stage, text: str = "sspin.B.1") -> bytes:
    return stage.state().keys[Generation.parse(text)].key_id


# --- PINs -----------------------------------------------------------------------------------------


def _with_pin(command: list[str], option: str, label: str, file: str) -> list[str]:
    return [
        f"{label}={file}" if command[i - 1] == option and w.startswith(f"{label}=") else w
        for i, w in enumerate(command)
    ]


@pytest.mark.parametrize(("option", "label"), [("--pin", BACKUP), ("--so-pin", BACKUP), ("--pin", "scratch")])
def test_a_wrong_pin_of_any_token_is_tried_once_and_nothing_was_made(guarded: Stage, option: str, label: str) -> None:
    wrong = guarded.folder / "wrong"
    wrong.write_text("99999999\n")
    wrong.chmod(0o600)
    command = _with_pin(agreed(guarded, _drill(guarded)), option, label, "wrong")
    assert f"{label}=wrong" in command
    done = _refused(guarded, command, "PinWrong", "it was tried once", (APPLIANCE, "spare"))
    assert done.code == 5
    low = "SO PIN count low" if option == "--so-pin" else "user PIN count low"
    assert guarded.slots().count(low) == 1, "the token remembers one"


def test_a_pin_option_that_is_none(guarded: Stage) -> None:
    command = ["execute", "plan", "--config", "kagimori.toml"]
    for more, message in (
        (["--pin", "backup-1"], "--pin backup-1: needs LABEL=FILE"),
        (["--so-pin", "x=a", "--so-pin", "x=b"], "--so-pin: token x is there twice"),
    ):
        plan = (
            agreed(guarded, _generate(guarded))[1]
            if not list((guarded.ledger / "pending").glob("*.plan.json"))
            else str(guarded.newest_plan())
        )
        done = guarded.run(command[0], plan, *command[2:], *more)
        assert (done.code, done.error, done.message) == (2, "UsageProblem", message)


# --- tokens that are not as they must be ------------------------------------------------------------


def test_a_transport_key_that_was_exchanged_gets_no_key(guarded: Stage) -> None:
    """The most valuable deed: with it, the next new key would be wrapped for somebody's software key."""
    (backup,) = guarded.state().backups.values()
    _tamper(guarded, "exchange-trusted", APPLIANCE, backup.trusted_id)
    command = agreed(guarded, _generate(guarded))
    done = _refused(guarded, command, "TransportKeyAltered", "is not the one that was enrolled")
    assert "nothing was wrapped" in done.hint
    assert strange(guarded) == [("wrong key", APPLIANCE, "trusted transport key of backup-1")]


def test_a_copy_that_was_exchanged_restores_nothing(guarded: Stage) -> None:
    _tamper(guarded, "exchange-copy", BACKUP, _key_id(guarded))
    assert strange(guarded) == [("wrong check value", BACKUP, "copy of sspin.B.1")]
    for action in (_restore(guarded), _drill(guarded)):
        command = agreed(guarded, action)
        _refused(guarded, command, "CopyMismatch", "sspin.B.1 on backup-1: its check value is ")
        guarded.must("withdraw", command[1], "--config", "kagimori.toml")


def test_a_copy_that_is_missing(guarded: Stage) -> None:
    _tamper(guarded, "remove", BACKUP, _key_id(guarded))
    assert strange(guarded) == [("missing", BACKUP, "copy of sspin.B.1")]
    _refused(guarded, agreed(guarded, _restore(guarded)), "KeyMissing", _key_id(guarded).hex())


def test_a_key_that_nobody_accounts_for_on_a_backup_token(guarded: Stage) -> None:
    _tamper(guarded, "add", BACKUP, secrets.token_bytes(16))
    assert strange(guarded) == [("unknown", BACKUP, "sspin.Z.1")]
    remove = RemoveBackup(token_serial=guarded.serials[BACKUP], lost=False)
    _refused(guarded, agreed(guarded, remove), "CopyMismatch", "holds keys that the ledger does not know: ")


@pytest.mark.parametrize("label", ["spare", "scratch"])
def test_a_token_that_should_be_empty_and_is_not(guarded: Stage, label: str) -> None:
    _tamper(guarded, "add", label, secrets.token_bytes(16))
    action = _restore(guarded) if label == "spare" else _drill(guarded)
    _refused(guarded, agreed(guarded, action), "TokenNotEmpty", f"token {label}: holds keys already (sspin.Z.1)")


def test_a_backup_token_that_is_not_there(guarded: Stage) -> None:
    plan = [_generate(guarded), Activate(generation="sspin.B.2")]
    command = agreed(guarded, *plan)
    tool = str(softhsm()["KAGIMORI_SOFTHSM2_UTIL"])
    delete = [tool, "--delete-token", "--token", BACKUP]
    subprocess.run(delete, env=guarded.env, check=True, capture_output=True, timeout=60)
    done = _refused(guarded, command, "TokenNotFound", "no token has label 'backup-1'", (APPLIANCE, "spare"))
    assert done.code == 5
    guarded.must("withdraw", command[1], "--config", "kagimori.toml")
    _lost_is_removed(guarded)


def _lost_is_removed(stage: Stage) -> None:
    """The way out: the quorum says that it is lost; from then on nobody waits for it."""
    carry_out(stage, RemoveBackup(token_serial=stage.serials[BACKUP], lost=True))
    assert not stage.state().backups
    carry_out(stage, Generate(generation="sspin.B.2", parent="spin.1"))
    assert strange(stage) == []


def test_a_key_to_be_destroyed_must_be_on_every_token_it_was_on(living: Stage) -> None:
    key_id = _key_id(living, "sspin.B.1")
    _tamper(living, "remove", BACKUP, key_id)
    _refused(living, agreed(living, Destroy(generation="sspin.B.1")), "KeyMissing", key_id.hex())


def test_what_is_made_of_a_label_that_is_taken(living: Stage) -> None:
    generate = Generate(generation="sspin.Z.1", parent="spin.1")
    _tamper(living, "relabel", APPLIANCE, _key_id(living, "sspin.E.1"))
    assert strange(living) == [("wrong attributes", APPLIANCE, "sspin.E.1")]
    assert generate.backups == ()
    taken = Generate(generation="sspin.F.1", parent="spin.1", backups=(living.serials[BACKUP],))
    _rename(living, "sspin.F.1")
    _refused(living, agreed(living, taken), "KeyLabelTaken", "holds a key sspin.F.1 that the ledger does not know")


def _rename(stage: Stage, label: str) -> None:
    module, tool = softhsm()["KAGIMORI_SOFTHSM_MODULE"], softhsm()["KAGIMORI_PKCS11_TOOL"]
    make = ["--keygen", "--key-type", "AES:32", "--label", label, "--id", os.urandom(16).hex()]
    login = ["--token-label", BACKUP, "--login", "--pin", kit.PIN]
    command = [str(tool), "--module", str(module), *login, *make]
    subprocess.run(command, env=stage.env, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("label", [APPLIANCE, BACKUP])
def test_an_identity_key_that_was_exchanged_is_noticed(guarded: Stage, label: str) -> None:
    state = guarded.state()
    key_id = state.identity_key_id if label == APPLIANCE else next(iter(state.backups.values())).identity_key_id
    _tamper(guarded, "exchange-identity", label, key_id)
    assert strange(guarded) == [("wrong key", label, "identity")]


def test_a_transport_key_that_was_made_anew_is_noticed(guarded: Stage) -> None:
    (backup,) = guarded.state().backups.values()
    _tamper(guarded, "exchange-transport", BACKUP, backup.transport_id)
    assert strange(guarded) == [("wrong key", BACKUP, "transport key")]


# --- what inventory says ------------------------------------------------------------------------------


def test_an_inventory_of_a_sound_stage_is_clean_but_for_what_is_due(guarded: Stage) -> None:
    told = guarded.run("inventory", "--all", *where(guarded))
    found = json.loads(guarded.run("inventory", "--all", "--json", *where(guarded)).out)
    assert {one["status"] for one in found["findings"]} == {"present"}
    assert {one["subject"] for one in found["findings"] if one["token"] == BACKUP} == {
        "identity",
        "transport key",
        "copy of spin.1",
        "copy of sspin.B.1",
        "copy of tag.1",
    }
    assert told.code == (1 if found["reminders"] else 0)
    assert kit.PIN not in told.out


def test_a_backup_token_that_is_in_its_safe_is_told_not_guessed(guarded: Stage) -> None:
    found = json.loads(guarded.run("inventory", "--json", *where(guarded)).out)["findings"]
    (unlooked,) = [one for one in found if one["token"] == BACKUP]
    assert (unlooked["status"], unlooked["attention"]) == ("unlooked", False)
    assert unlooked["text"] == "not at hand, so nothing can be said of its copies"
    wrong = guarded.run("inventory", "--with", "backup-9", *where(guarded))
    assert (wrong.code, wrong.message) == (2, "--with backup-9: no backup token and no clone of this ledger")
    assert wrong.hint == "backup tokens and clones: backup-1"


def test_an_inventory_names_what_a_run_that_was_killed_has_left(guarded: Stage) -> None:
    command = agreed(guarded, _generate(guarded))
    steps = guarded.copy(guarded.folder.with_name("whole")).run(*command).lines
    seen = set()
    for number in range(1, steps + 1):
        broken = guarded.copy(guarded.folder.with_name(f"broken-{number}"))
        assert broken.run(*command, kill=(number, "before")).code == -9
        found = json.loads(broken.run("inventory", "--all", "--json", *where(broken)).out)
        odd = [one for one in found["findings"] if one["attention"]]
        assert {one["status"] for one in odd} <= {"unknown"}
        assert {one["subject"] for one in odd} <= {"staging sspin.B.2", "sspin.B.2"}
        assert Generation("sspin.B", 2) not in broken.state().keys, "so nothing converts with it"
        seen |= {(one["token"], one["subject"]) for one in odd}
        if number > 1:
            assert next(one["kind"] for one in found["reminders"]) == "interrupted"
    assert {(APPLIANCE, "staging sspin.B.2"), (BACKUP, "staging sspin.B.2"), (APPLIANCE, "sspin.B.2")} <= seen


def test_a_second_backup_token_gets_the_copies_of_the_first(guarded: Stage) -> None:
    serials = guarded.serials
    enroll = EnrollBackup(token_label="backup-2", token_serial=serials["backup-2"], copy_from=serials[BACKUP])
    carry_out(guarded, enroll)
    state = guarded.state()
    both = {serials[BACKUP], serials["backup-2"]}
    assert {str(name): set(key.copies) for name, key in state.keys.items()} == {
        **dict.fromkeys(("spin.1", "sspin.B.1", "tag.1"), both),
        "log.1": set(),
    }
    assert strange(guarded) == []
    spare, source = serials["spare"], serials["backup-2"]
    carry_out(guarded, Restore(token_label="spare", token_serial=spare, source=source, lost=("log.1",)))
    assert strange(guarded, "spare") == []
    assert guarded.state().restored == guarded.state().sequence


def test_appliance_and_one_backup_token_lost_at_once(guarded: Stage) -> None:
    """What only the two of them had is given up by name; the rest comes back from the other backup token."""
    serials, second = guarded.serials, guarded.serials["backup-2"]
    carry_out(guarded, EnrollBackup(token_label="backup-2", token_serial=second, copy_from=serials[BACKUP]))
    carry_out(guarded, Generate(generation="sspin.B.2", parent="spin.1", backups=(second,)))
    for label in (APPLIANCE, "backup-2"):
        delete = [str(softhsm()["KAGIMORI_SOFTHSM2_UTIL"]), "--delete-token", "--token", label]
        subprocess.run(delete, env=guarded.env, check=True, capture_output=True, timeout=60)
    restore = Restore(
        token_label="spare",
        token_serial=serials["spare"],
        source=serials[BACKUP],
        lost=("log.1", "sspin.B.2"),
        lost_backups=(second,),
    )
    carry_out(guarded, restore)
    assert set(guarded.state().backups) == {serials[BACKUP]}
    assert strange(guarded, "spare") == []
    carry_out(guarded, Generate(generation="sspin.B.3", parent="spin.1", backups=(serials[BACKUP],)))
    assert strange(guarded, "spare") == []


def test_a_transport_key_exchanged_while_a_run_was_cut_off_gets_no_key(guarded: Stage) -> None:
    """What was checked at the beginning is looked at once more when it matters."""
    (backup,) = guarded.state().backups.values()
    assert guarded.run(*agreed(guarded, _generate(guarded)), kill=(4, "after")).code == -9
    _tamper(guarded, "exchange-trusted", APPLIANCE, backup.trusted_id)
    told = guarded.run("resume", *where(guarded))
    assert told.code == 1
    assert "is not the one that was enrolled" in told.message
    assert "what was made in this run was removed again" in told.message


def test_nothing_is_destroyed_while_another_action_of_the_plan_can_still_fail(living: Stage) -> None:
    """Wherever the destroy stands in the plan: it comes last."""
    plan = (Destroy(generation="sspin.B.1"), Generate(generation="sspin.B.3", parent="spin.1"))
    command = agreed(living, *plan)
    done = living.run(*command, fault=("before-generate", 1))
    assert done.code == 1
    assert done.message.startswith("the token was pulled out; ")
    assert strange(living) == [], "the key is where it was"
    assert living.run(*command).code == 0
    assert strange(living) == []


def test_a_drill_that_leaves_something_on_the_scratch_token_is_none(guarded: Stage) -> None:
    """Somebody's key got there while the drill was cut off: the ledger must not say that the token is empty again."""
    command = agreed(guarded, _drill(guarded))
    lines = guarded.copy(guarded.folder.with_name("whole")).run(*command).lines
    assert guarded.run(*command, kill=(lines - 3, "after")).code == -9
    _tamper(guarded, "add", "scratch", secrets.token_bytes(16))
    told = guarded.run("resume", *where(guarded))
    assert told.code == 1
    assert "token scratch: still holds secret_key " in told.message
    assert "initialise the scratch token anew" in told.hint
    assert not guarded.state().drills
