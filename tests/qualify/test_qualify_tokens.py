"""Tokens that are not fit: openCryptoki's and NSS's. They convert rightly, and the report says what they lack.

They are there once `make conformance` has provided them; where they are not, the reason is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import vendorkit
from tests import world as worlds
from tests.vendorkit import NotHere, Vendor
from tests.world import PEOPLE, World

LACKS = {
    "openCryptoki": {
        "no AES-256 keys that never leave it": {"key.copyable", "key.allowed-mechanisms", "key.generate"},
        "no P-256 signing key": {"mechanism.ecdsa", "sign.p256"},
        "no Ed25519 log key": {"mechanism.eddsa", "sign.ed25519"},
        "no backup": {"key.wrap-with-trusted", "seal.generate", "wrap.transport"},
    },
    "NSS softokn": {
        "no AES-256 keys that never leave it": {"key.copyable", "key.allowed-mechanisms", "key.copy-stays-secret"},
        "no P-256 signing key": {"sign.p256"},
        "no Ed25519 log key": {"mechanism.eddsa", "sign.ed25519"},
        "no backup": {"seal.trust-kept", "seal.generate", "wrap.transport"},
    },
}
REFUSALS = {
    "openCryptoki": (
        "not fit for this: no AES-256 keys that never leave it (CKA_COPYABLE, CKA_WRAP_WITH_TRUSTED, "
        "CKA_ALLOWED_MECHANISMS refused with CKR_ATTRIBUTE_TYPE_INVALID): no conversion key is made on it; ",
        "; no P-256 signing key (CKM_EC_KEY_PAIR_GEN, CKM_ECDSA not there): ",
        "; no Ed25519 log key (CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA not there): ",
        "; no backup (CKA_COPYABLE, CKA_WRAP_WITH_TRUSTED, ",
    ),
    "NSS softokn": ("not fit for this: no Ed25519 log key (CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA not there): ",),
}
CONVERTS = ("stream", "convert", "process", "login")


@pytest.fixture(scope="module", params=list(vendorkit.VENDORS))
def vendor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    folder = tmp_path_factory.mktemp("vendor") / "token"
    try:
        with vendorkit.VENDORS[request.param](folder) as made:
            yield made
    except NotHere as why:
        pytest.skip(f"{request.param}: {why}")


@pytest.fixture(scope="module")
def report(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("report") / "report.json"
    done = vendor.qualify("--quick", "--json", str(path))
    assert (done.returncode, done.stderr) == (1, ""), done.stderr
    assert "It converts numbers rightly, so it" in done.stdout
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def test_it_serves_for_trials_alone_and_what_is_missing_is_told(vendor: Vendor, report: dict[str, Any]) -> None:
    assert report["verdict"] == "conversions only"
    told = {lack["lack"]: set(lack["checks"]) for lack in report["lacks"]}
    assert list(told) == list(LACKS[vendor.name])
    for lack, checks in LACKS[vendor.name].items():
        assert checks <= told[lack], lack


def test_every_conversion_stream_login_and_process_check_passes(report: dict[str, Any]) -> None:
    odd = {row["id"]: row["evidence"] for row in report["checks"] if row["result"] != "passed"}
    assert {name: why for name, why in odd.items() if name.startswith(CONVERTS)} == {}


def test_nothing_is_left_there(vendor: Vendor, report: dict[str, Any]) -> None:
    assert report["checks"][-1]["id"] == "scratch.nothing-left"
    assert report["checks"][-1]["result"] == "passed"
    assert "kagimori-qualify" not in vendorkit.listed(vendor)


def test_production_use_is_refused_with_what_is_missing(
    vendor: Vendor, report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A genesis that four people have approved, on the very token: refused before anything is made."""
    monkeypatch.setattr(worlds, "TOKEN_LABEL", vendor.label)
    world = World(tmp_path.resolve(), pin=vendorkit.PIN, more_env=dict(vendor.variables))
    for name in ("ledger", "state", "run", "audit"):
        (world.folder / name).mkdir(mode=0o700)
    world.pin_file.touch(0o600)
    world.pin_file.write_text(world.pin + "\n", "ascii")
    plan = worlds._genesis(world, report["token"]["serial"], tuple(worlds.setup_file.default_specs()), None)
    world.anchor = worlds.papers.paper_of(world.folder, plan).digest
    text = worlds._configuration(world, worlds.ROLES)
    world.config.write_text(text.replace(str(world.module), str(vendor.module)), encoding="utf-8")
    with pytest.raises(AssertionError) as failed:
        world.carry_out(plan, [person for person, _, _ in PEOPLE])
    said = str(failed.value)
    assert "execute ended with 5" in said and "Traceback" not in said
    for refusal in REFUSALS[vendor.name]:
        assert refusal in said
    assert vendorkit.listed(vendor) == ""
    assert not list(world.ledger.glob("*.cms"))
