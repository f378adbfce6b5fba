"""A token that lacks what is to be done with it is refused before anything is made, with every lack and its cost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from softhsmkit import PIN

from appliance.ledger.plan import Plan
from appliance.token import Token
from appliance.token.features import PRODUCTION
from tests import world as worlds
from tests.shimkit import Shim, shimmed
from tests.world import PEOPLE, World, softhsm

LABEL = "features"
NO_MECHANISM = "C_GetMechanismInfo fail CKR_MECHANISM_INVALID"
NO_TEMPLATE = "C_GenerateKey fail CKR_ATTRIBUTE_TYPE_INVALID"


def test_softhsm_lacks_nothing_and_nothing_is_left_of_finding_out(softhsm: Any) -> None:
    serial = softhsm.init_token(LABEL)
    with Token.open(softhsm.module, label=LABEL, serial=serial, pin=PIN, writable=True) as token:
        token.require_features(*PRODUCTION)
        token.require_features(*PRODUCTION, made=True)
        assert list(token.login_session.get_objects({})) == []


@pytest.fixture(scope="module")
def founding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Shim, Plan]]:
    """A world behind the shim, on the point of its genesis."""
    world = World(tmp_path_factory.mktemp("founding").resolve())
    for name in ("tokens", "ledger", "state", "run", "audit"):
        (world.folder / name).mkdir(mode=0o700)
    serial = worlds._make_token(world)
    plan = worlds._genesis(world, serial, tuple(worlds.setup_file.default_specs()), None)
    world.anchor = worlds.papers.paper_of(world.folder, plan).digest
    world.config.write_text(worlds._configuration(world, worlds.ROLES), encoding="utf-8")
    yield world, shimmed(world), plan


def listed(world: World) -> str:
    """What an outside judge finds on the token."""
    tool, module = softhsm()["KAGIMORI_PKCS11_TOOL"], softhsm()["KAGIMORI_SOFTHSM_MODULE"]
    words = ["--module", str(module), "--token-label", world.token_label, "--login", "--pin", "env:TRIAL", "-O"]
    environment = {**world.env, "TRIAL": world.pin}
    return subprocess.run([str(tool), *words], env=environment, capture_output=True, text=True, check=True).stdout


LACKS = {
    NO_MECHANISM: (
        "no AES-256 keys that never leave it (CKM_AES_KEY_GEN, CKM_AES_ECB not there): no conversion key is made on it",
        "no P-256 signing key (CKM_EC_KEY_PAIR_GEN, CKM_ECDSA not there): "
        "no outcome of a ceremony can be signed, so there is no ledger",
        "no Ed25519 log key (CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA not there): "
        "no checkpoint of the audit log can be signed, so no daemon starts",
        "no backup (CKM_RSA_PKCS_OAEP not there): "
        "its keys are lost with it, and with them the link between every person's numbers",
        "no transport key (CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP not there): "
        "no key can come to it, so it cannot be restored to, hold copies, or be a clone",
    ),
    NO_TEMPLATE: (
        "no AES-256 keys that never leave it (the key's template gets CKR_ATTRIBUTE_TYPE_INVALID): "
        "no conversion key is made on it",
        "no backup (the key's template gets CKR_ATTRIBUTE_TYPE_INVALID): "
        "its keys are lost with it, and with them the link between every person's numbers",
    ),
}


@pytest.mark.parametrize("fault", LACKS)
def test_a_genesis_is_refused_with_all_that_is_missing_before_anything_is_made(
    founding: tuple[World, Shim, Plan], fault: str
) -> None:
    world, shim, plan = founding
    shim.do(fault)
    with pytest.raises(AssertionError) as failed:
        world.carry_out(plan, [person for person, _, _ in PEOPLE])
    shim.clear()
    said = str(failed.value)
    assert "execute ended with 5" in said and "Traceback" not in said
    assert f"): not fit for this: {'; '.join(LACKS[fault])}\n" in said
    assert "hint: take another token; `appliance qualify` tells all that this one lacks" in said
    assert listed(world) == ""
    assert [path.name for path in world.ledger.iterdir() if path.suffix == ".cms"] == []
    for paper in (world.ledger / "pending").iterdir():  # the next fault's plan is the same one
        paper.unlink()


def test_a_participant_is_not_enrolled_on_a_token_without_p256(
    founding: tuple[World, Shim, Plan], tmp_path: Path
) -> None:
    world, shim, _ = founding
    shim.do(NO_MECHANISM)
    card = tmp_path / "card.json"
    who = ("--id", "officer-9", "--name", "Nine", "--role", "officer", "--out", str(card))
    where = ("--token", world.token_label, "--config", str(world.config), "--pin-file", str(world.pin_file))
    done = world.keyceremony("enroll", *who, *where)
    shim.clear()
    assert done.returncode == 5, done.stderr
    assert "not fit for this: no P-256 signing key (CKM_EC_KEY_PAIR_GEN, CKM_ECDSA not there)" in done.stderr
    assert not card.exists()
    assert listed(world) == ""


def test_an_engine_opens_no_key_on_a_token_that_cannot_use_it(founding: tuple[World, Shim, Plan]) -> None:
    world, shim, _ = founding
    shim.do(NO_MECHANISM)
    program = (
        "import sys; from pathlib import Path; from types import SimpleNamespace\n"
        "from appliance.engine.keys import open_keys; from appliance.token.errors import FeatureMissing\n"
        "from appliance.token.token import Token\n"
        f"module, label = Path({str(shim.module)!r}), {world.token_label!r}\n"
        "with Token.open(module, label=label, serial=None, pin=sys.stdin.read()) as t:\n"
        "    for log in (None, 'a key'):\n"
        "        try: open_keys(t, None, SimpleNamespace(log=log))\n"
        "        except FeatureMissing as error: print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=world.env, input=world.pin, capture_output=True, text=True, check=True
    )
    shim.clear()
    converts, signs = done.stdout.splitlines()
    assert converts.endswith(
        "not fit for this: no AES-256 keys that never leave it (CKM_AES_ECB not there): no conversion key is made on it"
    )
    assert "; no Ed25519 log key (CKM_EDDSA not there): " in signs


def test_a_token_that_cannot_be_asked_just_now_is_not_told_unfit(founding: tuple[World, Shim, Plan]) -> None:
    world, shim, plan = founding
    shim.do("C_GenerateKey fail CKR_DEVICE_MEMORY times=1")
    with pytest.raises(AssertionError) as failed:
        world.carry_out(plan, [person for person, _, _ in PEOPLE])
    shim.clear()
    said = str(failed.value)
    assert "the token is not available (CKR_DEVICE_MEMORY)" in said and "hint: the token is full" in said
    assert "not fit for this" not in said and "Traceback" not in said
    assert listed(world) == ""
