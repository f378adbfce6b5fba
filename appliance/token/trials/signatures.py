"""Keys that sign, the certificate beside one, digests and random bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, Hash
from cryptography.x509.oid import NameOID
from pkcs11 import Attribute, KeyType, Mechanism

from appliance.token import publickeys, templates
from appliance.token.trials.bench import Bench, label, new_id
from appliance.token.trials.findings import Differs
from appliance.token.trials.registry import trial

_MESSAGE = b"kagimori/qualify/v1"
_P384 = bytes.fromhex("06052b81040022")  # DER of the OID secp384r1 (RFC 5480, section 2.1.1.1)
_RSA_BITS = 2048
_RANDOM = 256


@trial("sign.p256")
def p256(bench: Bench) -> str:
    """The very operation of a ceremony; the signature is verified outside the token."""
    key_id = new_id()
    try:
        bench.token.generate_signing_key(key_id, label("p256"))
        bench.token.signer(b"", key_id=key_id).sign(_MESSAGE)
        return "made, attributes compared, signed with CKM_ECDSA, verified"
    finally:
        bench.drop(key_id)


@trial("sign.certificate")
def certificate(bench: Bench) -> str:
    """A certificate is kept beside its key, and the key is found by it."""
    key_id = new_id()
    try:
        info = bench.token.generate_signing_key(key_id, label("certificate"))
        der = _certified(info)
        bench.token.store_certificate(key_id, label("certificate"), der)
        bench.token.signer(der).sign(_MESSAGE)
        return f"{len(der)} bytes stored and read back, the key found by it"
    finally:
        bench.drop(key_id)


@trial("sign.ed25519")
def ed25519(bench: Bench) -> str:
    """The very operation of a ceremony and of an engine."""
    key_id = new_id()
    try:
        info = bench.token.generate_log_key(key_id, label("ed25519"))
        bench.token.log_signer(key_id, info).sign(_MESSAGE)
        return "made, attributes compared, signed with CKM_EDDSA, verified"
    finally:
        bench.drop(key_id)


@trial("sign.p384")
def p384(bench: Bench) -> str:
    """As some people's cards have it."""
    curve = {Attribute.EC_PARAMS: _P384}
    domain = bench.session.create_domain_parameters(KeyType.EC, curve, local=True)
    public, private = domain.generate_keypair(mechanism=Mechanism.EC_KEY_PAIR_GEN, **_signs())
    key = publickeys.of_object(public)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Differs("the token shows no P-384 public key for the pair it made")
    raw = bytes(private.sign(_digest(SHA384()), mechanism=Mechanism.ECDSA))
    half = len(raw) // 2
    signature = utils.encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))
    key.verify(signature, _digest(SHA384()), ec.ECDSA(utils.Prehashed(SHA384())))
    return "made, signed with CKM_ECDSA, verified"


@trial("sign.rsa")
def rsa_pkcs(bench: Bench) -> str:
    """As other people's cards have it."""
    public, private = bench.session.generate_keypair(
        KeyType.RSA, _RSA_BITS, mechanism=Mechanism.RSA_PKCS_KEY_PAIR_GEN, **_signs()
    )
    key = publickeys.of_object(public)
    if not isinstance(key, rsa.RSAPublicKey):
        raise Differs("the token shows no RSA public key for the pair it made")
    signature = bytes(private.sign(_MESSAGE, mechanism=Mechanism.SHA256_RSA_PKCS))
    key.verify(signature, _MESSAGE, padding.PKCS1v15(), SHA256())
    return f"RSA of {_RSA_BITS} bits made, signed with CKM_SHA256_RSA_PKCS, verified"


@trial("sign.digest")
def digest(bench: Bench) -> str:
    """SHA-256 by the token; Kagimori computes it outside."""
    if bytes(bench.session.digest(_MESSAGE, mechanism=Mechanism.SHA256)) != sha256(_MESSAGE).digest():
        raise Differs("CKM_SHA256 gives another digest")
    return "CKM_SHA256 as FIPS 180-4 has it"


@trial("sign.random")
def random(bench: Bench) -> str:
    """Bytes that do not come twice."""
    one, two = (bytes(bench.session.generate_random(_RANDOM * 8)) for _ in range(2))
    if len(one) != _RANDOM or one == two or len(set(one)) < _RANDOM // 4:
        raise Differs("C_GenerateRandom gives bytes that are not random")
    return f"twice {_RANDOM} bytes, different"


def _signs() -> dict[str, Any]:
    """Session objects that sign and verify, and never leave."""
    private = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
    return {"store": False, "capabilities": templates.SIGNING_CAPABILITIES, "private_template": private}


def _digest(algorithm: SHA384) -> bytes:
    hashed = Hash(algorithm)
    hashed.update(_MESSAGE)
    return hashed.finalize()


def _certified(info: bytes) -> bytes:
    """A certificate over the token's public key, from an issuer of this moment."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label("certificate"))])
    issuer, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name).public_key(serialization.load_der_public_key(info))  # type: ignore[arg-type]
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    made = builder.not_valid_after(now + timedelta(days=1)).sign(issuer, SHA256())
    return made.public_bytes(serialization.Encoding.DER)
