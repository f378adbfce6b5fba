"""Transport keys: made on a backup token, trusted on another one by its SO, looked at from outside."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from backupkit import SO_PIN, Tokens, info, opened, raw_object, trust
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pkcs11 import Attribute, Mechanism, ObjectClass
from softhsmkit import PIN

from appliance.token import Token, templates
from appliance.token.errors import (
    AttributeMismatch,
    KeyDuplicated,
    UnwrapUnguarded,
)
from appliance.token.stream import CHECK_BLOCK, check_value_of

ID = b"transport" + bytes(7)


@pytest.fixture
def serial(softhsm: Any) -> str:
    """A token whose user is not logged in."""
    return str(softhsm.init_token(f"trusting-{secrets.token_hex(4)}", PIN, SO_PIN))


# --- making one ----------------------------------------------------------------------------------


def test_pair_unwraps_and_wraps_and_does_nothing_else(tokens: Tokens) -> None:
    private = raw_object(tokens.raw_backup, ObjectClass.PRIVATE_KEY, tokens.transport_id)
    public = raw_object(tokens.raw_backup, ObjectClass.PUBLIC_KEY, tokens.transport_id)
    told = tokens.backup.attributes(tokens.transport_id)
    assert {name for name, value in told.items() if value is True} == {
        "token",
        "private",
        "sensitive",
        "always_sensitive",
        "never_extractable",
        "local",
        "unwrap",
    }
    assert (told["class"], told["key_type"], told["key_gen_mechanism"]) == (
        "private_key",
        "rsa",
        "rsa_pkcs_key_pair_gen",
    )
    assert private[Attribute.ALLOWED_MECHANISMS] == (Mechanism.RSA_PKCS_OAEP,)
    assert [public[name] for name in (Attribute.WRAP, Attribute.ENCRYPT, Attribute.VERIFY, Attribute.TRUSTED)] == [
        True,
        False,
        False,
        False,
    ]
    key: Any = serialization.load_der_public_key(tokens.public_key)
    assert key.key_size == 3072
    assert key.public_numbers().n == int.from_bytes(public[Attribute.MODULUS])


@pytest.mark.parametrize("bits", [1024, 2048, 3071])
def test_short_pair_is_a_defect(token: Token, bits: int) -> None:
    with pytest.raises(ValueError, match=f"a transport key has 3072 bits at least, not {bits}"):
        token.generate_transport_key(ID, "transport", bits)
    assert token.objects() == []


def test_used_id_is_refused(token: Token) -> None:
    token.generate_conversion_key(ID, "spin.1")
    with pytest.raises(KeyDuplicated, match="the CKA_ID is in use already"):
        token.generate_transport_key(ID, "transport")


def test_token_that_guards_no_unwrap_keeps_no_transport_key(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    """SoftHSM does guard, so it is asked for less."""
    monkeypatch.setattr(templates, "UNWRAP_TEMPLATE", {Attribute.PRIVATE: True})
    with pytest.raises(UnwrapUnguarded, match=r"unwraps with it a key whose bytes can be read \(CKA_UNWRAP_TEMPLATE"):
        token.generate_transport_key(ID, "transport")
    assert token.objects() == []


def test_token_that_keeps_not_to_the_template_keeps_no_transport_key(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SoftHSM keeps to it, so the comparison is told to want something else."""
    expected = templates.generated_transport_key
    changed = {Attribute.EXTRACTABLE: True}
    monkeypatch.setattr(templates, "generated_transport_key", lambda *given: {**expected(*given), **changed})
    with pytest.raises(AttributeMismatch, match="attribute extractable is false on the token, must be true"):
        token.generate_transport_key(ID, "transport")
    assert token.objects() == []


def test_making_one_leaves_no_probe_behind(token: Token, raw: pkcs11.Session) -> None:
    token.generate_transport_key(ID, "transport")
    assert [facts.kind for facts in token.objects()] == ["private_key", "public_key"]
    assert list(raw.get_objects({Attribute.LABEL: "probe"})) == []


# --- from outside --------------------------------------------------------------------------------


def seen_by_pkcs11_tool(softhsm: Any, label: str, kind: str, key_id: bytes) -> dict[str, str]:
    words = ["--login", "--pin", "env:TOKEN_PIN", "--list-objects", "--type", kind, "--id", key_id.hex()]
    said = subprocess.run(
        [softhsm.pkcs11_tool, "--module", softhsm.module, *words, "--token-label", label],
        env={**softhsm.environment, "TOKEN_PIN": PIN},
        capture_output=True,
        text=True,
        check=True,
    )
    first, *rest = said.stdout.splitlines()
    rows = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return {"object": first, **rows}


def test_openssl_opens_what_was_wrapped_for_its_key(softhsm: Any, serial: str, tmp_path: Path) -> None:
    """So a trusted key whose private half is not on a token is the one way out: the SO must know whose it is."""
    private = rsa.generate_private_key(65537, 3072)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    trust(softhsm.module, serial, ID, info(private.public_key()))
    with opened(softhsm.module, serial) as token:
        token.generate_conversion_key(b"k" * 16, "spin.1", backed_up=True)
        check_value, wrapped = token.check_value(b"k" * 16), token.wrap(b"k" * 16, ID)
    options = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha1", "rsa_mgf1_md:sha1"]
    words = [word for option in options for word in ("-pkeyopt", option)]
    command = [softhsm.openssl, "pkeyutl", "-decrypt", "-inkey", tmp_path / "key.pem", *words]
    value = subprocess.run(command, input=wrapped, capture_output=True, check=True).stdout
    assert len(value) == 32
    encryptor = Cipher(algorithms.AES(value), modes.ECB()).encryptor()
    assert check_value_of(encryptor.update(CHECK_BLOCK)) == check_value


def test_pkcs11_tool_sees_what_each_key_may_do(tokens: Tokens, softhsm: Any) -> None:
    key_id, check_value, wrapped = tokens.backed_up()
    tokens.backup.unwrap(key_id, "spin.1", wrapped, tokens.transport_id, check_value, sealed=False)
    appliance, backup = tokens.appliance.facts.label, tokens.backup.facts.label
    seen = seen_by_pkcs11_tool(softhsm, appliance, "secrkey", key_id)
    assert (seen["Usage"], seen["Access"]) == ("encrypt", "sensitive, always sensitive, extractable, local")
    tokens.appliance.seal(key_id)
    seen = seen_by_pkcs11_tool(softhsm, appliance, "secrkey", key_id)
    assert (seen["Usage"], seen["Access"]) == ("encrypt", "sensitive, always sensitive, local")
    seen = seen_by_pkcs11_tool(softhsm, backup, "secrkey", key_id)
    assert (seen["Usage"], seen["Access"]) == ("encrypt", "sensitive, extractable")
    seen = seen_by_pkcs11_tool(softhsm, backup, "privkey", tokens.transport_id)
    assert (seen["Usage"], seen["Access"]) == ("unwrap", "sensitive, always sensitive, never extractable, local")
    seen = seen_by_pkcs11_tool(softhsm, appliance, "pubkey", tokens.transport_id)
    assert seen["object"] == "Public Key Object; RSA 3072 bits"
    assert seen["Usage"] == "wrap"
