"""OpenSSL as the outside judge: plain `openssl cms -verify` accepts every file and prints its JSON."""

from __future__ import annotations

import subprocess
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

import pytest
from ledgerkit import B1, NOW, OFFICERS, OVERSIGHT, Book, backup_signer, make_attempt, make_refusal, restore, signer

from appliance.ledger import chain, cms
from tests.world import softhsm

CEREMONY_CLOCK = ("-attime", str(int(NOW.timestamp())))


def openssl(*arguments: str | Path, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    program = str(softhsm()["KAGIMORI_OPENSSL"])
    return subprocess.run([program, *map(str, arguments)], input=given, capture_output=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def restored(backed: Book) -> Book:
    """Backup tokens, a restore, annexes beside it, and one that waits."""
    grown = backed.fork()
    beside = {"000005.attempt.1.cms": make_attempt(5), "000005.refusal.1.cms": make_refusal(5)}
    grown.add([restore(B1)], beside=beside)
    grown.files["000006.attempt.1.cms"] = make_attempt(6, backup_signer(B1))
    return grown


def test_a_restore_and_annexes_verify_as_well(restored: Book, tmp_path: Path) -> None:
    chain.verify(restored.files, restored.anchor)
    signers = [signer(name).certificate for name in (*OFFICERS, *OVERSIGHT, "appliance")]
    pem = "".join(map(DER_cert_to_PEM_cert, [*signers, backup_signer(B1).certificate]))
    (tmp_path / "everyone.pem").write_text(pem)
    for name, data in restored.files.items():
        (tmp_path / name).write_bytes(data)
        for options in (["-noverify"], ["-CAfile", tmp_path / "everyone.pem", *CEREMONY_CLOCK]):
            result = openssl("cms", "-verify", "-inform", "DER", *options, "-in", tmp_path / name)
            assert result.returncode == 0, result.stderr
            assert result.stdout == cms.verify(data).content


def test_what_an_outcome_lists_is_what_openssl_computes_of_its_annexes(restored: Book, tmp_path: Path) -> None:
    names = ["000005.attempt.1.cms", "000005.refusal.1.cms", "000005.outcome.cms"]
    for name in names:
        (tmp_path / name).write_bytes(restored.files[name])
    digests = [openssl("dgst", "-sha256", "-r", tmp_path / name).stdout.split()[0].decode() for name in names[:2]]
    outcome = openssl("cms", "-verify", "-inform", "DER", "-noverify", "-in", tmp_path / names[2]).stdout.decode()
    assert '"annexes":["' + '","'.join(digests) + '"]' in outcome


@pytest.fixture
def folder(book: Book, tmp_path: Path) -> Path:
    for name, data in book.files.items():
        (tmp_path / name).write_bytes(data)
    everyone = [signer(name).certificate for name in (*OFFICERS, *OVERSIGHT, "appliance")]
    (tmp_path / "everyone.pem").write_text("".join(map(DER_cert_to_PEM_cert, everyone)))
    return tmp_path


def test_every_file_verifies_and_prints_its_json(book: Book, folder: Path) -> None:
    for name, data in book.files.items():
        result = openssl("cms", "-verify", "-inform", "DER", "-noverify", "-in", folder / name)
        assert result.returncode == 0, result.stderr
        assert result.stdout == cms.verify(data).content
        assert result.stdout.startswith(b"{") and result.stdout.endswith(b"}")


def test_every_file_verifies_with_the_certificates_as_anchors(book: Book, folder: Path) -> None:
    """Without -purpose: the certificates' own key usage is enough. The clock is that of the ceremony."""
    for name in book.files:
        for strict in ([], ["-x509_strict"]):
            options = ["-CAfile", folder / "everyone.pem", *CEREMONY_CLOCK, *strict]
            result = openssl("cms", "-verify", "-inform", "DER", *options, "-in", folder / name)
            assert result.returncode == 0, result.stderr


def test_openssl_refuses_with_other_anchors(folder: Path) -> None:
    (folder / "eve.pem").write_text(DER_cert_to_PEM_cert(signer("eve").certificate))
    name = folder / "000001.outcome.cms"
    options = ["-CAfile", folder / "eve.pem", *CEREMONY_CLOCK]
    result = openssl("cms", "-verify", "-inform", "DER", *options, "-in", name)
    assert result.returncode != 0 and b"certificate verify error" in result.stderr


def test_openssl_refuses_changed_content(book: Book, folder: Path) -> None:
    name = "000002.authorization.cms"
    (folder / name).write_bytes(book.files[name].replace(b"sspin.E.1", b"sspin.F.1"))
    result = openssl("cms", "-verify", "-inform", "DER", "-noverify", "-in", folder / name)
    assert result.returncode != 0


def test_the_way_to_the_next_previous_with_openssl_alone(book: Book, folder: Path) -> None:
    """As docs/ledger.md tells an auditor: the head after an entry is the next plan's `previous`."""
    digests = b""
    for name in (chain.authorization_name(1), chain.outcome_name(1)):
        digests += openssl("dgst", "-sha256", "-binary", folder / name).stdout
    head = openssl("dgst", "-sha256", "-r", given=b"kagimori/head/v1\n" + digests).stdout.split()[0]
    second = openssl("cms", "-verify", "-inform", "DER", "-noverify", "-in", folder / chain.authorization_name(2))
    assert b'"previous":"' + head + b'"' in second.stdout


def test_the_trust_anchor_with_openssl_alone(book: Book, folder: Path) -> None:
    genesis = openssl("cms", "-verify", "-inform", "DER", "-noverify", "-in", folder / chain.authorization_name(1))
    digest = openssl("dgst", "-sha256", "-r", given=genesis.stdout).stdout.split()[0].decode()
    assert digest == book.anchor


def test_the_certificates_pass_openssl_s_own_look(folder: Path) -> None:
    certificate = signer("sato").certificate
    text = openssl("x509", "-inform", "DER", "-noout", "-text", given=certificate).stdout.decode()
    assert "Version: 3" in text and "CA:FALSE" in text and "Digital Signature" in text
    assert (
        openssl("verify", *CEREMONY_CLOCK, "-CAfile", folder / "everyone.pem", folder / "everyone.pem").returncode == 0
    )
