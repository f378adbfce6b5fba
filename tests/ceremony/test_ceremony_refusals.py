"""Every refusal of `execute`: its message, its exit code, and that token and ledger folder are as before."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import NonCallableMock, patch

import ceremonykit as kit
import pytest
from ceremonykit import APPLIANCE, PIN, QUORUM, Done, Stage

from appliance.ledger import canonical, certificate, cms
from appliance.ledger.errors import WrongToken
from appliance.ledger.plan import Plan
from keyceremony import workspace
from keyceremony.act.desk import Desk, Name
from keyceremony.people import enroll
from keyceremony.people.signers import PemSigner, public_key_info
from keyceremony.plans import drafting
from keyceremony.table import papers
from keyceremony.table.approve import approve
from tests.world import World, build_world, init_token


def refused(stage: Stage, plan: Path, code: int, message: str, *more: str) -> Done:
    """`execute` says no, for that reason, and nothing has changed."""
    before = stage.snapshot()
    done = stage.execute(plan, *more)
    assert done.code == code, done.out + done.err
    assert message in done.message, done.message
    assert stage.snapshot() == before
    return done


# --- who agreed ---------------------------------------------------------------------------------


def test_one_officer_short(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, "officer-2", "oversight-1")
    refused(stage, plan, 4, "quorum: 1 of 2 officer approvals (still can: officer-1, officer-3)")


def test_no_oversight(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *kit.OFFICERS)
    refused(stage, plan, 4, "quorum: 0 of 1 oversight approvals (still can: oversight-1)")


def test_nobody_at_all(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    done = refused(stage, plan, 4, "000002.plan.json: quorum: 0 of 2 officer approvals")
    assert done.hint == "Have the missing people approve the plan."


def test_the_same_person_twice(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, "officer-1", "oversight-1")
    folder = stage.ledger / "pending"
    shutil.copy(folder / "000002.officer-1.approval.cms", folder / "000002.officer-2.approval.cms")
    refused(stage, plan, 4, "officer-1 approved twice; each person counts once")
    told = stage.must("status", "--config", "kagimori.toml")
    assert "does not count: " in told
    assert "missing      1 officer" in told


def test_a_signer_who_is_not_in_the_roster(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, "officer-1", "oversight-1")
    _, stranger = enroll.in_memory("officer-2", "保安責任者 二葉", "officer")
    forged = cms.sign((stage.folder / plan).read_bytes(), stranger, datetime.now(UTC))
    (stage.ledger / "pending" / "000002.officer-2.approval.cms").write_bytes(forged)
    refused(stage, plan, 4, "000002.officer-2.approval.cms: signed by CN=officer-2, who is not in the roster")


def test_the_same_person_twice_under_two_certificates_of_one_key(world: World) -> None:
    """With software keys: a token's owner could do the same."""
    plan = drafting.keys(world.state(), ["generate spin"], title="Twice", now=datetime.now(UTC))
    paper = _lay(world, plan, ("officer-1", "oversight-1"))
    key = world.signers["officer-1"]._key
    now = datetime.now(UTC)
    other = certificate.self_signed(
        "officer-2", public_key_info(key), PemSigner(key, b"").sign, now, now + timedelta(days=1)
    )
    forged = cms.sign(paper.data, PemSigner(key, other), now)
    (world.ledger / "pending" / "000002.officer-2.approval.cms").write_bytes(forged)
    done = world.keyceremony("execute", str(paper.path), "--config", str(world.config))
    assert done.returncode == 4
    assert "signed with the key of officer-1, but under another certificate than the roster's" in done.stderr


def test_approvals_can_be_named_and_then_only_those_count(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *QUORUM)
    folder = plan.parent
    named = [str(folder / f"000002.{person}.approval.cms") for person in ("officer-1", "oversight-1")]
    refused(stage, plan, 4, "quorum: 1 of 2 officer approvals", *named)
    assert stage.execute(plan, *named, str(folder / "000002.officer-2.approval.cms")).code == 0


# --- what was agreed ----------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With software keys, so that a test can sign at any time and anything."""
    return build_world(tmp_path / "world", keys=())


def _lay(world: World, plan: Plan, people: tuple[str, ...] = QUORUM, at: datetime | None = None) -> papers.Paper:
    """A plan and its approvals in the pending folder."""
    paper = papers.paper_of(workspace.plan_path(world.ledger, plan.sequence), plan)
    workspace.make_pending(world.ledger)
    workspace.create(paper.path, paper.data)
    for person in people:
        holder = papers.person_in(world.state().roster, person)
        approve(paper, holder, world.signers[person], now=at or datetime.now(UTC))
    return paper


def _refused(world: World, paper: papers.Paper, message: str) -> None:
    before = {path.name: path.read_bytes() for path in world.ledger.iterdir() if path.is_file()}
    done = world.keyceremony("execute", str(paper.path), "--config", str(world.config))
    assert done.returncode == 4, done.stdout + done.stderr
    assert message in done.stderr
    assert {path.name: path.read_bytes() for path in world.ledger.iterdir() if path.is_file()} == before
    told = world.keyceremony("status", "--config", str(world.config), "--token", world.token_label)
    assert "holds every key of the ledger, and no other" in told.stdout, told.stderr


def test_an_expired_plan(world: World) -> None:
    then = datetime.now(UTC) - timedelta(days=3)
    plan = drafting.keys(world.state(), ["generate spin"], title="Too late", now=then, valid_days=2)
    paper = _lay(world, plan, at=then + timedelta(hours=1))
    _refused(world, paper, f"000002.plan.json: expired at {plan.expires}")
    told = world.keyceremony("status", "--config", str(world.config)).stdout
    assert "cannot be carried out: " in told
    assert f"   keyceremony renew {paper.path}" in told
    late = ["approve", str(paper.path), "--as", "officer-3", "--pem", "none.pem", "--confirm-words", "a b c d"]
    done = world.keyceremony(*late, "--config", str(world.config))
    assert done.returncode == 4
    assert "expired at" in done.stderr


def test_a_plan_drafted_from_another_head(world: World) -> None:
    stale = dataclasses.replace(world.state(), head="ab" * 32)
    plan = drafting.keys(stale, ["generate spin"], title="Another history", now=datetime.now(UTC))
    _refused(world, _lay(world, plan), "000002.plan.json: was drafted from another head than the ledger's present one")


def test_a_plan_that_another_one_overtook(stage: Stage) -> None:
    late = stage.plan_keys("generate common", title="Overtaken")
    stage.approve(late, *QUORUM)
    stage.must("plan", "keys", "generate spin", "--title", "First", "--config", "kagimori.toml", "--out", "other.json")
    stage.approve(Path("other.json"), *QUORUM)
    assert stage.execute(Path("other.json")).code == 0
    assert (stage.folder / "other.json").is_file(), "only what lies in the pending folder is put away"
    done = refused(stage, late, 4, "000002.plan.json: is plan 2; the ledger's next is 3")
    assert f"keyceremony renew {late}" in done.hint
    assert "Withdrawn: plan 2" in stage.must("withdraw", str(late))
    assert not (stage.folder / late).exists()
    assert len(list((stage.ledger / "pending" / "withdrawn" / "000002.1").iterdir())) == 4


def test_a_plan_altered_after_approval(stage: Stage) -> None:
    path = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(path, *QUORUM)
    file = stage.folder / path
    approved = file.read_bytes()
    altered = papers.load_plan(file).plan
    file.write_bytes(canonical.encode(_with_title(altered, "Other keys")))
    done = refused(stage, path, 1, "000002.officer-1.approval.cms: approves other bytes than ")
    assert "changed after approval" in done.hint
    file.write_bytes(approved.replace(b"First", b"First "))
    refused(stage, path, 1, "approves other bytes than")
    file.write_bytes(approved + b"\n")
    refused(stage, path, 4, "000002.plan.json: the JSON is not in its canonical form")
    file.write_bytes(approved)
    assert stage.execute(path).code == 0


def _with_title(plan: Plan, title: str) -> Plan:
    fields = {name: getattr(plan, name) for name in plan.__struct_fields__}
    return Plan(**{**fields, "title": title})


def test_a_damaged_approval(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *QUORUM)
    file = stage.ledger / "pending" / "000002.officer-2.approval.cms"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    refused(stage, plan, 4, "000002.officer-2.approval.cms: ")


def test_another_trust_anchor(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *QUORUM)
    refused(stage, plan, 4, "000001.authorization.cms: genesis is ", "--anchor", "0" * 64)
    refused(stage, plan, 2, "the trust anchor is not 64 hexadecimal digits in lower case", "--anchor", "abc")


def test_a_genesis_that_is_not_the_pinned_one(beginning: Stage) -> None:
    plan = kit.drafted(beginning)
    beginning.approve(plan, *kit.PEOPLE)
    refused(beginning, plan, 4, "000001.authorization.cms: genesis is ", "--anchor", "0" * 64)
    command = beginning.approve_command(plan, "officer-1")
    done = beginning.run(*command, "--anchor", "0" * 64)
    assert (done.code, "the trust anchor is 000000" in done.message) == (4, True)


# --- with what ----------------------------------------------------------------------------------


def test_a_token_with_another_serial_number(stage: Stage) -> None:
    """Same label, and even the same PIN: it is not tried on a stranger."""
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *QUORUM)
    for folder in (stage.folder / "tokens").iterdir():
        if stage.serials[APPLIANCE] in _serial(folder):
            shutil.rmtree(folder)
    other = init_token(stage.folder, APPLIANCE, PIN)
    done = refused(stage, plan, 5, f"no token has label 'kagimori' and serial number '{stage.serials[APPLIANCE]}'")
    assert other in done.message
    named = stage.execute(plan, "--token", "officer-1")
    assert named.code == 2
    assert named.message.startswith("token officer-1: the plan is for token kagimori, serial ")


def test_a_desk_looks_at_the_serial_number_itself() -> None:
    """Whoever opened the token: nothing is asked of one that the plan is not for."""
    stranger = NonCallableMock(spec_set=("facts", "close"), facts=SimpleNamespace(label=APPLIANCE, serial="f" * 16))
    pins = NonCallableMock(spec_set=("user",), user=lambda label: PIN)
    wanted = Name(APPLIANCE, "0" * 16)
    with (
        patch("keyceremony.act.desk.Token.open", return_value=stranger),
        pytest.raises(WrongToken, match="serial 'ffffffffffffffff'; the plan needs '0000000000000000'"),
        Desk(Path("module"), pins, [wanted]) as desk,
    ):
        desk.token(wanted.serial)
    stranger.close.assert_called_once()


def test_a_token_that_lost_its_identity_key(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *QUORUM)
    identity = stage.state().identity_key_id.hex()
    stage.pkcs11_tool("--delete-object", "--type", "privkey", "--id", identity)
    refused(stage, plan, 5, f"key {identity} on token 'kagimori'")
    told = stage.must("status", "--config", "kagimori.toml", "--token", APPLIANCE)
    assert f"Token: key identity ({identity}) of the ledger is not there" in told


def _serial(token_folder: Path) -> str:
    """SoftHSM names a token's folder by a UUID whose last 16 digits are the serial number."""
    return token_folder.name.replace("-", "")[-16:]


def test_genesis_wants_an_empty_token(stage: Stage) -> None:
    """The same token again, for a second ledger."""
    command = ["plan", "genesis", "setup.toml", "--ledger", "second"]
    stage.must(*command)
    second = stage.folder / "second" / "pending" / "000001.plan.json"
    words, anchor = stage.words(second), papers.load_plan(second).digest
    where = ["--ledger", "second", "--module", _module(stage)]
    for person in kit.PEOPLE:
        own = ["--as", person, "--token", person, "--pin-file", "pin", "--confirm-words", words]
        stage.must("approve", str(second), *own, *where)
    before = stage.snapshot()
    done = stage.run("execute", str(second), *where, "--anchor", anchor, "--pin-file", "pin")
    assert done.code == 1
    assert done.message == "token kagimori: holds keys already (identity)"
    assert done.hint == "it must be empty: initialise one, and draft the plan with its serial number"
    assert stage.snapshot() == before
    assert not list((stage.folder / "second").glob("*.cms"))


def _module(stage: Stage) -> str:
    text = (stage.folder / "kagimori.toml").read_text()
    return text.partition('module = "')[2].partition('"')[0]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_pin_file_that_others_can_read(stage: Stage, mode: int) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *QUORUM)
    (stage.folder / "pin").chmod(mode)
    done = refused(stage, plan, 3, "group or others can read or write it")
    assert done.hint.startswith("chmod 600 ")
    before = stage.slots()
    own = stage.run(*stage.approve_command(plan, "officer-3"))
    assert own.code == 3
    assert stage.slots() == before, "no PIN was tried"


def test_without_a_terminal_no_pin_is_asked_for(stage: Stage) -> None:
    plan = stage.plan_keys(*kit.FIRST_KEYS)
    stage.approve(plan, *QUORUM)
    done = refused(stage, plan, 5, "PIN of token kagimori: no terminal to ask at", "--ask-pin")
    assert done.hint == "run it at a terminal, or name a file that holds it (--help lists the options)"
