"""A token that crashes, hangs or answers wrongly loses the check, not the report; what is wrong is never passed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import progress
from appliance.qualify import runner
from appliance.qualify.checks import CHECKS
from appliance.qualify.command import command
from appliance.qualify.errors import LoginRefused, ScratchLeft, ScratchStays, WorkerFailed
from appliance.qualify.runner import Report
from appliance.qualify.verdict import Fitness
from appliance.token.errors import TokenModuleError
from appliance.token.trials.bench import Terms
from appliance.token.trials.findings import Result
from tests import vendorkit
from tests.shimkit import Shim
from tests.vendorkit import LABEL, PIN, PROJECT, Vendor


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    return vendorkit.softhsm2(tmp_path_factory.mktemp("faults") / "token")


@pytest.fixture(scope="module")
def shim(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shim]:
    """The token through the shim; the processes that talk to it obey."""
    made = Shim(tmp_path_factory.mktemp("shim"))
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {**vendor.variables, **made.variables, "PYTHONPATH": str(PROJECT)}.items():
            patched.setenv(name, value)
        yield made


def tried(shim: Shim, *ids: str, clean: bool = False) -> Report:
    checks = tuple(check for check in CHECKS if check.id in ids)
    assert len(checks) == len(ids)
    terms = Terms(shim.module, LABEL, None, PIN, quick=True)
    return runner.qualify(terms, progress.silent, clean=clean, checks=checks)


WRONG = (
    ("C_CopyObject crash", "key.copy-refused", Result.DIFFERS, "the module ended its process (signal SIGSEGV)"),
    ("C_DigestInit hang", "sign.digest", Result.DIFFERS, "no answer within 15 s"),
    ("C_DecryptInit fail CKR_OK", "key.decrypt-refused", Result.DIFFERS, "C_DecryptInit with CKM_AES_ECB: not refused"),
    ("C_Encrypt alter times=1", "stream.one-shot", Result.DIFFERS, "give different bytes for one block"),
    ("C_EncryptUpdate alter skip=60 times=1", "stream.stable", Result.DIFFERS, ""),
    ("C_GetMechanismInfo fail CKR_MECHANISM_INVALID", "mechanism.eddsa", Result.MISSING, "CKR_MECHANISM_INVALID"),
    ("C_Sign alter", "sign.p256", Result.DIFFERS, "does not verify"),
    ("C_GenerateRandom zero", "sign.random", Result.DIFFERS, "C_GenerateRandom gives bytes that are not random"),
    ("C_SetAttributeValue fail CKR_OK", "seal.seal", Result.DIFFERS, "attribute extractable is true"),
)
RIGHT = ("key.private", "key.id-search", "key.wrong-template-refused", "login.shared", "mistake.no-key")


@pytest.fixture(scope="module")
def faulty(shim: Shim) -> Report:
    """A run in which a function is wrong for each of nine checks, and five have nothing to do with them."""
    shim.do(*(fault for fault, *_ in WRONG))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runner, "PATIENCE", 15.0)
        report = tried(shim, *RIGHT, *(check for _, check, *_ in WRONG))
    assert all(shim.fired().values()), shim.fired()
    shim.clear()
    return report


@pytest.mark.parametrize(("check", "result", "evidence"), [row[1:] for row in WRONG], ids=[row[1] for row in WRONG])
def test_what_is_wrong_does_not_pass(faulty: Report, check: str, result: Result, evidence: str) -> None:
    [found] = [row.finding for row in faulty.rows if row.check.id == check]
    assert found.result is result and evidence in found.evidence, found


def test_a_crash_and_a_hang_take_one_check_each(faulty: Report) -> None:
    """What has nothing to do with them passes, and nothing is left on the token."""
    passed = {row.check.id for row in faulty.rows if row.passed}
    assert passed == {*RIGHT, "scratch.nothing-left"}
    assert faulty.verdict.fitness is Fitness.UNFIT


def test_what_stays_is_told_and_removed_on_demand(shim: Shim) -> None:
    shim.do("C_DestroyObject fail CKR_OK")
    with pytest.raises(ScratchStays, match=r"scratch objects could not be removed: secret_key 6b6d7175616c6966"):
        tried(shim, "key.destroy")
    shim.clear()
    with pytest.raises(ScratchLeft, match="scratch objects of another run are there"):
        tried(shim)
    [row] = tried(shim, clean=True).rows
    assert row.passed


def test_a_module_that_cannot_be_used_is_one_clear_line(shim: Shim) -> None:
    shim.do("C_GetSlotList crash")
    with pytest.raises(WorkerFailed, match=r"the module cannot be used: signal SIGSEGV"):
        tried(shim, "key.private")
    shim.clear()


def test_a_module_that_is_not_there_is_told_before_a_pin_is_asked_for(tmp_path: Path) -> None:
    said = CliRunner().invoke(command, ["--module", str(tmp_path / "no.so"), "--token", "any"])
    assert isinstance(said.exception, TokenModuleError)
    assert said.exception.message == f"PKCS#11 module {tmp_path}/no.so: there is no such file"
    assert said.exception.hint == "name the module's full path"


def test_a_pin_that_is_refused_is_tried_once(shim: Shim) -> None:
    shim.do("C_Login fail CKR_PIN_INCORRECT")
    with pytest.raises(LoginRefused, match="wrong PIN; it was tried once"):
        tried(shim, "key.private")
    assert shim.met() == {"C_Login fail CKR_PIN_INCORRECT": 1}
    shim.clear()


def test_a_pin_that_is_refused_later_is_not_tried_again(shim: Shim) -> None:
    shim.do("C_Login fail CKR_PIN_INCORRECT skip=1")
    with pytest.raises(LoginRefused, match="wrong PIN; it was tried once"):
        tried(shim, "key.private")
    assert shim.met() == {"C_Login fail CKR_PIN_INCORRECT skip=1": 2}
    shim.clear()


def test_no_pin_is_an_argument_or_in_the_environment() -> None:
    """Every process of the room is started with these words alone."""
    from appliance.qualify.job import _COMMAND
    from appliance.token.trials.processes import _COMMAND as OTHER

    assert (sys.executable, "-m", "appliance.qualify.worker") == _COMMAND
    assert (sys.executable, "-m", "appliance.token.trials.other") == OTHER
