"""A witness's private keys as PEM: PKCS#8 (RFC 5958), under PBES2 (RFC 8018) unless nobody wants a passphrase.

AES-256-CBC with PBKDF2-HMAC-SHA-256. Written out here because the library at hand fixes PBKDF2 at 2,048 rounds; ours
take 600,000. Any tool that knows PKCS#8 and the kind of key reads the result (``openssl pkey``).
"""

from __future__ import annotations

import hashlib
import secrets

from asn1crypto import algos, keys, pem
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from appliance.oversight.errors import KeyUnusable, SecretRefused

ROUNDS = 600_000
ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
PrivateKey = Ed25519PrivateKey | MLDSA44PrivateKey


def seal(key: PrivateKey, passphrase: str | None) -> bytes:
    """The key as PEM, encrypted unless the passphrase is None."""
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if passphrase is None:
        return bytes(pem.armor("PRIVATE KEY", plain))
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    derived = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(derived), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    info = keys.EncryptedPrivateKeyInfo({"encryption_algorithm": _pbes2(salt, iv), "encrypted_data": sealed})
    return bytes(pem.armor("ENCRYPTED PRIVATE KEY", info.dump()))


def unseal(name: str, text: bytes, passphrase: str | None) -> PrivateKey:
    """The key in a PEM; ``name`` is what messages call it.

    Raises:
        SecretRefused: the passphrase is wrong (or the PEM damaged: one cannot tell).
        KeyUnusable: no key of a kind that a witness has.
    """
    try:
        key = serialization.load_pem_private_key(text, None if passphrase is None else passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):  # the last one: a key of a wrong length
        if passphrase is None:
            raise KeyUnusable(f"{name}: no private key in PEM", "restore it from your own copy") from None
        raise SecretRefused(
            f"{name}: the passphrase is wrong, or the file is damaged", "nothing was signed; try again"
        ) from None
    if not isinstance(key, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise KeyUnusable(
            f"{name}: neither an Ed25519 nor an ML-DSA-44 key", "make keys with `appliance oversight init`"
        )
    return key


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
