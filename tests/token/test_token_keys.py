"""Conversion keys: made by template, read back, found exactly once, destroyed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from softhsmkit import PIN

from appliance.token import Token, conversionkeys, templates
from appliance.token.errors import (
    AttributeMismatch,
    CheckValueMismatch,
    KeyDuplicated,
    KeyMissing,
    TokenRefused,
)

ATTRIBUTES = {
    "class": "secret_key",
    "key_type": "aes",
    "value_len": 32,
    "key_gen_mechanism": "aes_key_gen",
    "label": "sspin.C.2",
    "token": True,
    "private": True,
    "sensitive": True,
    "always_sensitive": True,
    "extractable": False,
    "never_extractable": True,
    "local": True,
    "copyable": False,
    "modifiable": True,
    "wrap_with_trusted": False,
    "encrypt": True,
    "decrypt": False,
    "sign": False,
    "verify": False,
    "wrap": False,
    "unwrap": False,
    "derive": False,
}


@pytest.fixture
def key_id() -> bytes:
    return secrets.token_bytes(16)


def raw_key(raw: pkcs11.Session, key_id: bytes) -> Any:
    [key] = list(raw.get_objects({Attribute.ID: key_id}))
    return key


def test_attributes_are_the_templates_and_the_tokens_own(token: Token, key_id: bytes) -> None:
    token.generate_conversion_key(key_id, "sspin.C.2")
    assert token.attributes(key_id) == ATTRIBUTES
    assert token.key_ids() == [key_id]


def test_key_cannot_be_read_made_to_leave_or_copied(token: Token, key_id: bytes, raw: pkcs11.Session) -> None:
    token.generate_conversion_key(key_id, "spin.1")
    key = raw_key(raw, key_id)
    with pytest.raises(pkcs11.AttributeSensitive):
        key[Attribute.VALUE]
    for attempt in (
        lambda: key.__setitem__(Attribute.EXTRACTABLE, True),
        lambda: key.__setitem__(Attribute.SENSITIVE, False),
        lambda: key.__setitem__(Attribute.ALLOWED_MECHANISMS, (Mechanism.AES_ECB, Mechanism.AES_ECB_ENCRYPT_DATA)),
        lambda: key.copy({Attribute.LABEL: "copy"}),
    ):
        with pytest.raises(pkcs11.PKCS11Error):
            attempt()
    assert token.attributes(key_id) == {**ATTRIBUTES, "label": "spin.1"}


@pytest.mark.parametrize("attribute", ["decrypt", "derive", "wrap", "unwrap", "sign", "verify"])
def test_key_that_somebody_made_do_more_converts_nothing(
    token: Token, key_id: bytes, raw: pkcs11.Session, attribute: str
) -> None:
    """It is modifiable, because it must be relabelled."""
    token.generate_conversion_key(key_id, "spin.1")
    check_value = token.check_value(key_id)
    token.encrypt_blocks(key_id, check_value)
    raw_key(raw, key_id)[Attribute[attribute.upper()]] = True
    with pytest.raises(AttributeMismatch, match=f"attribute {attribute} is true on the token, must be false"):
        token.encrypt_blocks(key_id, check_value)


def test_key_that_somebody_lets_derive_has_no_mechanism_for_it(
    token: Token, key_id: bytes, raw: pkcs11.Session
) -> None:
    token.generate_conversion_key(key_id, "spin.1")
    raw_key(raw, key_id)[Attribute.DERIVE] = True
    key = raw_key(raw, key_id)
    with pytest.raises(pkcs11.MechanismInvalid):
        key.derive_key(
            KeyType.AES,
            256,
            mechanism=Mechanism.AES_ECB_ENCRYPT_DATA,
            mechanism_param=bytes(32),
            capabilities=MechanismFlag.ENCRYPT,
            template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
        )


def test_two_keys_differ(token: Token) -> None:
    for key_id in (b"1" * 16, b"2" * 16):
        token.generate_conversion_key(key_id, "spin.1")
    assert token.check_value(b"1" * 16) != token.check_value(b"2" * 16)
    assert len(token.check_value(b"1" * 16)) == 6


def test_used_id_is_refused_and_the_old_key_stays(token: Token, key_id: bytes) -> None:
    token.generate_conversion_key(key_id, "spin.1")
    before = token.check_value(key_id)
    for again in (token.generate_conversion_key, token.generate_signing_key):
        with pytest.raises(KeyDuplicated, match=f"key {key_id.hex()} on token .*: the CKA_ID is in use already"):
            again(key_id, "spin.2")
    assert token.check_value(key_id) == before
    assert token.key_ids() == [key_id]


@pytest.mark.parametrize("size", [0, 15, 17])
def test_id_of_another_size_is_a_defect(token: Token, size: int) -> None:
    with pytest.raises(ValueError, match=f"a CKA_ID has 16 bytes here, not {size}"):
        token.generate_conversion_key(bytes(size), "spin.1")


def test_read_only_token_makes_no_key(module: Path, label: str, key_id: bytes) -> None:
    with Token.open(module, label=label, serial=None, pin=PIN) as token:
        with pytest.raises(TokenRefused, match=f"generate key {key_id.hex()} .*: the token answered CKR_SESSION") as e:
            token.generate_conversion_key(key_id, "spin.1")
        assert e.value.hint == "open the token for writing"
        assert token.key_ids() == []


@pytest.mark.parametrize(
    ("attribute", "wanted", "words"),
    [
        (Attribute.NEVER_EXTRACTABLE, False, "attribute never_extractable is true on the token, must be false"),
        (
            Attribute.KEY_GEN_MECHANISM,
            None,
            "attribute key_gen_mechanism is aes_key_gen .*, must be not there",
        ),
        (Attribute.LABEL, "other", "attribute label is spin.1 on the token, must be other"),
    ],
)
def test_token_that_keeps_not_to_the_template_keeps_no_key(
    token: Token, key_id: bytes, monkeypatch: pytest.MonkeyPatch, attribute: Attribute, wanted: Any, words: str
) -> None:
    """SoftHSM keeps to it, so the comparison is told to want something else."""
    expected = templates.generated_conversion_key
    monkeypatch.setattr(templates, "generated_conversion_key", lambda *given: {**expected(*given), attribute: wanted})
    with pytest.raises(AttributeMismatch, match=words):
        token.generate_conversion_key(key_id, "spin.1")
    assert token.key_ids() == []


def test_half_made_key_that_cannot_be_removed_is_told(
    token: Token, key_id: bytes, monkeypatch: pytest.MonkeyPatch, plant: Callable[..., Any]
) -> None:
    def meddle(*_: Any) -> None:
        plant(key_id, bytes(32))
        raise AttributeMismatch("first trouble")

    monkeypatch.setattr(conversionkeys, "require", meddle)
    with pytest.raises(TokenRefused, match="first trouble; and what was made IS STILL ON THE TOKEN .*2 keys have"):
        token.generate_conversion_key(key_id, "spin.1")


def test_missing_key(token: Token, key_id: bytes) -> None:
    for call in (token.attributes, token.check_value, token.destroy, lambda key: token.encrypt_blocks(key, bytes(6))):
        with pytest.raises(KeyMissing, match=f"key {key_id.hex()} on token .*: it is not there"):
            call(key_id)


def test_duplicated_id_is_used_by_nothing(token: Token, key_id: bytes, plant: Callable[..., Any]) -> None:
    token.generate_conversion_key(key_id, "spin.1")
    check_value = token.check_value(key_id)
    plant(key_id, secrets.token_bytes(32))
    for call in (
        token.attributes,
        token.check_value,
        token.destroy,
        lambda key: token.encrypt_blocks(key, check_value),
    ):
        with pytest.raises(KeyDuplicated, match=f"key {key_id.hex()} on token .*: 2 keys have this CKA_ID"):
            call(key_id)
    assert token.key_ids() == [key_id, key_id]


def test_other_key_under_the_same_id(token: Token, key_id: bytes, plant: Callable[..., Any]) -> None:
    token.generate_conversion_key(key_id, "spin.1")
    check_value = token.check_value(key_id)
    token.destroy(key_id)
    plant(key_id, secrets.token_bytes(32))
    found = token.check_value(key_id).hex()
    with pytest.raises(CheckValueMismatch, match=f"check value is {found}, not {check_value.hex()}: this is another"):
        token.encrypt_blocks(key_id, check_value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decrypt": True}, "attribute decrypt is true on the token, must be false"),
        ({"wrap": True}, "attribute wrap is true"),
        ({"extractable": True}, "attribute extractable is true"),
        ({"sensitive": False}, "attribute sensitive is false on the token, must be true"),
    ],
)
def test_key_that_could_do_more_converts_nothing(
    token: Token, key_id: bytes, plant: Callable[..., Any], changes: dict[str, bool], words: str
) -> None:
    plant(key_id, bytes(32), **changes)
    with pytest.raises(AttributeMismatch, match=words):
        token.encrypt_blocks(key_id, token.check_value(key_id))


def test_key_that_encrypts_not_at_all(token: Token, key_id: bytes, plant: Callable[..., Any]) -> None:
    plant(key_id, bytes(32), encrypt=False)
    with pytest.raises(AttributeMismatch, match="attribute encrypt is false on the token, must be true"):
        token.check_value(key_id)


def test_key_of_128_bits_converts_nothing(token: Token, key_id: bytes, plant: Callable[..., Any]) -> None:
    plant(key_id, bytes(16))
    with pytest.raises(AttributeMismatch, match="attribute value_len is 16 on the token, must be 32"):
        token.encrypt_blocks(key_id, token.check_value(key_id))


def test_destroyed_key_is_gone_and_others_stay(token: Token, key_id: bytes) -> None:
    token.generate_conversion_key(key_id, "spin.1")
    token.generate_conversion_key(b"other" + bytes(11), "spin.2")
    token.destroy(key_id)
    assert token.key_ids() == [b"other" + bytes(11)]
    with pytest.raises(KeyMissing, match=f"key {key_id.hex()}"):
        token.destroy(key_id)


def test_key_that_will_not_go_is_told(token: Token, key_id: bytes, plant: Callable[..., Any]) -> None:
    plant(key_id, bytes(32), destroyable=False)
    with pytest.raises(TokenRefused, match=f"destroy key {key_id.hex()} .*: the token answered CKR_ACTION_PROHIBITED"):
        token.destroy(key_id)
    assert token.key_ids() == [key_id]


def test_keys_outlive_the_login(module: Path, label: str, key_id: bytes) -> None:
    with Token.open(module, label=label, serial=None, pin=PIN, writable=True) as token:
        token.generate_conversion_key(key_id, "spin.1")
        before = token.check_value(key_id)
    with Token.open(module, label=label, serial=None, pin=PIN) as token:
        assert token.check_value(key_id) == before


def test_session_keys_are_not_listed_nor_kept(token: Token, raw: pkcs11.Session) -> None:
    token.import_session_key(bytes(32))
    assert token.key_ids() == []
    stored = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES, Attribute.TOKEN: True}
    assert list(raw.get_objects(stored)) == []
