"""Encrypted private keys: PKCS#8 (RFC 5958) under PBES2 (RFC 8018), AES-256-CBC with PBKDF2-HMAC-SHA-256.

Written out here because the library at hand fixes PBKDF2 at 2,048 rounds; ours take 600,000. Any tool that
knows PKCS#8 reads the result (``openssl pkey -in officer-1.pem``).
"""

from __future__ import annotations

import hashlib
import secrets

from asn1crypto import algos, keys, pem
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from keyceremony.errors import SecretRefused

ROUNDS = 600_000
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def encrypt(key: PrivateKey, passphrase: str) -> bytes:
    """The key as PEM ``ENCRYPTED PRIVATE KEY``."""
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    derived = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(derived), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    info = keys.EncryptedPrivateKeyInfo({"encryption_algorithm": _pbes2(salt, iv), "encrypted_data": sealed})
    return bytes(pem.armor("ENCRYPTED PRIVATE KEY", info.dump()))


def _pbes2(salt: bytes, iv: bytes) -> algos.EncryptionAlgorithm:
    derivation = {
        "algorithm": "pbkdf2",
        "parameters": {
            "salt": algos.Pbkdf2Salt(name="specified", value=salt),
            "iteration_count": ROUNDS,
            "prf": {"algorithm": "sha256"},
        },
    }
    cipher = {"algorithm": "aes256_cbc", "parameters": iv}
    return algos.EncryptionAlgorithm(
        {"algorithm": "pbes2", "parameters": {"key_derivation_func": derivation, "encryption_scheme": cipher}}
    )


def decrypt(text: bytes, passphrase: str) -> PrivateKey:
    """The key of a PEM made here or elsewhere, as long as it is encrypted.

    Raises:
        SecretRefused: wrong passphrase, an unencrypted key, or no EC or RSA key at all.
    """
    if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" not in text:
        raise SecretRefused("the PEM holds no ENCRYPTED PRIVATE KEY", "unencrypted keys are not taken; enroll anew")
    try:
        key = serialization.load_pem_private_key(text, passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):  # the last one: a key of a wrong length
        raise SecretRefused("the passphrase is wrong, or the PEM is damaged", "nothing was signed; try again") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise SecretRefused("the key is neither EC nor RSA", "enroll with a P-256 key")
    return key
