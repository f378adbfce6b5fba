"""Transport keys as a document carries them: RSA of 3072 bits or more, a sound exponent, one encoding."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ledgerkit import B1, transport_key

from appliance.ledger.errors import CertificateInvalid
from appliance.ledger.publickey import decode_transport_key, encode_transport_key


def info(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    return encode_transport_key(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def refused(text: str) -> str:
    with pytest.raises(CertificateInvalid) as refusal:
        decode_transport_key("transport_key", text)
    return refusal.value.reason


def test_a_good_one_goes_both_ways() -> None:
    assert decode_transport_key("x", encode_transport_key(transport_key(B1))) == transport_key(B1)


def test_too_short_and_of_another_kind() -> None:
    bits = "transport_key: must be an RSA key of 3072 to 8192 bits"
    assert refused(info(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())) == bits
    assert refused(info(ec.generate_private_key(ec.SECP256R1()).public_key())) == bits
    assert refused(info(ed25519.Ed25519PrivateKey.generate().public_key())) == (
        "transport_key: a key that is neither EC nor RSA"
    )


def test_a_small_exponent() -> None:
    """Of a key with exponent 3, two tokens' wraps of one key would already tell something."""
    small = rsa.generate_private_key(public_exponent=3, key_size=3072).public_key()
    assert refused(info(small)) == "transport_key: an RSA key whose public exponent is outside 2**16 to 2**256"


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "QUI\n="])
def test_what_is_no_key(text: str) -> None:
    assert refused(text) == "transport_key: not base64 of a public key"


def test_one_encoding() -> None:
    good = transport_key(B1)
    assert refused(b64encode(good + b"\x00").decode()).startswith("transport_key: not ")
    indefinite = b"\x30\x80" + good[4:] + b"\x00\x00"
    assert refused(b64encode(indefinite).decode()).startswith("transport_key: not ")
    padded = encode_transport_key(good)
    assert padded.endswith("="), "this key's length leaves bits to play with"
    last = padded.rstrip("=")[-1]
    other = chr(ord(last) + 1)
    assert refused(padded.replace(f"{last}=", f"{other}=")).startswith("transport_key: not ")


def test_an_algorithm_without_its_null() -> None:
    """The parser takes it (RFC 3279, section 2.3.1 does not); it would be a second form of the same key."""
    good = transport_key(B1)
    with_null, without = bytes.fromhex("300d06092a864886f70d0101010500"), bytes.fromhex("300b06092a864886f70d010101")
    assert with_null in good
    length = int.from_bytes(good[2:4], "big") - 2
    short = good[:2] + length.to_bytes(2, "big") + good[4:].replace(with_null, without)
    assert refused(b64encode(short).decode()) == "transport_key: not the one encoding of its key"
