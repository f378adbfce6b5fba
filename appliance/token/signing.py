"""Signatures by a private key that stays in the token, each verified before it is handed out.

Always over SHA-256, computed here: ECDSA as CKM_ECDSA, its r and s turned into a DER Ecdsa-Sig-Value
(RFC 3279, section 2.2.3); RSA as PKCS #1 v1.5 (RFC 8017, section 8.2), by the token's own
CKM_SHA256_RSA_PKCS or, where it has none, as CKM_RSA_PKCS over the DigestInfo.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.hashes import SHA256
from pkcs11 import Attribute, Mechanism

from appliance.token.errors import SignatureMismatch, TokenRefused, asking
from appliance.token.guard import OWNER
from appliance.token.publickeys import PublicKey
from appliance.token.readback import read

_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, section 9.2, note 1


class TokenSigner:
    """Shaped like `appliance.ledger.cms.Signer`. ``certificate`` is empty while there is none yet."""

    def __init__(self, key: Any, public: PublicKey, certificate: bytes, name: str) -> None:
        self.certificate = certificate
        self._key = key
        self._public = public
        self._name = name
        if read(key, Attribute.ALWAYS_AUTHENTICATE):
            raise TokenRefused(f"{name}: it wants the PIN anew for every signature", "this is not supported yet")

    def sign(self, message: bytes) -> bytes:
        """The signature value over a message, as CMS wants it.

        Raises:
            SignatureMismatch: the key is not the one that belongs to the public key.
            TokenError: the token refused or is gone.
        """
        OWNER.claim()
        with asking(f"sign with {self._name}"):
            signature = self._ecdsa(message) if self._is_ec else self._rsa(message)
        self._verify(signature, message)
        return signature

    @property
    def _is_ec(self) -> bool:
        return isinstance(self._public, ec.EllipticCurvePublicKey)

    def _ecdsa(self, message: bytes) -> bytes:
        raw = self._key.sign(sha256(message).digest(), mechanism=Mechanism.ECDSA)
        half = len(raw) // 2
        return utils.encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def _rsa(self, message: bytes) -> bytes:
        if self._hashes_itself():
            return bytes(self._key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS))
        return bytes(self._key.sign(_DIGEST_INFO + sha256(message).digest(), mechanism=Mechanism.RSA_PKCS))

    def _hashes_itself(self) -> bool:
        return Mechanism.SHA256_RSA_PKCS in self._key.session.token.slot.get_mechanisms()

    def _verify(self, signature: bytes, message: bytes) -> None:
        try:
            if isinstance(self._public, ec.EllipticCurvePublicKey):
                self._public.verify(signature, message, ec.ECDSA(SHA256()))
            else:
                self._public.verify(signature, message, padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            raise SignatureMismatch(
                f"{self._name}: its signature does not verify with the public key it should belong to",
                "the token holds another private key under this CKA_ID",
            ) from None
