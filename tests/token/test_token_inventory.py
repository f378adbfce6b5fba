"""What a token holds: listed whole, relabelled, removed whether or not it is there."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass

from appliance.token import ObjectFacts, Token
from appliance.token.errors import AttributeMismatch, KeyDuplicated, KeyMissing, TokenRefused

ID = b"spin" * 4


def test_everything_is_listed_in_order(token: Token, raw: pkcs11.Session) -> None:
    token.generate_signing_key(b"2" * 16, "identity")
    token.generate_conversion_key(b"1" * 16, "spin.1")
    raw.create_object(
        {Attribute.CLASS: ObjectClass.DATA, Attribute.TOKEN: True, Attribute.LABEL: "note", Attribute.VALUE: b"x"}
    )
    token.import_session_key(bytes(32))
    assert token.objects() == [
        ObjectFacts(b"", "data", "note", False),
        ObjectFacts(b"1" * 16, "secret_key", "spin.1", False),
        ObjectFacts(b"2" * 16, "private_key", "identity", False),
        ObjectFacts(b"2" * 16, "public_key", "identity", False),
    ]


def test_relabelled_key_is_the_same_key(token: Token) -> None:
    token.generate_conversion_key(ID, "staging", backed_up=True)
    check_value = token.check_value(ID)
    for _ in range(2):
        token.relabel(ID, "spin.1")
        assert token.label(ID) == "spin.1"
    assert token.check_value(ID) == check_value
    token.seal(ID)
    token.relabel(ID, "spin.2")
    assert token.attributes(ID)["label"] == "spin.2"
    token.encrypt_blocks(ID, check_value)


def test_key_that_is_frozen_keeps_its_label(token: Token) -> None:
    token.generate_signing_key(ID, "identity")
    token.relabel(ID, "identity")
    with pytest.raises(TokenRefused, match=f"relabel key {ID.hex()} .*: the token answered CKR_"):
        token.relabel(ID, "other")
    assert token.label(ID) == "identity"
    assert {facts.label for facts in token.objects()} == {"identity"}


def test_label_that_is_not_taken_over_is_told(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    token.generate_conversion_key(ID, "staging")
    [key] = token._objects.search({Attribute.ID: ID})
    deaf = type("Deaf", (), {"__getitem__": lambda _, name: key[name], "__setitem__": lambda *_: None})()
    monkeypatch.setattr(token._objects, "bearing", lambda _: [deaf])
    with pytest.raises(AttributeMismatch, match="attribute label is staging on the token, must be spin.1"):
        token.relabel(ID, "spin.1")


def test_removing_is_telling_whether_it_was_there(token: Token) -> None:
    token.generate_conversion_key(ID, "spin.1")
    token.generate_signing_key(b"i" * 16, "identity")
    assert token.has(ID)
    assert token.remove(ID)
    assert not token.has(ID)
    assert not token.remove(ID)
    assert token.has(b"i" * 16)
    assert token.remove(b"i" * 16)
    assert token.objects() == []


def test_missing_key_has_no_label(token: Token) -> None:
    missing = secrets.token_bytes(16)
    assert not token.has(missing)
    for call in (token.label, lambda key_id: token.relabel(key_id, "x")):
        with pytest.raises(KeyMissing, match=f"key {missing.hex()} .*: it is not there"):
            call(missing)


def test_duplicated_id_is_neither_relabelled_nor_sealed_nor_removed(token: Token, plant: Callable[..., Any]) -> None:
    token.generate_conversion_key(ID, "spin.1", backed_up=True)
    plant(ID, secrets.token_bytes(32))
    before = token.objects()
    for call in (token.label, token.seal, token.remove, lambda key_id: token.relabel(key_id, "x")):
        with pytest.raises(KeyDuplicated, match=f"key {ID.hex()} .*: 2 keys have this CKA_ID"):
            call(ID)
    assert token.objects() == before
