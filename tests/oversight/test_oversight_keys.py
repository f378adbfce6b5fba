"""A witness's keys: made once, private, under a passphrase, and only ever used together with their public halves."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest
from logkit import thousand
from runkit import Run

from appliance.oversight.errors import KeyUnusable, OutputExists, PieceMissing, SecretRefused
from appliance.oversight.witness import keys, passphrase
from appliance.tlog import cosignature
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, VerifierKey

NAME = "oversight.example/witness-1"
WORDS = "a long passphrase of theirs"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """The passphrase in a file."""
    path = tmp_path / "passphrase"
    path.write_text(WORDS + "\n")
    path.chmod(0o600)
    return path


def test_init_makes_two_keys(tmp_path: Path, run: Run, words: Path) -> None:
    folder = tmp_path / "keys"
    ran = run("init", folder, "--name", NAME, "--passphrase-file", words)
    assert (ran.code, ran.err) == (0, "")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"ed25519.pem": 0o600, "ml-dsa-44.pem": 0o600, "vkeys": 0o644}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    lines = (folder / "vkeys").read_text().splitlines()
    assert ran.out.splitlines()[-2:] == lines
    parsed = [VerifierKey.parse(line) for line in lines]
    assert [(key.name, key.kind) for key in parsed] == [(NAME, COSIGNATURE_ED25519), (NAME, COSIGNATURE_ML_DSA_44)]
    loaded = keys.load(folder, lambda: WORDS)
    checkpoint = thousand().checkpoint()
    for key, line in zip(parsed, loaded.cosign(checkpoint, 77), strict=True):
        assert cosignature.verify(checkpoint, line, key).time == 77


def test_openssl_reads_the_encrypted_key(tmp_path: Path, run: Run, words: Path) -> None:
    run("init", tmp_path / "keys", "--name", NAME, "--passphrase-file", words)
    pem = tmp_path / "keys" / "ed25519.pem"
    assert pem.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    asked = ["openssl", "pkey", "-in", str(pem), "-passin", f"file:{words}", "-noout", "-text"]
    assert "ED25519 Private-Key" in subprocess.run(asked, capture_output=True, text=True).stdout
    form = subprocess.run(["openssl", "asn1parse", "-in", str(pem)], capture_output=True, text=True).stdout
    assert "PBKDF2" in form and "aes-256-cbc" in form and "hmacWithSHA256" in form
    assert f"INTEGER           :{keys.sealing.ROUNDS:06X}" in form


def test_init_as_json_without_a_passphrase(tmp_path: Path, run: Run) -> None:
    ran = run("init", tmp_path / "keys", "--name", NAME, "--no-passphrase", "--json")
    said = json.loads(ran.out)
    assert (ran.code, said["name"], len(said["witnesses"])) == (0, NAME, 2)
    assert "BEGIN PRIVATE KEY" in (tmp_path / "keys" / "ed25519.pem").read_text()
    loaded = keys.load(tmp_path / "keys", lambda: pytest.fail("nobody is asked"))
    assert [str(key) for key in loaded.vkeys] == said["witnesses"]


@pytest.mark.parametrize("name", ["ed25519.pem", "ml-dsa-44.pem", "vkeys"])
def test_init_overwrites_nothing(tmp_path: Path, run: Run, name: str) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / name).write_text("precious")
    ran = run("init", folder, "--name", NAME, "--no-passphrase")
    assert ran.code == 3
    assert f"error: {folder / name}: exists already; nothing is overwritten" in ran.err
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_text() == "precious"


def test_a_failure_leaves_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = keys.files.create

    def failing(path: Path, data: bytes, mode: int) -> None:
        if path.name == "vkeys":
            raise OutputExists("somebody was faster")
        create(path, data, mode)

    monkeypatch.setattr(keys.files, "create", failing)
    with pytest.raises(OutputExists, match="somebody was faster"):
        keys.make(tmp_path / "keys", NAME, None)
    assert list((tmp_path / "keys").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--name", "two words"), 3, "error: name: "),
        (("--name", "a+b"), 3, "error: name: "),
        ((), 2, "Missing option '--name'"),
        (("--name", NAME, "--passphrase-file", "/nowhere"), 5, "passphrase file /nowhere: No such file"),
        (("--name", NAME, "--no-passphrase", "--passphrase-file", "x"), 2, "exclude each other"),
    ],
)
def test_init_refuses(tmp_path: Path, run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    with_choice = words if "--passphrase-file" in words else (*words, "--no-passphrase")
    ran = run("init", tmp_path / "keys", *with_choice)
    assert ran.code == code
    assert said in ran.err
    assert not (tmp_path / "keys" / "vkeys").exists()


def test_a_passphrase_file_that_others_can_read(tmp_path: Path, run: Run, words: Path) -> None:
    words.chmod(0o644)
    ran = run("init", tmp_path / "keys", "--name", NAME, "--passphrase-file", words)
    assert ran.code == 5
    assert "group or others can read or write it" in ran.err
    assert "PIN" not in ran.err


def test_no_terminal_to_ask_at(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> int:
        raise OSError(6, "No such device or address")

    monkeypatch.setattr(passphrase.os, "open", absent)
    with pytest.raises(SecretRefused, match="no terminal to ask at"):
        passphrase.new(None, tmp_path)


@pytest.mark.parametrize(
    ("typed", "said"),
    [((WORDS, "another"), "the two passphrases differ"), (("short", "short"), "fewer than 12 characters")],
)
def test_a_new_passphrase_is_typed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, str], said: str
) -> None:
    answers = iter(typed)
    monkeypatch.setattr(passphrase, "ask", lambda prompt: next(answers))
    with pytest.raises(SecretRefused, match=said):
        passphrase.new(None, tmp_path)


def test_typed_twice_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "ask", lambda prompt: WORDS)
    assert passphrase.new(None, tmp_path) == WORDS
    assert passphrase.given(None, tmp_path) == WORDS


def test_a_wrong_passphrase(tmp_path: Path) -> None:
    keys.make(tmp_path / "keys", NAME, WORDS)
    with pytest.raises(SecretRefused, match="the passphrase is wrong, or the file is damaged") as refusal:
        keys.load(tmp_path / "keys", lambda: "something else")
    assert "something else" not in str(refusal.value)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The keys of a witness, unencrypted."""
    keys.make(tmp_path / "keys", NAME, None)
    return tmp_path / "keys"


def refused(folder: Path) -> str:
    """Why the keys are not taken."""
    with pytest.raises((KeyUnusable, PieceMissing)) as refusal:
        keys.load(folder, lambda: pytest.fail("nobody is asked"))
    return refusal.value.message


def test_a_key_that_others_can_read(made: Path) -> None:
    (made / "ml-dsa-44.pem").chmod(0o640)
    assert refused(made) == f"{made / 'ml-dsa-44.pem'}: group or others can read or write it"


def test_a_missing_key(made: Path) -> None:
    (made / "ed25519.pem").unlink()
    assert refused(made) == f"{made / 'ed25519.pem'}: is missing"


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key(made: Path, text: str) -> None:
    (made / "ed25519.pem").write_text(text)
    assert refused(made) == f"{made / 'ed25519.pem'}: no private key in PEM"


def test_a_key_of_another_kind(made: Path) -> None:
    pem = subprocess.run(["openssl", "genpkey", "-algorithm", "X25519"], capture_output=True).stdout
    (made / "ed25519.pem").write_bytes(pem)
    assert refused(made) == f"{made / 'ed25519.pem'}: neither an Ed25519 nor an ML-DSA-44 key"


def test_keys_and_names_that_do_not_go_together(made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    keys.make(other, NAME, None)
    said = f"{made}: vkeys does not belong to the private keys beside it"
    vkeys = (made / "vkeys").read_bytes()
    for altered in ((other / "vkeys").read_bytes(), vkeys[:-1], vkeys.replace(b"witness-1", b"witness-2"), b"\xff+"):
        (made / "vkeys").write_bytes(altered)
        assert refused(made) == said
    (made / "vkeys").write_bytes(vkeys)
    first, second = made / "ed25519.pem", made / "ml-dsa-44.pem"
    swapped = first.read_bytes(), second.read_bytes()
    second.write_bytes(swapped[0])
    first.write_bytes(swapped[1])
    assert refused(made) == said
