"""Signing keys and certificates on the token, and cards that bring their own."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pkcs11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID
from pkcs11 import Attribute, KeyType, ObjectClass

from appliance.token import Token, signing
from appliance.token.errors import CertificateRefused, KeyMissing, SignatureMismatch, TokenRefused

MESSAGE = b"what a quorum approves"
ID = b"identity" * 2


def certificate_for(public: Any, signer: Any | None = None, name: str = "officer") -> bytes:
    """A certificate for any public key, issued by a key of the test's own."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365))
        .sign(signer or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.DER)


def on_token(token: Token, key_id: bytes = ID) -> Any:
    """A generated pair's public key."""
    return serialization.load_der_public_key(token.generate_signing_key(key_id, "identity"))


def test_pair_is_made_on_the_token_and_signs(token: Token) -> None:
    public = on_token(token)
    assert isinstance(public.curve, ec.SECP256R1)
    public.verify(token.signer(b"", key_id=ID).sign(MESSAGE), MESSAGE, ec.ECDSA(hashes.SHA256()))
    attributes = token.attributes(ID)
    assert (attributes["class"], attributes["key_type"]) == ("private_key", "ec")
    assert attributes["key_gen_mechanism"] == "ec_key_pair_gen"
    truths = {name for name, value in attributes.items() if value is True}
    assert truths == {"token", "private", "sensitive", "always_sensitive", "never_extractable", "local", "sign"}


def test_certificate_is_kept_beside_its_key_and_finds_it(token: Token) -> None:
    certificate = certificate_for(on_token(token))
    token.store_certificate(ID, "identity", certificate)
    assert token.certificates() == [(ID, "identity", certificate)]
    signer = token.signer(certificate)
    assert signer.certificate == certificate
    on_it = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(on_it, ec.EllipticCurvePublicKey)
    on_it.verify(signer.sign(MESSAGE), MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_certificate_that_is_not_on_the_token_finds_the_key_all_the_same(token: Token) -> None:
    public = on_token(token)
    on_token(token, b"another " * 2)
    assert token.signer(certificate_for(public, name="a newer one")).sign(MESSAGE)


def test_signatures_differ_and_all_verify(token: Token) -> None:
    public, signer = on_token(token), token.signer(b"", key_id=ID)
    signatures = {signer.sign(MESSAGE) for _ in range(100)}
    assert len(signatures) == 100
    for signature in signatures:
        public.verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_certificate_of_nobody_here(token: Token) -> None:
    on_token(token)
    foreign = certificate_for(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(KeyMissing, match="it holds no key for this certificate"):
        token.signer(foreign)


def test_certificate_with_another_private_key_never_gives_a_signature(token: Token) -> None:
    on_token(token)
    foreign = certificate_for(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(SignatureMismatch, match=f"key {ID.hex()} .*: its signature does not verify"):
        token.signer(foreign, key_id=ID).sign(MESSAGE)


def test_certificate_for_another_key_is_not_stored(token: Token) -> None:
    on_token(token)
    foreign = certificate_for(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(CertificateRefused, match=f"key {ID.hex()} .*: the certificate is for another public key"):
        token.store_certificate(ID, "identity", foreign)
    assert token.certificates() == []


def test_second_certificate_is_not_stored(token: Token) -> None:
    public = on_token(token)
    first = certificate_for(public)
    token.store_certificate(ID, "identity", first)
    with pytest.raises(CertificateRefused, match="it has a certificate already"):
        token.store_certificate(ID, "identity", certificate_for(public))
    assert token.certificates() == [(ID, "identity", first)]


def test_certificate_without_a_key_is_not_stored(token: Token) -> None:
    stranger = certificate_for(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(KeyMissing, match=f"key {ID.hex()} .*: it is not there"):
        token.store_certificate(ID, "identity", stranger)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (b"\x30\x03abc", "the certificate cannot be read"),
        (b"garbage", "the certificate cannot be read"),
        (certificate_for(ed25519.Ed25519PrivateKey.generate().public_key()), "a kind that is not signed with"),
        (certificate_for(ec.generate_private_key(ec.SECP256K1()).public_key()), "a kind that is not signed with"),
    ],
)
def test_unsuitable_certificates(token: Token, certificate: bytes, words: str) -> None:
    for call in (lambda: token.signer(certificate), lambda: token.signer(certificate, key_id=ID)):
        with pytest.raises(CertificateRefused, match=words):
            call()


def test_destroying_takes_pair_and_certificate(token: Token, raw: pkcs11.Session) -> None:
    certificate = certificate_for(on_token(token))
    token.store_certificate(ID, "identity", certificate)
    token.destroy(ID)
    assert token.certificates() == []
    assert token.key_ids() == []
    assert list(raw.get_objects({Attribute.ID: ID})) == []
    with pytest.raises(KeyMissing):
        token.signer(certificate)


def card_rsa(raw: pkcs11.Session, bits: int, **changes: Any) -> rsa.RSAPrivateKey:
    """A card's own RSA key: private key object only, as cards have it."""
    key = rsa.generate_private_key(65537, bits)
    numbers = key.private_numbers()
    parts = {
        Attribute.MODULUS: numbers.public_numbers.n,
        Attribute.PUBLIC_EXPONENT: numbers.public_numbers.e,
        Attribute.PRIVATE_EXPONENT: numbers.d,
        Attribute.PRIME_1: numbers.p,
        Attribute.PRIME_2: numbers.q,
        Attribute.EXPONENT_1: numbers.dmp1,
        Attribute.EXPONENT_2: numbers.dmq1,
        Attribute.COEFFICIENT: numbers.iqmp,
    }
    template = {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.KEY_TYPE: KeyType.RSA,
        Attribute.TOKEN: True,
        Attribute.ID: b"\x02",
        Attribute.SIGN: True,
        **{name: value.to_bytes((value.bit_length() + 7) // 8) for name, value in parts.items()},
        **{Attribute[name.upper()]: value for name, value in changes.items()},
    }
    raw.create_object(template)
    return key


def card_certificate(raw: pkcs11.Session, der: bytes) -> None:
    raw.create_object(
        {
            Attribute.CLASS: ObjectClass.CERTIFICATE,
            Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
            Attribute.TOKEN: True,
            Attribute.ID: b"\x02",
            Attribute.SUBJECT: b"",
            Attribute.VALUE: der,
        }
    )


@pytest.mark.parametrize("own_hash", [True, False])
def test_rsa_card_signs_with_either_mechanism(
    token: Token, raw: pkcs11.Session, monkeypatch: pytest.MonkeyPatch, own_hash: bool
) -> None:
    public = card_rsa(raw, 2048).public_key()
    certificate = certificate_for(public)
    card_certificate(raw, certificate)
    monkeypatch.setattr(signing.TokenSigner, "_hashes_itself", lambda _: own_hash)
    signature = token.signer(certificate).sign(MESSAGE)
    public.verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())


def test_softhsm_hashes_itself(token: Token, raw: pkcs11.Session) -> None:
    certificate = certificate_for(card_rsa(raw, 2048).public_key())
    assert token.signer(certificate, key_id=b"\x02")._hashes_itself()


def test_short_rsa_key_is_refused(token: Token, raw: pkcs11.Session) -> None:
    certificate = certificate_for(card_rsa(raw, 1024).public_key())
    with pytest.raises(CertificateRefused, match="a kind that is not signed with") as caught:
        token.signer(certificate, key_id=b"\x02")
    assert caught.value.hint == "take EC P-256 or P-384, or RSA of 2048 bits or more"


def test_key_that_wants_the_pin_each_time_is_refused(token: Token, raw: pkcs11.Session) -> None:
    certificate = certificate_for(card_rsa(raw, 2048, always_authenticate=True).public_key())
    with pytest.raises(TokenRefused, match="it wants the PIN anew for every signature"):
        token.signer(certificate, key_id=b"\x02")


def test_p384_card(token: Token, raw: pkcs11.Session) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    raw.create_object(
        {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.KEY_TYPE: KeyType.EC,
            Attribute.TOKEN: True,
            Attribute.ID: b"\x03",
            Attribute.SIGN: True,
            Attribute.EC_PARAMS: bytes.fromhex("06052b81040022"),
            Attribute.VALUE: key.private_numbers().private_value.to_bytes(48),
        }
    )
    certificate = certificate_for(key.public_key())
    signature = token.signer(certificate, key_id=b"\x03").sign(MESSAGE)
    key.public_key().verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_large_message(token: Token) -> None:
    public, message = on_token(token), secrets.token_bytes(1_000_000)
    public.verify(token.signer(b"", key_id=ID).sign(message), message, ec.ECDSA(hashes.SHA256()))
