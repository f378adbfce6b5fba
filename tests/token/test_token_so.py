"""The security officer trusts a transport key: once, the right one, and with one attempt to log in."""

from __future__ import annotations

import secrets
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from backupkit import SO_PIN, info, opened, raw_session, trust
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute
from softhsmkit import PIN, PROJECT

from appliance.token import readback, templates
from appliance.token.errors import (
    AttributeMismatch,
    KeyDuplicated,
    KeyMissing,
    PinNeeded,
    PinWrong,
    TokenNotFound,
    TokenRefused,
    TransportKeyRefused,
)

WRONG = "12345678-wrong"
ID = b"transport" + bytes(7)


def padded(key: Any) -> bytes:
    """The same key in a DER of another length: rsaEncryption's parameters, NULL, are left out."""
    der = info(key)
    return der[:2] + (int.from_bytes(der[2:4]) - 2).to_bytes(2) + b"\x30\x0b" + der[6:17] + der[19:]


@pytest.fixture(scope="module")
def public_key() -> bytes:
    return info(rsa.generate_private_key(65537, 3072).public_key())


@pytest.fixture
def serial(softhsm: Any) -> str:
    """A token whose user is not logged in."""
    return str(softhsm.init_token(f"trusting-{secrets.token_hex(4)}", PIN, SO_PIN))


# --- trusting one --------------------------------------------------------------------------------


def test_security_officer_makes_it_trusted(softhsm: Any, serial: str, public_key: bytes) -> None:
    trust(softhsm.module, serial, ID, public_key)
    with opened(softhsm.module, serial) as token:
        assert token.trusted_key(ID) == public_key
        assert token.label(ID) == "transport of another"
        [facts] = token.objects()
        assert (facts.key_id, facts.kind, facts.trusted) == (ID, "public_key", True)


def test_trusting_twice_is_trusting_once(softhsm: Any, serial: str, public_key: bytes) -> None:
    for _ in range(2):
        trust(softhsm.module, serial, ID, public_key)
    with opened(softhsm.module, serial) as token:
        assert len(token.objects()) == 1


def test_other_key_under_the_same_id_is_not_trusted(softhsm: Any, serial: str, public_key: bytes) -> None:
    trust(softhsm.module, serial, ID, public_key)
    other = info(rsa.generate_private_key(65537, 3072).public_key())
    for changes in ({"public_key": other}, {"name": "other"}):
        with pytest.raises(KeyDuplicated, match=f"key {ID.hex()} .*: the CKA_ID is in use already"):
            trust(softhsm.module, serial, ID, **{"public_key": public_key, **changes})
    with opened(softhsm.module, serial) as token:
        assert token.trusted_key(ID) == public_key


def test_user_can_remove_it(softhsm: Any, serial: str, public_key: bytes) -> None:
    trust(softhsm.module, serial, ID, public_key)
    with opened(softhsm.module, serial) as token:
        assert token.remove(ID)
        with pytest.raises(KeyMissing, match="it is not there"):
            token.trusted_key(ID)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (lambda: padded(rsa.generate_private_key(65537, 3072).public_key()), "is not an RSA public key in DER"),
        (lambda: b"not a key", "the transport key cannot be read"),
        (lambda: info(ec.generate_private_key(ec.SECP256R1()).public_key()), "is not an RSA public key in DER"),
        (lambda: info(rsa.generate_private_key(65537, 2048).public_key()), "has 2048 bits, 3072 at least"),
        (lambda: info(rsa.generate_private_key(3, 3072).public_key()), "the transport key's exponent is not 65537"),
    ],
)
def test_unsuitable_key_is_refused_before_the_login(softhsm: Any, serial: str, key: Any, words: str) -> None:
    with pytest.raises(TransportKeyRefused, match=words) as caught:
        trust(softhsm.module, serial, ID, key(), so_pin=WRONG)
    assert caught.value.hint == "enrol a transport key that a backup token has made"
    with opened(softhsm.module, serial) as token:
        assert token.objects() == []


def test_token_that_does_not_trust_keeps_no_key(
    softhsm: Any, serial: str, public_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SoftHSM does, so it is told otherwise when asked."""
    read = readback.read
    monkeypatch.setattr(readback, "read", lambda key, name: name != Attribute.TRUSTED and read(key, name))
    with pytest.raises(AttributeMismatch, match="attribute trusted is false on the token, must be true"):
        trust(softhsm.module, serial, ID, public_key)
    with opened(softhsm.module, serial) as token:
        assert token.objects() == []


@pytest.mark.parametrize(
    ("changes", "bits", "words"),
    [
        ({"wrap": False}, 3072, "attribute wrap is false on the token, must be true"),
        ({}, 2048, "attribute modulus_bits is 2048 on the token, must be 3072 or more"),
        ({}, 1024, "attribute modulus_bits is not there on the token, must be 3072 or more"),
        ({"trusted": False}, 3072, "attribute trusted is false on the token, must be true"),
    ],
)
def test_trusted_key_that_is_none_of_ours_is_not_wrapped_under(
    softhsm: Any, serial: str, changes: dict[str, bool], bits: int, words: str
) -> None:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    template = templates.trusted_public_key(
        ID,
        "by the SO's own tool",
        {Attribute.MODULUS: numbers.n.to_bytes(bits // 8), Attribute.PUBLIC_EXPONENT: b"\1\0\1"},
    )
    template |= {Attribute[name.upper()]: value for name, value in changes.items()}
    so_session = pkcs11.lib(str(softhsm.module)).get_token(token_serial=serial.encode()).open(rw=True, so_pin=SO_PIN)
    so_session.create_object(template)
    so_session.close()
    with opened(softhsm.module, serial) as token:
        with pytest.raises(AttributeMismatch, match=words):
            token.trusted_key(ID)
        token.generate_conversion_key(b"k" * 16, "spin.1", backed_up=True)
        with pytest.raises(AttributeMismatch, match=words):
            token.wrap(b"k" * 16, ID)


# --- the SO's login ------------------------------------------------------------------------------


def test_wrong_so_pin_is_named_and_in_no_frame_of_the_token_room(softhsm: Any, serial: str, public_key: bytes) -> None:
    def leaking() -> traceback.TracebackException:
        try:
            trust(softhsm.module, serial, ID, public_key, so_pin=WRONG)
        except PinWrong as error:
            assert "wrong SO PIN; it was tried once" in error.message
            assert error.hint is not None
            assert "check SO PIN and token first" in error.hint
            return traceback.TracebackException.from_exception(error, capture_locals=True)
        raise AssertionError("the wrong SO PIN was accepted")

    ours = [frame for frame in leaking().stack if "/appliance/token/" in frame.filename]
    assert ours
    assert not any(WRONG in value for frame in ours for value in (frame.locals or {}).values())
    trust(softhsm.module, serial, ID, public_key)


def test_wrong_so_pin_is_tried_once_says_a_spy_on_the_module(
    softhsm: Any, serial: str, public_key: bytes, tmp_path: Path
) -> None:
    """OpenSC's pkcs11-spy stands between Kagimori and SoftHSM and writes down every call."""
    calls = tmp_path / "calls"
    environment = {**softhsm.environment, "PKCS11SPY": str(softhsm.module), "PKCS11SPY_OUTPUT": str(calls)}
    script = (
        "import sys; from pathlib import Path; from appliance.token import so\n"
        f"so.import_trusted(Path({str(softhsm.pkcs11_spy)!r}), label=None, serial={serial!r}, key_id=bytes(16),"
        f" name='t', public_key=bytes.fromhex({public_key.hex()!r}), so_pin=sys.stdin.read())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], input=WRONG, env=environment, cwd=PROJECT, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "appliance.token.errors.PinWrong" in ended.stderr
    assert WRONG not in ended.stderr
    assert calls.read_text().count("C_Login\n") == 1
    assert calls.read_text().count("CKR_PIN_INCORRECT") == 1


def test_no_so_pin_given(softhsm: Any, serial: str, public_key: bytes) -> None:
    with pytest.raises(PinNeeded, match="no SO PIN was given"):
        trust(softhsm.module, serial, ID, public_key, so_pin="")


def test_no_such_token(softhsm: Any, serial: str, public_key: bytes) -> None:
    with pytest.raises(TokenNotFound, match="no token has label 'nobody'"):
        trust(softhsm.module, serial, ID, public_key, label="nobody")


def test_id_of_another_size_is_a_defect(softhsm: Any, serial: str, public_key: bytes) -> None:
    with pytest.raises(ValueError, match="a CKA_ID has 16 bytes here, not 3"):
        trust(softhsm.module, serial, b"abc", public_key)
    opened(softhsm.module, serial).close()


def test_user_and_security_officer_exclude_each_other(softhsm: Any, serial: str, public_key: bytes) -> None:
    with opened(softhsm.module, serial) as token:
        with pytest.raises(TokenRefused, match="CKR_USER_ANOTHER_ALREADY_LOGGED_IN") as caught:
            trust(softhsm.module, serial, ID, public_key)
        assert caught.value.hint == "close the token first: its user and its security officer (SO) exclude each other"
        assert token.objects() == []


def test_security_officer_is_logged_out_again(softhsm: Any, serial: str, public_key: bytes) -> None:
    trust(softhsm.module, serial, ID, public_key)
    with pytest.raises(KeyDuplicated):
        trust(softhsm.module, serial, ID, public_key, name="other")
    with raw_session(softhsm.module, serial) as session, pytest.raises(pkcs11.PKCS11Error):
        session.create_object(
            templates.trusted_public_key(
                b"n" * 16, "n", {Attribute.MODULUS: b"\xff" * 384, Attribute.PUBLIC_EXPONENT: b"\1\0\1"}
            )
        )
    opened(softhsm.module, serial).close()
