"""Fixtures of the token tests: a fresh SoftHSM2 token per test, opened by the code under test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from backupkit import Tokens, three_tokens
from pkcs11 import Attribute
from softhsmkit import PIN

from appliance.token import Token, arrays, templates

_COUNT = itertools.count(1)


@pytest.fixture
def label(softhsm: Any) -> str:
    """A token of this label exists, with the user PIN `PIN`."""
    name = f"token-{next(_COUNT)}"
    softhsm.init_token(name, PIN)
    return name


@pytest.fixture
def module(softhsm: Any) -> Path:
    return softhsm.module


@pytest.fixture
def token(module: Path, label: str) -> Iterator[Token]:
    with Token.open(module, label=label, serial=None, pin=PIN, writable=True) as opened:
        yield opened


@pytest.fixture
def raw(module: Path, label: str, token: Token) -> Iterator[pkcs11.Session]:
    """What an intruder with the library and the login has: a session on the same token."""
    session = pkcs11.lib(str(module)).get_token(token_label=label).open(rw=True, attribute_mapper=arrays.mapper())
    yield session
    session.close()


@pytest.fixture
def plant(raw: pkcs11.Session) -> Callable[..., Any]:
    """Puts a key with known bytes on the token, with a conversion key's template except for ``changes``."""

    def put(key_id: bytes, value: bytes, **changes: Any) -> Any:
        template = templates.conversion_key(key_id, "planted")
        template |= {Attribute[name.upper()]: change for name, change in changes.items()}
        del template[Attribute.VALUE_LEN]
        return raw.create_object({**template, Attribute.VALUE: value})

    return put


@pytest.fixture(scope="module")
def tokens(softhsm: Any) -> Iterator[Tokens]:
    """An appliance's token, a backup token and a replacement, open; see `Tokens`."""
    with three_tokens(softhsm, next(_COUNT)) as made:
        yield made
