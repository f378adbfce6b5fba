"""A wrapped key opens on the token it is for, to what the ledger says, and to nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pkcs11
import pytest
from backupkit import OAEP, Tokens, raw_object
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from appliance.token import templates
from appliance.token.errors import (
    AttributeMismatch,
    CheckValueMismatch,
    KeyDuplicated,
    KeyMissing,
    WrappedKeyRefused,
)


def private_half(tokens: Tokens) -> Any:
    return raw_object(tokens.raw_backup, ObjectClass.PRIVATE_KEY, tokens.transport_id)


def raw_unwrap(private: Any, wrapped: bytes, changes: dict[str, Any], **mechanism: Any) -> Any:
    """What whoever has the PIN can ask for: a copy's own template, but for the changes."""
    template = templates.unwrapped_conversion_key(b"r" * 16, "raw", templates.BACKUP_COPY)
    template |= {Attribute.TOKEN: False, **{Attribute[name.upper()]: change for name, change in changes.items()}}
    kind = template[Attribute.KEY_TYPE]
    capabilities = MechanismFlag.ENCRYPT
    return private.unwrap_key(
        ObjectClass.SECRET_KEY, kind, wrapped, capabilities=capabilities, template=template, **(mechanism or OAEP)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"sensitive": False},
        {"sensitive": False, "extractable": True, "wrap_with_trusted": False, "key_type": KeyType.GENERIC_SECRET},
        {"wrap_with_trusted": False},
        {"private": False},
    ],
)
def test_wrapped_key_opens_to_nothing_that_can_be_read_or_wrapped_at_will(
    tokens: Tokens, changes: dict[str, Any]
) -> None:
    """The wrapped key and the backup token's PIN are not enough to see the key."""
    _, _, wrapped = tokens.backed_up()
    assert raw_unwrap(private_half(tokens), wrapped, {})[Attribute.SENSITIVE]
    with pytest.raises(pkcs11.TemplateInconsistent):
        raw_unwrap(private_half(tokens), wrapped, changes)


def test_transport_key_is_no_oracle_for_pkcs1_v15_and_decrypts_nothing(tokens: Tokens) -> None:
    public: Any = load_der_public_key(tokens.public_key)
    well_formed = public.encrypt(secrets.token_bytes(32), padding.PKCS1v15())
    with pytest.raises(pkcs11.MechanismInvalid):
        raw_unwrap(private_half(tokens), well_formed, {}, mechanism=Mechanism.RSA_PKCS)
    assert not hasattr(private_half(tokens), "decrypt")


def refused_unwrap(tokens: Tokens, kind: type[Exception], words: str, wrapped: bytes, check_value: bytes) -> Any:
    before, key_id = tokens.backup.objects(), secrets.token_bytes(16)
    with pytest.raises(kind, match=words) as caught:
        tokens.backup.unwrap(key_id, "spin.1", wrapped, tokens.transport_id, check_value, sealed=False)
    assert tokens.backup.objects() == before
    return caught.value


@pytest.mark.parametrize(
    "tamper",
    [
        lambda wrapped: wrapped[:-1] + bytes([wrapped[-1] ^ 1]),
        lambda wrapped: bytes([wrapped[0] ^ 1]) + wrapped[1:],
        lambda wrapped: wrapped[:-1],
        lambda wrapped: wrapped + b"\0",
        lambda _: b"",
    ],
)
def test_altered_wrapped_key_is_refused_and_nothing_stays(tokens: Tokens, tamper: Callable[[bytes], bytes]) -> None:
    _, check_value, wrapped = tokens.backed_up()
    words = r"unwrap key .* on token 'backup-.*: the transport key does not open it \(CKR_GENERAL_ERROR\)"
    error = refused_unwrap(tokens, WrappedKeyRefused, words, tamper(wrapped), check_value)
    assert error.hint == "it was altered on the way, or wrapped for another token"


def test_key_wrapped_for_another_token_is_refused_and_nothing_stays(tokens: Tokens) -> None:
    key_id, check_value, wrapped = tokens.backed_up()
    tokens.backup.unwrap(key_id, "spin.1", wrapped, tokens.transport_id, check_value, sealed=False)
    for_another = tokens.backup.wrap(key_id, tokens.replacement_id)
    refused_unwrap(tokens, WrappedKeyRefused, "the transport key does not open it", for_another, check_value)


@pytest.mark.parametrize("length", [16, 32])
def test_another_key_wrapped_by_whoever_knows_the_public_key_is_refused_and_nothing_stays(
    tokens: Tokens, length: int
) -> None:
    """Anybody can wrap a key that they know; the check value that people signed tells it apart."""
    _, check_value, _ = tokens.backed_up()
    known = tokens.raw_backup.create_object(
        {
            **templates.session_key(secrets.token_bytes(length)),
            Attribute.EXTRACTABLE: True,
            Attribute.MODIFIABLE: True,
        }
    )
    public = raw_object(tokens.raw_backup, ObjectClass.PUBLIC_KEY, tokens.transport_id)
    words = f"check value is .*, not {check_value.hex()}: this is another key"
    refused_unwrap(tokens, CheckValueMismatch, words, public.wrap_key(known, **OAEP), check_value)


def test_copy_that_keeps_not_to_the_template_does_not_stay(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """SoftHSM keeps to it, so the comparison is told to want something else."""
    _, check_value, wrapped = tokens.backed_up()
    monkeypatch.setattr(templates, "UNWRAPPED", {Attribute.LOCAL: True})
    words = "attribute local is false on the token, must be true"
    refused_unwrap(tokens, AttributeMismatch, words, wrapped, check_value)


def test_copy_under_a_used_id_is_refused_and_the_old_key_stays(tokens: Tokens) -> None:
    key_id, check_value, wrapped = tokens.backed_up()
    tokens.backup.unwrap(key_id, "first", wrapped, tokens.transport_id, check_value, sealed=False)
    with pytest.raises(KeyDuplicated, match=f"key {key_id.hex()} .*: the CKA_ID is in use already"):
        tokens.backup.unwrap(key_id, "second", wrapped, tokens.transport_id, check_value, sealed=False)
    assert tokens.backup.label(key_id) == "first"


def test_key_that_is_no_transport_key_of_ours_unwraps_nothing(tokens: Tokens) -> None:
    """It could open to anything: what its unwrap template is cannot be read, which mechanisms it has can."""
    _, check_value, wrapped = tokens.backed_up()
    other_id = secrets.token_bytes(16)
    private = {**templates.transport_private_key(other_id, "loose")}
    del private[Attribute.ALLOWED_MECHANISMS], private[Attribute.UNWRAP_TEMPLATE]
    tokens.raw_backup.generate_keypair(
        KeyType.RSA,
        3072,
        id=other_id,
        label="loose",
        store=True,
        capabilities=templates.TRANSPORT_CAPABILITIES,
        mechanism=Mechanism.RSA_PKCS_KEY_PAIR_GEN,
        public_template=templates.transport_public_key(other_id, "loose"),
        private_template=private,
    )
    with pytest.raises(AttributeMismatch, match=r"attribute allowed_mechanisms is empty on the token, must be 9"):
        tokens.backup.unwrap(b"n" * 16, "spin.1", wrapped, other_id, check_value, sealed=False)
    with pytest.raises(KeyMissing, match="it is not there"):
        tokens.backup.unwrap(b"n" * 16, "spin.1", wrapped, b"nobody" + bytes(10), check_value, sealed=False)
    assert not tokens.backup.has(b"n" * 16)
