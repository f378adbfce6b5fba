"""A conversion key goes from token to token wrapped; each way to get its bytes out is tried and refused."""

from __future__ import annotations

import secrets
from typing import Any

import pkcs11
import pytest
from backupkit import OAEP, Tokens, raw_object
from pkcs11 import Attribute, ObjectClass

from appliance.token import templates
from appliance.token.errors import (
    AttributeMismatch,
    KeyMissing,
    TokenRefused,
)

BLOCKS = secrets.token_bytes(16 * 7)
BACKED_UP = {
    "class": "secret_key",
    "key_type": "aes",
    "value_len": 32,
    "key_gen_mechanism": "aes_key_gen",
    "label": "spin.1",
    "token": True,
    "private": True,
    "sensitive": True,
    "always_sensitive": True,
    "extractable": True,
    "never_extractable": False,
    "wrap_with_trusted": True,
    "local": True,
    "copyable": False,
    "modifiable": True,
    "encrypt": True,
    "decrypt": False,
    "sign": False,
    "verify": False,
    "wrap": False,
    "unwrap": False,
    "derive": False,
}
# What SoftHSM tells of an unwrapped key: no length, no mechanism that made it, and no history.
UNWRAPPED = {**BACKED_UP, "value_len": 0, "key_gen_mechanism": "unknown", "always_sensitive": False, "local": False}


def secret(session: pkcs11.Session, key_id: bytes) -> Any:
    return raw_object(session, ObjectClass.SECRET_KEY, key_id)


def trusted_half(tokens: Tokens) -> Any:
    return raw_object(tokens.raw_appliance, ObjectClass.PUBLIC_KEY, tokens.transport_id)


def untrusted(tokens: Tokens, key_id: bytes, **changes: Any) -> Any:
    """The same public key, put on the appliance's token by its user."""
    trusted = trusted_half(tokens)
    numbers = {name: trusted[name] for name in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT)}
    template = {**templates.transport_public_key(key_id, "mine"), **numbers}
    template |= {Attribute[name.upper()]: change for name, change in changes.items()}
    return tokens.raw_appliance.create_object(template)


# --- the way there, and on to another token ------------------------------------------------------


def test_backed_up_key_is_copied_sealed_and_restored_and_converts_alike(tokens: Tokens) -> None:
    key_id, check_value, wrapped = tokens.backed_up()
    assert tokens.appliance.attributes(key_id) == BACKED_UP
    tokens.backup.unwrap(key_id, "spin.1", wrapped, tokens.transport_id, check_value, sealed=False)
    assert tokens.backup.attributes(key_id) == UNWRAPPED
    assert tokens.backup.check_value(key_id) == check_value

    tokens.appliance.seal(key_id)
    assert tokens.appliance.attributes(key_id) == {**BACKED_UP, "extractable": False}
    blocks = tokens.appliance.encrypt_blocks(key_id, check_value)(BLOCKS)

    again = tokens.backup.wrap(key_id, tokens.replacement_id)
    tokens.replacement.unwrap(key_id, "spin.1", again, tokens.replacement_id, check_value, sealed=True)
    assert tokens.replacement.attributes(key_id) == {**UNWRAPPED, "extractable": False}
    assert tokens.replacement.encrypt_blocks(key_id, check_value)(BLOCKS) == blocks


def test_key_that_is_not_sealed_converts_nothing(tokens: Tokens) -> None:
    key_id, check_value, wrapped = tokens.backed_up()
    tokens.backup.unwrap(key_id, "spin.1", wrapped, tokens.transport_id, check_value, sealed=False)
    for token in (tokens.appliance, tokens.backup):
        with pytest.raises(AttributeMismatch, match="attribute extractable is true on the token, must be false"):
            token.encrypt_blocks(key_id, check_value)


def test_two_wraps_of_one_key_differ_and_are_as_long_as_the_modulus(tokens: Tokens) -> None:
    key_id, _, wrapped = tokens.backed_up()
    again = tokens.appliance.wrap(key_id, tokens.transport_id)
    assert wrapped != again
    assert len(wrapped) == len(again) == 384


def test_sealing_twice_is_sealing_once(tokens: Tokens) -> None:
    key_id, _, _ = tokens.backed_up()
    tokens.appliance.seal(key_id)
    sealed = tokens.appliance.attributes(key_id)
    tokens.appliance.seal(key_id)
    assert tokens.appliance.attributes(key_id) == sealed


def test_seal_that_does_nothing_is_told(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id, _, _ = tokens.backed_up()
    key = secret(tokens.raw_appliance, key_id)
    deaf = type("Deaf", (), {"__getitem__": lambda _, name: key[name], "__setitem__": lambda *_: None})()
    monkeypatch.setattr(tokens.appliance._objects, "one", lambda *_: deaf)
    with pytest.raises(AttributeMismatch, match="attribute extractable is true on the token, must be false"):
        tokens.appliance.seal(key_id)


def test_key_that_is_not_there_is_neither_sealed_nor_wrapped(tokens: Tokens) -> None:
    missing = secrets.token_bytes(16)
    for call in (tokens.appliance.seal, lambda key_id: tokens.appliance.wrap(key_id, tokens.transport_id)):
        with pytest.raises(KeyMissing, match=f"key {missing.hex()} on token .*: it is not there"):
            call(missing)


# --- wrapping that must not be --------------------------------------------------------------------


def test_wrap_under_an_untrusted_key_is_refused_by_the_token_and_by_us(tokens: Tokens) -> None:
    key_id, _, _ = tokens.backed_up()
    other_id = secrets.token_bytes(16)
    mine = untrusted(tokens, other_id)
    with pytest.raises(pkcs11.KeyNotWrappable):
        mine.wrap_key(secret(tokens.raw_appliance, key_id), **OAEP)
    with pytest.raises(
        AttributeMismatch, match=f"key {other_id.hex()} .*: attribute trusted is false on the"
    ) as caught:
        tokens.appliance.wrap(key_id, other_id)
    assert caught.value.hint == "the token's security officer (SO) must import the transport key as trusted"


def test_user_cannot_make_a_trusted_key(tokens: Tokens) -> None:
    with pytest.raises(pkcs11.AttributeReadOnly):
        untrusted(tokens, b"u" * 16, trusted=True)
    mine = untrusted(tokens, secrets.token_bytes(16), modifiable=True)
    with pytest.raises(pkcs11.AttributeReadOnly):
        mine[Attribute.TRUSTED] = True


def test_trusted_key_cannot_be_copied_or_changed_by_the_user(tokens: Tokens) -> None:
    trusted = trusted_half(tokens)
    for attempt in (
        lambda: trusted.copy({Attribute.LABEL: "copy"}),
        lambda: trusted.__setitem__(Attribute.LABEL, "other"),
        lambda: trusted.__setitem__(Attribute.MODULUS, secrets.token_bytes(384)),
    ):
        with pytest.raises(pkcs11.PKCS11Error):
            attempt()
    assert tokens.appliance.trusted_key(tokens.transport_id) == tokens.public_key


def test_wrap_after_sealing_is_refused(tokens: Tokens) -> None:
    key_id, _, _ = tokens.backed_up()
    tokens.appliance.seal(key_id)
    with pytest.raises(pkcs11.KeyUnextractable):
        trusted_half(tokens).wrap_key(secret(tokens.raw_appliance, key_id), **OAEP)
    with pytest.raises(TokenRefused, match=f"wrap key {key_id.hex()} .*: the token answered CKR_KEY_UNEXTRACTABLE"):
        tokens.appliance.wrap(key_id, tokens.transport_id)


def test_key_that_was_never_extractable_is_not_wrapped(tokens: Tokens) -> None:
    key_id = secrets.token_bytes(16)
    tokens.appliance.generate_conversion_key(key_id, "spin.1")
    with pytest.raises(TokenRefused, match="the token answered CKR_KEY_UNEXTRACTABLE"):
        tokens.appliance.wrap(key_id, tokens.transport_id)


@pytest.mark.parametrize("sealed", [False, True])
def test_nothing_that_keeps_a_key_secret_can_be_taken_back(tokens: Tokens, sealed: bool) -> None:
    key_id, _, _ = tokens.backed_up()
    if sealed:
        tokens.appliance.seal(key_id)
    before = tokens.appliance.attributes(key_id)
    key = secret(tokens.raw_appliance, key_id)
    attempts = {Attribute.SENSITIVE: False, Attribute.WRAP_WITH_TRUSTED: False, Attribute.COPYABLE: True}
    for attribute, value in (attempts | ({Attribute.EXTRACTABLE: True} if sealed else {})).items():
        with pytest.raises(pkcs11.AttributeReadOnly):
            key[attribute] = value
    with pytest.raises(pkcs11.PKCS11Error, match="0x1b"):  # CKR_ACTION_PROHIBITED
        key.copy({Attribute.LABEL: "copy"})
    with pytest.raises(pkcs11.AttributeSensitive):
        key[Attribute.VALUE]
    assert tokens.appliance.attributes(key_id) == before
