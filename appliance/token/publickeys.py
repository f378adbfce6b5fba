"""Public keys as tokens, certificates and plans show them: EC P-256 and P-384, RSA of 2048 bits (to wrap: 3072) up.

Ed25519 is for the log alone; nobody enrols with such a key.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType

from appliance.token.errors import CertificateRefused, TransportKeyRefused
from appliance.token.logtemplates import ED25519
from appliance.token.readback import read
from appliance.token.templates import P256

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
SHORTEST_RSA = 2048
SHORTEST_TRANSPORT_RSA = 3072  # 128 bits of security, for keys that stay in use for years (SP 800-57 part 1, table 2)
_EXPONENT = 65537
_WANTED = "enrol a transport key that a backup token has made"
_P384 = bytes.fromhex("06052b81040022")  # DER of the OID secp384r1 (RFC 5480, section 2.1.1.1)
_ED25519_NAME = b"\x13\x0cedwards25519"  # the PrintableString that some tokens have for it (PKCS#11 3.0, section 2.3.1)
_ED25519_BYTES = 32  # RFC 8032, section 5.1.5
_CURVES: dict[bytes, ec.EllipticCurve] = {P256: ec.SECP256R1(), _P384: ec.SECP384R1()}


def _parse(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise CertificateRefused("the certificate cannot be read", "it must be one X.509 certificate in DER") from None


def of_certificate(der: bytes) -> PublicKey:
    """The certificate's public key.

    Raises:
        CertificateRefused: unreadable, or a key that Kagimori does not sign with.
    """
    try:
        key = _parse(der).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateRefused("the certificate's public key cannot be read", "take a P-256 or RSA key") from None
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in {curve.name for curve in _CURVES.values()}:
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= SHORTEST_RSA:
        return key
    raise CertificateRefused(
        "the certificate's public key is of a kind that is not signed with",
        "take EC P-256 or P-384, or RSA of 2048 bits or more",
    )


def of_object(public: Any) -> PublicKey | None:
    """The key a token's public-key object stands for; None if it is of another kind."""
    match read(public, Attribute.KEY_TYPE):
        case KeyType.EC:
            return _of_point(read(public, Attribute.EC_PARAMS), read(public, Attribute.EC_POINT))
        case KeyType.RSA:
            modulus, exponent = read(public, Attribute.MODULUS), read(public, Attribute.PUBLIC_EXPONENT)
            if modulus and exponent and len(modulus.lstrip(b"\0")) * 8 >= SHORTEST_RSA:
                return rsa.RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()
    return None


def _of_point(params: bytes | None, point: bytes | None) -> ec.EllipticCurvePublicKey | None:
    """CKA_EC_POINT is a DER OCTET STRING around the point (PKCS#11 2.40, section 2.3.3); some tokens leave it bare."""
    curve = _CURVES.get(params or b"")
    if curve is None or point is None:
        return None
    size = 1 + 2 * ((curve.key_size + 7) // 8)
    bare = point[2:] if len(point) == size + 2 and point[:2] == bytes((0x04, size)) else point
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, bare)
    except ValueError:
        return None


def ed25519_of_object(public: Any) -> Ed25519PublicKey | None:
    """The log key that a token's public-key object stands for; None if it is of another kind.

    CKA_EC_POINT is a DER OCTET STRING around the 32 bytes; some tokens leave it bare (PKCS#11 3.0, section 2.3.5).
    """
    params, point = read(public, Attribute.EC_PARAMS), read(public, Attribute.EC_POINT)
    if read(public, Attribute.KEY_TYPE) != KeyType.EC_EDWARDS or params not in (ED25519, _ED25519_NAME) or not point:
        return None
    wrapped = len(point) == _ED25519_BYTES + 2 and point[:2] == bytes((0x04, _ED25519_BYTES))
    bare = point[2:] if wrapped else point
    return Ed25519PublicKey.from_public_bytes(bare) if len(bare) == _ED25519_BYTES else None


def info(key: PublicKey | Ed25519PublicKey) -> bytes:
    """SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7)."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def transport_key(der: bytes) -> rsa.RSAPublicKey:
    """The RSA key of a SubjectPublicKeyInfo (DER), if conversion keys may be wrapped under it.

    Raises:
        TransportKeyRefused: unreadable, another kind, too short, or an exponent that tokens do not make.
    """
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise TransportKeyRefused("the transport key cannot be read", _WANTED) from None
    if not isinstance(key, rsa.RSAPublicKey) or info(key) != der:
        raise TransportKeyRefused("the transport key is not an RSA public key in DER", _WANTED)
    if key.key_size < SHORTEST_TRANSPORT_RSA:
        raise TransportKeyRefused(
            f"the transport key has {key.key_size} bits, {SHORTEST_TRANSPORT_RSA} at least", _WANTED
        )
    if key.public_numbers().e != _EXPONENT:
        raise TransportKeyRefused(f"the transport key's exponent is not {_EXPONENT}", _WANTED)
    return key


def rsa_numbers(key: rsa.RSAPublicKey) -> dict[Attribute, bytes]:
    """Modulus and exponent as PKCS#11 wants them: big-endian, no leading zero (PKCS#11 2.40, section 2.1.2)."""
    numbers = key.public_numbers()
    return {Attribute.MODULUS: _big_endian(numbers.n), Attribute.PUBLIC_EXPONENT: _big_endian(numbers.e)}


def _big_endian(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)


def info_of_certificate(der: bytes) -> bytes | None:
    """The same of a certificate's key; None if that is not of a kind that is signed with."""
    try:
        return info(of_certificate(der))
    except CertificateRefused:
        return None


def names(der: bytes) -> dict[Attribute, bytes]:
    """What PKCS#11 wants to know of a certificate, in DER (PKCS#11 2.40, section 4.6.3).

    Raises:
        CertificateRefused: unreadable.
    """
    parsed = _parse(der)
    return {
        Attribute.SUBJECT: parsed.subject.public_bytes(),
        Attribute.ISSUER: parsed.issuer.public_bytes(),
        Attribute.SERIAL_NUMBER: _der_integer(parsed.serial_number),
    }


def _der_integer(value: int) -> bytes:
    """An INTEGER of 0 to 126 bytes (X.690, section 8.3); RFC 5280 allows serial numbers 20."""
    body = value.to_bytes(value.bit_length() // 8 + 1, signed=True)
    return bytes((0x02, len(body))) + body
