"""A whole ceremony by the command line, with a real token for everybody, watched by other programs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess

import ceremonykit as kit
from ceremonykit import APPLIANCE, OFFICERS, PEOPLE, PIN, Stage

from keyceremony.words import groups, read_aloud
from tests.world import softhsm


def test_genesis_and_first_keys_by_the_command_line(beginning: Stage) -> None:
    plan = kit.drafted(beginning)
    shown = beginning.must("show", str(plan), "--config", "kagimori.toml")
    for group in groups(read_aloud(beginning.anchor)):
        assert group in shown
    assert "sspin.A–F: each to each other one (30 pairs)" in shown
    beginning.approve(plan, *PEOPLE)
    done = beginning.execute(plan)
    assert done.code == 0, done.err
    assert "Done: the ledger is now at entry 1." in done.out

    actions = ["generate spin", "generate sspin.B", "generate sspin.E"]
    keys = beginning.plan_keys(*actions, "activate spin.1", "activate sspin.B.1", "activate sspin.E.1")
    beginning.approve(keys, "officer-3", "oversight-1", "officer-1")
    done = beginning.execute(keys)
    assert done.code == 0, done.err
    state = beginning.state()
    assert {str(key): str(record.state) for key, record in state.keys.items()} == {
        "spin.1": "active",
        "sspin.B.1": "active",
        "sspin.E.1": "active",
    }
    verified = beginning.must("verify", "--config", "kagimori.toml")
    assert f"2:{state.head}" in verified
    assert "officer-3, officer" in verified
    assert not list((beginning.ledger / "pending").glob("*.plan.json"))


def test_what_it_prints_of_a_new_plan(beginning: Stage) -> None:
    printed = beginning.must("plan", "genesis", "setup.toml", "--ledger", "ledger")
    digest = re.search(r"SHA-256  ([0-9a-f]{64})", printed)
    assert digest is not None
    assert f'trust_anchor = "{digest[1]}"' in printed
    assert "Plan 1: Genesis of the test scheme" in printed
    for number, group in enumerate(groups(read_aloud(digest[1])), 1):
        assert f"{number}.  {group}" in printed


def test_openssl_verifies_every_file_of_the_ledger_and_prints_the_json(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *kit.QUORUM)
    assert stage.execute(plan).code == 0
    openssl = str(softhsm()["KAGIMORI_OPENSSL"])
    checked = sorted(stage.ledger.glob("*.cms"))
    assert len(checked) == 4
    for path in checked:
        command = [openssl, "cms", "-verify", "-inform", "DER", "-noverify", "-in", str(path)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        content = json.loads(done.stdout)
        assert content["type"] in {"kagimori/plan/v1", "kagimori/outcome/v1"}
        assert content["sequence"] == int(path.name[:6])


def test_another_program_sees_keys_that_only_encrypt_and_never_leave(stage: Stage) -> None:
    plan = stage.plan_keys("generate common", "generate spin", "activate spin.1")
    stage.approve(plan, *kit.QUORUM)
    assert stage.execute(plan).code == 0
    secret = [part for part in re.split(r"(?m)^(?=\S)", stage.objects()) if part.startswith("Secret Key Object")]
    assert {re.search(r"label: +(\S+)", part)[1] for part in secret} == {"common.1", "spin.1"}  # type: ignore[index]
    for part in secret:
        assert re.search(r"Usage: +encrypt\n", part), part
        assert re.search(r"Access: +sensitive, always sensitive, never extractable, local\n", part), part


def test_status_names_who_is_missing_and_each_next_command_works(stage: Stage) -> None:
    """The test types exactly what `status` prints, at a terminal, until nothing waits."""
    plan = stage.plan_keys("generate spin", "activate spin.1", *kit.SERVICE_KEYS)
    words = stage.words(plan)
    expected_missing = [
        "missing      2 officer: any 2 of officer-1, officer-2, officer-3",
        "missing      1 officer: any 1 of officer-2, officer-3",
        "missing      1 oversight: any 1 of oversight-1",
    ]
    for missing, person in zip(expected_missing, ("officer-1", "officer-2", "oversight-1"), strict=True):
        command, told = _next(stage)
        assert missing in told
        assert command[:5] == ["keyceremony", "approve", str(stage.folder / plan), "--as", person]
        code, shown = stage.on_terminal(command[1:], [("LAST FOUR words", words), (f"PIN of token {person}", PIN)])
        assert code == 0, shown
        assert PIN not in shown, "the PIN was echoed"
        assert f"Approved as {person}, signature verified" in shown
    command, told = _next(stage)
    assert "approved by enough people" in told
    assert command[:3] == ["keyceremony", "execute", str(stage.folder / plan)]
    assert stage.run(*command[1:]).code == 0
    assert "Nothing waits." in stage.must("status", "--config", "kagimori.toml")


def test_status_leads_from_an_empty_ledger_to_active_keys(beginning: Stage) -> None:
    missing = beginning.run("status", "--ledger", "ledger")
    assert (missing.code, missing.message) == (1, "ledger: no such folder")
    assert missing.hint.endswith("keyceremony plan genesis SETUP.toml --ledger ledger")
    beginning.ledger.mkdir()
    told = beginning.must("status", "--ledger", "ledger")
    assert "The ledger is empty." in told
    assert "   keyceremony plan genesis SETUP.toml --ledger ledger" in told
    plan = kit.drafted(beginning)
    command, told = _next(beginning)
    assert command[1:3] == ["approve", str(beginning.folder / plan)]
    assert "missing      3 officer: any 3 of officer-1, officer-2, officer-3" in told
    beginning.approve(plan, *PEOPLE)
    assert beginning.execute(plan).code == 0
    keys = beginning.plan_keys("generate spin")
    beginning.approve(keys, *kit.QUORUM)
    assert beginning.execute(keys).code == 0
    command, _ = _next(beginning)
    assert command[1:4] == ["plan", "keys", "activate spin.1"]
    beginning.must(*command[1:])
    assert beginning.newest_plan().name == "000003.plan.json"


def test_a_pem_key_approves_as_a_token_does(beginning: Stage) -> None:
    passphrase = beginning.folder / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    passphrase.chmod(0o400)
    key = ["--pem", "officer-3.pem", "--passphrase-file", "passphrase"]
    (beginning.folder / "officer-3.json").unlink()
    who = ["--id", "officer-3", "--name", "保安責任者 三郎", "--role", "officer", "--out", "officer-3.json"]
    beginning.must("enroll", *who, *key)
    plan = kit.drafted(beginning)
    beginning.approve(plan, "officer-1", "officer-2", "oversight-1")
    beginning.must("approve", str(plan), "--as", "officer-3", *key, "--confirm-words", beginning.words(plan))
    assert beginning.execute(plan).code == 0
    assert "officer-3, officer" in beginning.must("verify", "--config", "kagimori.toml")


def test_every_state_change_of_this_version(stage: Stage) -> None:
    """Two generations: the old one restricted, suspended, resumed and retired, in the ledger alone."""
    for actions in (
        ("generate spin", "generate sspin.C", "activate spin.1", "activate sspin.C.1"),
        ("generate sspin.C", "activate sspin.C.2", "restrict sspin.C.1"),
        ("suspend sspin.C.1",),
        ("resume sspin.C.1", "retire sspin.C.1"),
    ):
        plan = stage.plan_keys(*actions, title="The life of a key")
        emergency = all(action.startswith("suspend") for action in actions)
        stage.approve(plan, *(("officer-2", "oversight-1") if emergency else kit.QUORUM))
        done = stage.execute(plan)
        assert done.code == 0, done.err
    state = stage.state()
    assert {str(key): str(record.state) for key, record in state.keys.items()} == {
        "spin.1": "active",
        "sspin.C.1": "retired",
        "sspin.C.2": "active",
    }
    assert str(state.current["sspin.C"]) == "sspin.C.2"
    assert "holds every key of the ledger, and no other" in stage.must(
        "status", "--config", "kagimori.toml", "--token", APPLIANCE
    )


def test_verify_as_json_and_against_what_was_seen_before(stage: Stage) -> None:
    first = json.loads(stage.must("verify", "--config", "kagimori.toml", "--json"))
    seen = f"1:{first['head']}"
    plan = stage.plan_keys("generate spin")
    stage.approve(plan, *kit.QUORUM)
    assert stage.execute(plan).code == 0
    told = json.loads(stage.must("verify", "--config", "kagimori.toml", "--json", "--at-least", seen))
    assert [entry["sequence"] for entry in told["entries"]] == [1, 2]
    assert {one["id"] for one in told["entries"][1]["approvers"]} == set(kit.QUORUM)
    assert told["entries"][1]["operator"] == "operator"
    assert told["keys"]["spin.1"]["state"] == "generated"
    assert told["anchor"] == stage.anchor
    older = stage.run("verify", "--config", "kagimori.toml", "--at-least", f"3:{told['head']}")
    assert (older.code, older.message) == (4, "the ledger ends at 000002; 000003 has been seen already")
    forked = stage.run("verify", "--config", "kagimori.toml", "--at-least", "1:" + "0" * 64)
    assert forked.code == 4
    assert forked.message.startswith("entry 000001 is another one than was seen")
    assert stage.run("verify", "--config", "kagimori.toml", "--at-least", "last").code == 2


def test_officers_are_those_of_the_roster(stage: Stage) -> None:
    assert [person.id for person in stage.state().roster.people] == [*OFFICERS, "oversight-1"]


def _next(stage: Stage) -> tuple[list[str], str]:
    told = stage.must("status", "--config", "kagimori.toml")
    lines = told.splitlines()
    return shlex.split(lines[lines.index("Next:") + 1]), told
