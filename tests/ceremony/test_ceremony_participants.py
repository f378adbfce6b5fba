"""Enrolment, cards, encrypted keys, and where secrets come from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ceremonykit import PIN, Stage
from cryptography import x509

from appliance.configuration import PinFileRefused
from keyceremony.errors import CardRefused, KeyNotTheirs, OutputExists, SecretRefused
from keyceremony.people import cards, enroll, pkcs8, secrets, signers
from keyceremony.people.cards import certificate_of
from keyceremony.words import groups
from tests.world import softhsm

PASSPHRASE = "correct horse battery staple"


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


# --- by the command line ------------------------------------------------------------------------


def test_a_key_made_on_the_persons_own_token(beginning: Stage) -> None:
    person = cards.load(beginning.folder / "officer-1.json")
    assert (person.id, person.name, person.role) == ("officer-1", "保安責任者 一郎", "officer")
    assert json.loads((beginning.folder / "officer-1.json").read_text()).keys() == {"id", "name", "role", "certificate"}
    held = beginning.objects("officer-1")
    assert held.count("Private Key Object; EC") == 1
    assert held.count("Certificate Object; type = X.509 cert") == 1
    assert "never extractable, local" in held
    assert x509.load_der_x509_certificate(certificate_of(person)).subject.rfc4514_string() == "CN=officer-1"


def test_enrolling_twice_is_refused_and_leaves_the_token_alone(beginning: Stage) -> None:
    before = beginning.objects("officer-1"), (beginning.folder / "officer-1.json").read_bytes()
    module = ["--module", str(softhsm()["KAGIMORI_SOFTHSM_MODULE"]), "--pin-file", "pin", "--token", "officer-1"]
    who = ["enroll", "--id", "officer-1", "--name", "保安責任者 一郎", "--role", "officer"]
    done = beginning.run(*who, "--out", "officer-1.json", *module)
    assert (done.code, done.message) == (1, "officer-1.json: exists already; nothing is overwritten")
    done = beginning.run(*who, "--out", "again.json", *module)
    assert (done.code, done.message) == (1, "the token already holds a certificate 'kagimori officer-1'")
    assert (beginning.objects("officer-1"), (beginning.folder / "officer-1.json").read_bytes()) == before
    assert not (beginning.folder / "again.json").exists()


def test_a_card_that_cannot_be_written_leaves_no_key_on_the_token(beginning: Stage) -> None:
    before = beginning.objects("officer-2")
    module = ["--module", str(softhsm()["KAGIMORI_SOFTHSM_MODULE"]), "--pin-file", "pin", "--token", "officer-2"]
    who = ["enroll", "--id", "officer-9", "--name", "九郎", "--role", "officer", "--out", "nowhere/card.json"]
    done = beginning.run(*who, *module)
    assert (done.code, done.message) == (1, "nowhere/card.json: cannot be written (No such file or directory)")
    assert beginning.objects("officer-2") == before


def test_a_pem_key_asks_for_its_passphrase_twice(beginning: Stage) -> None:
    who = [
        "enroll",
        "--id",
        "officer-9",
        "--name",
        "九郎",
        "--role",
        "officer",
        "--out",
        "nine.json",
        "--pem",
        "nine.pem",
    ]
    first, second = ("New passphrase for nine.pem", PASSPHRASE), ("The same passphrase again", "something else here")
    code, shown = beginning.on_terminal(who, [first, second])
    assert code == 5
    assert "the two passphrases differ" in shown
    assert not (beginning.folder / "nine.pem").exists()
    code, shown = beginning.on_terminal(who, [first, (second[0], PASSPHRASE)])
    assert code == 0, shown
    assert PASSPHRASE not in shown
    person = cards.load(beginning.folder / "nine.json")
    for group in groups(cards.fingerprint_words(person)):
        assert group in shown
    assert (beginning.folder / "nine.pem").stat().st_mode & 0o777 == 0o600


def test_openssl_reads_the_key_with_the_passphrase_only(tmp_path: Path) -> None:
    card, pem = tmp_path / "card.json", tmp_path / "key.pem"
    enroll.as_pem("officer-1", "一郎", "officer", pem=pem, passphrase=PASSPHRASE, card=card)
    openssl = str(softhsm()["KAGIMORI_OPENSSL"])
    right = [openssl, "pkey", "-in", str(pem), "-passin", f"pass:{PASSPHRASE}", "-noout", "-text"]
    shown = subprocess.run(right, capture_output=True, text=True, check=True).stdout
    assert "NIST CURVE: P-256" in shown
    wrong = [openssl, "pkey", "-in", str(pem), "-passin", "pass:another one", "-noout"]
    assert subprocess.run(wrong, capture_output=True, check=False).returncode != 0
    parsed = subprocess.run([openssl, "asn1parse", "-in", str(pem)], capture_output=True, text=True, check=True).stdout
    assert ":PBES2" in parsed
    assert ":hmacWithSHA256" in parsed
    assert ":aes-256-cbc" in parsed
    assert f":{pkcs8.ROUNDS:X}" in parsed.replace(":0", ":")


# --- keys and cards -----------------------------------------------------------------------------


def test_only_the_right_passphrase_and_the_right_certificate_open_a_key(tmp_path: Path) -> None:
    one = enroll.as_pem("a", "甲", "officer", pem=tmp_path / "a.pem", passphrase=PASSPHRASE, card=tmp_path / "a.json")
    other = enroll.as_pem("b", "乙", "officer", pem=tmp_path / "b.pem", passphrase=PASSPHRASE, card=tmp_path / "b.json")
    assert signers.load_pem(tmp_path / "a.pem", PASSPHRASE, certificate_of(one)).certificate == certificate_of(one)
    with pytest.raises(SecretRefused, match="the passphrase is wrong, or the PEM is damaged"):
        signers.load_pem(tmp_path / "a.pem", "something else", certificate_of(one))
    with pytest.raises(KeyNotTheirs, match="its key is not the one of the certificate in the roster"):
        signers.load_pem(tmp_path / "a.pem", PASSPHRASE, certificate_of(other))


def test_an_unencrypted_key_is_not_taken() -> None:
    with pytest.raises(SecretRefused, match="no ENCRYPTED PRIVATE KEY"):
        pkcs8.decrypt(b"-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n", PASSPHRASE)


def test_a_pem_without_its_card_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot be written"):
        enroll.as_pem("a", "甲", "officer", pem=tmp_path / "a.pem", passphrase=PASSPHRASE, card=tmp_path / "x" / "a")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.pem").write_text("mine")
    with pytest.raises(OutputExists, match="exists already"):
        enroll.as_pem("a", "甲", "officer", pem=tmp_path / "a.pem", passphrase=PASSPHRASE, card=tmp_path / "a.json")
    assert (tmp_path / "a.pem").read_text() == "mine"
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "Officer"}, "not a participant card"),
        ({"role": "boss"}, "not a participant card"),
        ({"extra": 1}, "unknown field `extra`"),
        ({"name": "a\u202eb"}, "name: U+202E is not printable text on one line"),
        ({"certificate": "!"}, "certificate: not base64"),
        ({"certificate": "AAAA"}, "certificate: "),
    ],
)
def test_a_card_that_is_none_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    person, _ = enroll.in_memory("officer-1", "一郎", "officer")
    cards.write(tmp_path / "card.json", person)
    fields = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "changed.json").write_text(json.dumps({**fields, **change}))
    assert cards.load(tmp_path / "card.json") == person
    with pytest.raises(CardRefused) as refused:
        cards.load(tmp_path / "changed.json")
    assert message in refused.value.message
    assert "changed.json: " in refused.value.message


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_secret_file_of_the_owner_alone(tmp_path: Path, mode: int) -> None:
    assert secrets.pin_for("t", private(tmp_path / "pin", PIN + "\n", mode)) == PIN
    assert secrets.passphrase_for(tmp_path, private(tmp_path / "phrase", PASSPHRASE, mode)) == PASSPHRASE


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o601, 0o666])
def test_a_secret_file_open_to_others(tmp_path: Path, mode: int) -> None:
    with pytest.raises(PinFileRefused, match="group or others can read or write it"):
        secrets.pin_for("t", private(tmp_path / "pin", PIN, mode))
    with pytest.raises(SecretRefused, match="passphrase file .*: group or others can read or write it"):
        secrets.passphrase_for(tmp_path, tmp_path / "pin")


def test_a_new_passphrase_must_be_long(tmp_path: Path) -> None:
    short = private(tmp_path / "phrase", "eleven-char")
    with pytest.raises(SecretRefused, match="fewer than 12 characters"):
        secrets.new_passphrase(tmp_path / "key.pem", short)
