"""Certificates: what we make is what OpenSSL and our reader accept; weak or odd ones are refused."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from ledgerkit import NOW, SoftSigner, make_signer, signer

from appliance.ledger import certificate as certificates
from appliance.ledger.errors import CertificateInvalid


def spki(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def issued(key: object, *, by: object = None, digest: hashes.HashAlgorithm | None = None, serial: int = 7) -> bytes:
    """A certificate made by another tool than ours."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    issuer = subject if by is None else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())  # type: ignore[attr-defined]
        .serial_number(serial)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    algorithm = None if isinstance(by or key, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return builder.sign(by or key, algorithm).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def test_our_certificate_says_what_it_is_for() -> None:
    parsed = x509.load_der_x509_certificate(make_signer("山田 太郎").certificate)
    usage = parsed.extensions.get_extension_for_class(x509.KeyUsage)
    constraints = parsed.extensions.get_extension_for_class(x509.BasicConstraints)
    assert parsed.version is x509.Version.v3
    assert parsed.subject == parsed.issuer
    assert parsed.subject.rfc4514_string() == "CN=山田 太郎"
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    assert constraints.critical and not constraints.value.ca
    assert 2**150 < parsed.serial_number < 2**159


def test_serial_numbers_differ() -> None:
    serials = {x509.load_der_x509_certificate(make_signer("x").certificate).serial_number for _ in range(20)}
    assert len(serials) == 20


def test_validity_is_written_as_given_past_2050_too() -> None:
    end = datetime(2060, 1, 2, 3, 4, 5, tzinfo=UTC)
    read = certificates.read(make_signer("x", not_before=NOW, not_after=end).certificate)
    assert (read.not_before, read.not_after) == (NOW, end)
    assert read.covers(NOW) and read.covers(end)
    assert not read.covers(NOW - timedelta(seconds=1)) and not read.covers(end + timedelta(seconds=1))


def test_times_are_written_as_the_standard_says() -> None:
    """RFC 5280, section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on."""
    ends = {2049: b"\x17\x0d491231235959Z", 2050: b"\x18\x0f20501231235959Z"}
    for year, written in ends.items():
        end = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
        assert make_signer("x", not_after=end).certificate.count(written) == 1


def test_a_signature_with_another_key_is_noticed_at_once() -> None:
    mine, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    with pytest.raises(CertificateInvalid, match="CN=x is not signed by its own key"):
        certificates.self_signed("x", spki(mine), SoftSigner(other, b"").sign, NOW, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("name", "days", "reason"),
    [("", 1, "1 to 64 characters"), ("x" * 65, 1, "1 to 64 characters"), ("x", 0, "must end after it begins")],
)
def test_impossible_names_and_validities(name: str, days: int, reason: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(CertificateInvalid, match=reason):
        certificates.self_signed(name, spki(key), SoftSigner(key, b"").sign, NOW, NOW + timedelta(days=days))


def test_keys_that_are_not_allowed() -> None:
    refused = {
        "curve secp521r1": ec.generate_private_key(ec.SECP521R1()),
        "curve secp256k1": ec.generate_private_key(ec.SECP256K1()),
        "RSA key of 1024 bits": rsa.generate_private_key(public_exponent=65537, key_size=1024),
        "public exponent": rsa.generate_private_key(public_exponent=3, key_size=2048),
        "neither EC nor RSA": ed25519.Ed25519PrivateKey.generate(),
    }
    for reason, key in refused.items():
        with pytest.raises(CertificateInvalid, match=reason):
            certificates.read(issued(key))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = dsa.generate_private_key(2048)
        with pytest.raises(CertificateInvalid, match="neither EC nor RSA"):
            certificates.read(issued(old))


def test_bytes_that_are_no_certificate() -> None:
    good = signer("sato").certificate
    for bad in (b"", b"\x30\x00", good[:-1], good + b"\x00", good[1:], b"\x30" * 200):
        with pytest.raises(CertificateInvalid, match="a certificate cannot be read"):
            certificates.read(bad)
    with pytest.raises(CertificateInvalid, match="at most 16384 are read"):
        certificates.read(bytes(16385))


def test_what_parsers_only_warn_of_is_refused() -> None:
    parsed = asn1.Certificate.load(signer("sato").certificate)
    parsed["tbs_certificate"]["serial_number"] = 0
    with pytest.raises(CertificateInvalid, match=r"a certificate cannot be read: .*serial number"):
        certificates.read(parsed.dump(force=True))


def test_a_certificate_of_an_authority_can_be_read_but_is_not_self_signed() -> None:
    der = issued(ec.generate_private_key(ec.SECP256R1()), by=ec.generate_private_key(ec.SECP384R1()))
    assert certificates.read(der).subject == "CN=somebody"
    with pytest.raises(CertificateInvalid, match="CN=somebody is not signed by its own key"):
        certificates.require_self_signed(der)


def test_a_changed_certificate_is_not_self_signed() -> None:
    der = bytearray(make_signer("abcdef").certificate)
    der[der.index(b"abcdef")] ^= 1
    der[der.rindex(b"abcdef")] ^= 1
    with pytest.raises(CertificateInvalid, match="not signed by its own key"):
        certificates.require_self_signed(bytes(der))


def test_one_key_has_one_identity_whatever_carries_it() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    first, second = make_signer("first", key), make_signer("second", key)
    assert first.certificate != second.certificate
    assert certificates.read(first.certificate).key_identity == certificates.read(second.certificate).key_identity
    assert (
        certificates.read(first.certificate).key_identity != certificates.read(signer("sato").certificate).key_identity
    )


def test_the_mirrored_point_of_the_same_secret_has_the_same_identity() -> None:
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    mirrored = ec.derive_private_key(order - numbers.private_value, ec.SECP256R1())
    original = ec.derive_private_key(numbers.private_value, ec.SECP256R1())
    assert spki(original) != spki(mirrored)
    assert certificates.key_identity(original.public_key()) == certificates.key_identity(mirrored.public_key())
