"""Keys that sign the log: an Ed25519 pair that is made on the token, signs there, and does nothing else."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pkcs11
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pkcs11 import KDF, Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import KeyUnextractable, MechanismInvalid, PKCS11Error
from softhsmkit import PIN

from appliance.ledger import attributes as rules
from appliance.ledger import publickey
from appliance.token import Token, logkeys, logtemplates, publickeys
from appliance.token.errors import (
    AttributeMismatch,
    KeyDuplicated,
    KeyMissing,
    LogKeyRefused,
    SignatureMismatch,
    TokenRefused,
)

MESSAGE = b"kagimori/log/0123456789abcdef/main\n4711\n"
ID = b"the log key no 1"


@pytest.fixture
def public(token: Token) -> bytes:
    """The public key of a log key that is on the token."""
    return token.generate_log_key(ID, "staging log.1")


def private_key(raw: pkcs11.Session, key_id: bytes = ID) -> Any:
    (found,) = raw.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key_id})
    return found


def test_it_signs_and_anybody_can_verify(token: Token, public: bytes) -> None:
    signature = token.log_signer(ID, public).sign(MESSAGE)
    assert len(signature) == 64
    known = serialization.load_der_public_key(public)
    assert isinstance(known, Ed25519PublicKey)
    known.verify(signature, MESSAGE)
    assert token.log_signer(ID, public).sign(MESSAGE) == signature, "Ed25519 draws no random numbers"
    assert token.log_public_key(ID) == public == publickey.info_of(known.public_bytes_raw())


def test_openssl_verifies_it(token: Token, public: bytes, softhsm: Any, tmp_path: Path) -> None:
    parts = {"key": public, "message": MESSAGE, "signature": token.log_signer(ID, public).sign(MESSAGE)}
    for name, data in parts.items():
        (tmp_path / name).write_bytes(data)
    command = [str(softhsm.openssl), "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER"]
    files = ["-inkey", "key", "-sigfile", "signature", "-in", "message"]
    said = subprocess.run([*command, *files], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "Signature Verified Successfully" in said


def test_another_program_reads_the_curve_and_what_the_key_may(
    token: Token, public: bytes, softhsm: Any, label: str
) -> None:
    login = ["--token-label", label, "--login", "--pin", PIN]
    command = [str(softhsm.pkcs11_tool), "--module", str(softhsm.module), *login, "--list-objects"]
    shown = subprocess.run(command, env=softhsm.environment, capture_output=True, text=True, check=True).stdout
    assert "Public Key Object; EC_EDWARDS  EC_POINT 255 bits" in shown
    assert "(OID 1.3.101.112)" in shown
    assert f"EC_POINT:   0420{public[-32:].hex()}" in shown
    assert "Usage:      sign\n" in shown
    assert "Access:     sensitive, always sensitive, never extractable, local" in shown
    assert "Allowed mechanisms: EDDSA" in shown


def test_the_ledger_accepts_what_is_read_back(token: Token, public: bytes) -> None:
    told = token.attributes(ID)
    rules.require_log_key("log.1", told)
    truths = {name for name, value in told.items() if value is True}
    secret = {"private", "sensitive", "always_sensitive", "never_extractable"}
    assert truths == {"token", "local", "modifiable", "sign", *secret}
    assert (told["key_type"], told["key_gen_mechanism"]) == ("ec_edwards", "ec_edwards_key_pair_gen")


def test_both_halves_get_its_name_and_go_together(token: Token, public: bytes) -> None:
    assert {(one.kind, one.label) for one in token.objects()} == {
        ("private_key", "staging log.1"),
        ("public_key", "staging log.1"),
    }
    token.relabel(ID, "log.1")
    assert {one.label for one in token.objects()} == {"log.1"}
    assert token.log_signer(ID, public).sign(MESSAGE)
    assert token.remove(ID)
    assert token.objects() == []


# --- another key, or none --------------------------------------------------------------------------


def test_a_key_exchanged_on_the_token_signs_nothing(token: Token, public: bytes) -> None:
    token.destroy(ID)
    other = token.generate_log_key(ID, "log.1")
    with pytest.raises(SignatureMismatch) as refused:
        token.log_signer(ID, public)
    assert "its signature does not verify with the public key that the ledger has" in refused.value.message
    assert refused.value.hint == "the token holds another private key under this CKA_ID"
    assert token.log_public_key(ID) == other != public


def test_a_signature_that_went_wrong_is_not_handed_out(token: Token, public: bytes) -> None:
    good = token.log_signer(ID, public)
    other = SimpleNamespace(sign=lambda message, mechanism: good.sign(message + b"\0"))
    known = serialization.load_der_public_key(public)
    assert isinstance(known, Ed25519PublicKey)
    with pytest.raises(SignatureMismatch):
        logkeys.LogSigner(other, known, "a key").sign(MESSAGE)


@pytest.mark.parametrize("call", ["log_signer", "log_public_key"])
def test_a_key_that_is_not_there(token: Token, public: bytes, call: str) -> None:
    more = (public,) if call == "log_signer" else ()
    with pytest.raises(KeyMissing, match="it is not there"):
        getattr(token, call)(secrets.token_bytes(16), *more)


def test_an_identifier_that_is_taken(token: Token, public: bytes) -> None:
    before = token.objects()
    for making in (token.generate_log_key, token.generate_conversion_key, token.generate_signing_key):
        with pytest.raises(KeyDuplicated, match="the CKA_ID is in use already"):
            making(ID, "another")
    assert token.objects() == before


def ec_info() -> bytes:
    return publickeys.info(ec.generate_private_key(ec.SECP256R1()).public_key())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (lambda info: b"", "cannot be read"),
        (lambda info: info[:-1], "cannot be read"),
        (lambda info: info[-32:], "cannot be read"),
        (lambda info: info + b"\0", "cannot be read"),
        (lambda info: b"\x30\x81" + info[1:], "cannot be read"),
        (lambda info: ec_info(), "is not an Ed25519 key in DER"),
    ],
)
def test_a_public_key_of_another_form_is_no_ledger_s(token: Token, public: bytes, changed: Any, why: str) -> None:
    with pytest.raises(LogKeyRefused, match=f"the log's public key {why}"):
        token.log_signer(ID, changed(public))


# --- keys of one kind taken for another -----------------------------------------------------------


def test_it_encrypts_nothing_and_conversion_keys_sign_nothing(token: Token, public: bytes) -> None:
    conversion = secrets.token_bytes(16)
    token.generate_conversion_key(conversion, "tag.1")
    with pytest.raises(KeyMissing):
        token.encrypt_blocks(ID, bytes(6))
    with pytest.raises(KeyMissing):
        token.check_value(ID)
    with pytest.raises(KeyMissing):
        token.log_signer(conversion, public)


def test_an_identity_key_does_not_sign_the_log(token: Token, public: bytes) -> None:
    identity = secrets.token_bytes(16)
    token.generate_signing_key(identity, "identity")
    with pytest.raises(AttributeMismatch, match="attribute key_type is ec on the token, must be ec_edwards"):
        token.log_signer(identity, public)
    with pytest.raises(TokenRefused, match="the token shows no Ed25519 public key for it"):
        token.log_public_key(identity)
    with pytest.raises(KeyMissing, match="its public key is not of a kind that is signed with"):
        token.signer(b"", key_id=ID)


# --- what somebody with the login could try -------------------------------------------------------


@pytest.mark.parametrize("name", ["DERIVE", "DECRYPT", "UNWRAP"])
def test_a_key_that_could_do_more_is_not_signed_with(
    token: Token, public: bytes, raw: pkcs11.Session, name: str
) -> None:
    private_key(raw)[Attribute[name]] = True
    with pytest.raises(AttributeMismatch, match=f"attribute {name.lower()} is true on the token, must be false"):
        token.log_signer(ID, public)


def test_nothing_is_derived_from_it_even_then(token: Token, public: bytes, raw: pkcs11.Session) -> None:
    private_key(raw)[Attribute.DERIVE] = True
    how = {"mechanism": Mechanism.ECDH1_DERIVE, "mechanism_param": (KDF.NULL, None, public[-32:])}
    with pytest.raises(MechanismInvalid):
        private_key(raw).derive_key(KeyType.GENERIC_SECRET, 256, **how)


@pytest.mark.parametrize(("name", "value"), [("EXTRACTABLE", True), ("SENSITIVE", False), ("COPYABLE", True)])
def test_it_never_leaves_the_token(token: Token, public: bytes, raw: pkcs11.Session, name: str, value: bool) -> None:
    key = private_key(raw)
    with pytest.raises(PKCS11Error):
        key[Attribute[name]] = value
    wrapping = raw.generate_key(KeyType.AES, 256, template={Attribute.WRAP: True})
    with pytest.raises(KeyUnextractable):
        wrapping.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP_PAD)


def test_a_key_made_elsewhere_is_not_signed_with(token: Token, raw: pkcs11.Session) -> None:
    """A software key put on the token under a log key's name: its owner could sign another history at home."""
    software = Ed25519PrivateKey.generate()
    template = {**logtemplates.log_private_key(ID, "log.1"), Attribute.EXTRACTABLE: True}
    numbers = {
        Attribute.EC_PARAMS: logtemplates.ED25519,
        Attribute.VALUE: software.private_bytes_raw(),
    }
    raw.create_object({**template, **numbers})
    with pytest.raises(AttributeMismatch, match="attribute extractable is true on the token, must be false"):
        token.log_signer(ID, publickeys.info(software.public_key()))
    told = token.attributes(ID)
    assert (told["local"], told["never_extractable"]) == (False, False), "and the ledger's rule refuses it"


# --- tokens that are otherwise --------------------------------------------------------------------


POINT = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
NAMED = b"\x13\x0cedwards25519"


def object_of(**values: Any) -> dict[Attribute, Any]:
    good = {"KEY_TYPE": KeyType.EC_EDWARDS, "EC_PARAMS": logtemplates.ED25519, "EC_POINT": b"\x04\x20" + POINT}
    return {Attribute[name]: value for name, value in {**good, **values}.items()}


@pytest.mark.parametrize("params", [logtemplates.ED25519, NAMED])
@pytest.mark.parametrize("point", [b"\x04\x20" + POINT, POINT])
def test_both_names_of_the_curve_and_both_forms_of_the_point_are_read(params: bytes, point: bytes) -> None:
    key = publickeys.ed25519_of_object(object_of(EC_PARAMS=params, EC_POINT=point))
    assert key is not None and key.public_bytes_raw() == POINT


@pytest.mark.parametrize(
    "values",
    [
        {"KEY_TYPE": KeyType.EC},
        {"EC_PARAMS": b"\x13\x0aedwards448"},
        {"EC_PARAMS": bytes.fromhex("06032b656f")},  # X448
        {"EC_POINT": None},
        {"EC_POINT": b""},
        {"EC_POINT": POINT[:-1]},
        {"EC_POINT": b"\x04\x21" + POINT},
        {"EC_POINT": b"\x04\x20" + POINT + b"\0"},
    ],
)
def test_whatever_else_is_no_such_key(values: dict[str, Any]) -> None:
    assert publickeys.ed25519_of_object(object_of(**values)) is None


def test_a_token_that_does_not_do_as_it_is_told_keeps_nothing(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publickeys, "ed25519_of_object", lambda _: None)
    with pytest.raises(TokenRefused, match="the token shows no Ed25519 public key for it"):
        token.generate_log_key(ID, "log.1")
    monkeypatch.undo()
    wrong = {**logtemplates.log_private_key(ID, "log.1"), Attribute.DERIVE: True}
    monkeypatch.setattr(logtemplates, "log_private_key", lambda key_id, label: wrong)
    required = {**logtemplates.generated_log_key(ID, "log.1"), Attribute.DERIVE: False}
    monkeypatch.setattr(logtemplates, "generated_log_key", lambda key_id, label: required)
    with pytest.raises(AttributeMismatch, match="attribute derive is true on the token, must be false"):
        token.generate_log_key(ID, "log.1")
    assert token.objects() == []


def test_halves_that_do_not_belong_together_keep_nothing(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = Ed25519PrivateKey.generate().public_key()
    monkeypatch.setattr(publickeys, "ed25519_of_object", lambda _: stranger)
    with pytest.raises(SignatureMismatch):
        token.generate_log_key(ID, "log.1")
    assert token.objects() == []
