"""An outside judge looks at the token's keys, and known answers go through the token itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from softhsmkit import PIN

from appliance.numbers.ff1 import FF1
from appliance.token import Token

LABEL = "conformance-token"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
NIST_KEY = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94")
CONVERSION_KEYS = {b"%016d" % number: f"sspin.{sector}.1" for number, sector in enumerate("ABCDEF")}
IDENTITY = b"identity" * 2


@pytest.fixture(scope="module")
def token(softhsm: Any) -> Iterator[Token]:
    serial = softhsm.init_token(LABEL)
    with Token.open(softhsm.module, label=LABEL, serial=serial, pin=PIN, writable=True) as opened:
        for key_id, generation in CONVERSION_KEYS.items():
            opened.generate_conversion_key(key_id, generation)
        opened.generate_signing_key(IDENTITY, "identity")
        yield opened


def listed_by_pkcs11_tool(softhsm: Any, kind: str) -> list[dict[str, str]]:
    """OpenSC's view: one dictionary per object, ``{"label": …, "Access": …}``."""
    words = ["--login", "--pin", "env:TOKEN_PIN", "--list-objects", "--type", kind, "--token-label", LABEL]
    said = subprocess.run(
        [softhsm.pkcs11_tool, "--module", softhsm.module, *words],
        env={**softhsm.environment, "TOKEN_PIN": PIN},
        capture_output=True,
        text=True,
        check=True,
    )
    objects: list[dict[str, str]] = []
    for line in said.stdout.splitlines():
        name, _, value = line.partition(":")
        if not line.startswith(" "):
            objects.append({"object": line})
        else:
            objects[-1][name.strip()] = value.strip()
    return objects


def test_pkcs11_tool_sees_conversion_keys_that_never_leave_and_only_encrypt(token: Token, softhsm: Any) -> None:
    keys = listed_by_pkcs11_tool(softhsm, "secrkey")
    assert {key["ID"]: key["label"].strip("'\"") for key in keys} == {
        key_id.hex(): generation for key_id, generation in CONVERSION_KEYS.items()
    }
    for key in keys:
        assert key["object"].startswith("Secret Key Object; AES length 32")
        assert key["Access"] == "sensitive, always sensitive, never extractable, local"
        assert key["Usage"] == "encrypt"


def test_pkcs11_tool_sees_a_signing_key_that_never_leaves_and_only_signs(token: Token, softhsm: Any) -> None:
    [key] = listed_by_pkcs11_tool(softhsm, "privkey")
    assert key["object"].startswith("Private Key Object; EC")
    assert key["ID"] == IDENTITY.hex()
    assert key["Access"] == "sensitive, always sensitive, never extractable, local"
    assert key["Usage"] == "sign"


@pytest.mark.parametrize(
    ("radix", "tweak", "plain", "cipher"),
    [
        pytest.param(10, "", "0123456789", "6657667009", id="sample-7"),
        pytest.param(10, "39383736353433323130", "0123456789", "1001623463", id="sample-8"),
        pytest.param(36, "3737373770717273373737", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd", id="sample-9"),
    ],
)
def test_nist_samples_through_the_token(token: Token, radix: int, tweak: str, plain: str, cipher: str) -> None:
    """NIST's sample data for SP 800-38G, FF1 with AES-256, the key imported as a session object."""
    ff1 = FF1(token.import_session_key(NIST_KEY), radix, bytes.fromhex(tweak))
    digits = [DIGITS.index(letter) for letter in plain]
    encrypted = ff1.encrypt(digits)
    assert "".join(DIGITS[digit] for digit in encrypted) == cipher
    assert list(ff1.decrypt(encrypted)) == digits


def test_session_keys_leave_nothing_on_the_token(token: Token) -> None:
    token.import_session_key(NIST_KEY)(bytes(16))
    assert token.key_ids() == sorted([*CONVERSION_KEYS, IDENTITY])
