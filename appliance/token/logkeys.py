"""Keys that sign the log's checkpoints, on an open token: an Ed25519 pair made, found, and signed with.

CKM_EDDSA without parameters is pure Ed25519 (PKCS#11 3.0, section 2.3.14; RFC 8032, section 5.1). The curve is named by
the OID of RFC 8410, which other programs read as well.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from appliance.token import logtemplates, publickeys, templates
from appliance.token.errors import LogKeyRefused, SignatureMismatch, TokenRefused, asking
from appliance.token.guard import OWNER
from appliance.token.objects import Objects, Undo
from appliance.token.readback import require

PROOF = b"kagimori/key-proof/v1"
"""What is signed to try a key; no checkpoint begins like this."""


class LogSigner:
    """Signs with one log key; every signature is verified with the public key that the ledger has."""

    def __init__(self, key: Any, public: Ed25519PublicKey, name: str) -> None:
        self._key = key
        self._public = public
        self._name = name

    def sign(self, message: bytes) -> bytes:
        """The signature over a message, 64 bytes (RFC 8032, section 5.1.6).

        Raises:
            SignatureMismatch: the key is not the one that belongs to the public key.
            TokenError: the token refused or is gone.
        """
        OWNER.claim()
        with asking(f"sign with {self._name}"):
            signature = bytes(self._key.sign(message, mechanism=Mechanism.EDDSA))
        try:
            self._public.verify(signature, message)
        except InvalidSignature:
            raise SignatureMismatch(
                f"{self._name}: its signature does not verify with the public key that the ledger has",
                "the token holds another private key under this CKA_ID",
            ) from None
        return signature


class LogKeys:
    """A part of `Token`."""

    _objects: Objects

    def generate_log_key(self, key_id: bytes, label: str) -> bytes:
        """Make an Ed25519 pair on the token, read it back, compare, and sign with it; the public key in DER (RFC 8410).

        Raises:
            KeyDuplicated, AttributeMismatch, TokenRefused, TokenUnavailable: as for conversion keys.
            SignatureMismatch: the two halves do not belong together.
        """
        name = self._objects.require_unused(key_id)
        with Undo(self._objects, key_id), asking(f"generate {name}"):
            curve = {Attribute.EC_PARAMS: logtemplates.ED25519}
            parameters = self._objects.session.create_domain_parameters(KeyType.EC_EDWARDS, curve, local=True)
            public, private = parameters.generate_keypair(
                id=key_id,
                label=label,
                store=True,
                capabilities=templates.SIGNING_CAPABILITIES,
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                public_template=logtemplates.log_public_key(key_id, label),
                private_template=logtemplates.log_private_key(key_id, label),
            )
            require(private, logtemplates.generated_log_key(key_id, label), name)
            require(public, logtemplates.generated_log_public_key(key_id, label), name)
            key = _ed25519(public, name)
            LogSigner(private, key, name).sign(PROOF)
        return publickeys.info(key)

    def log_public_key(self, key_id: bytes) -> bytes:
        """The public half of a log key as the token shows it, as SubjectPublicKeyInfo (DER).

        Raises:
            KeyMissing, KeyDuplicated, TokenRefused, TokenUnavailable: see there.
        """
        public = self._objects.one(ObjectClass.PUBLIC_KEY, key_id)
        with asking(f"read {self._objects.name(key_id)}"):
            return publickeys.info(_ed25519(public, self._objects.name(key_id)))

    def log_signer(self, key_id: bytes, public_key: bytes) -> LogSigner:
        """The signer with a log key; ``public_key``: the ledger's, SubjectPublicKeyInfo (DER). It is tried at once.

        Raises:
            LogKeyRefused: the public key cannot be read or is no Ed25519 key.
            KeyMissing, KeyDuplicated: the CKA_ID is on the token not once.
            AttributeMismatch: the key could do more than sign, or leave the token.
            SignatureMismatch: it is another key.
            TokenRefused, TokenUnavailable: see there.
        """
        public, name = _of_info(public_key), self._objects.name(key_id)
        private = self._objects.one(ObjectClass.PRIVATE_KEY, key_id)
        with asking(f"read {name}"):
            require(private, logtemplates.USABLE_LOG_KEY, name)
        signer = LogSigner(private, public, name)
        signer.sign(PROOF)
        return signer


def _ed25519(public: Any, name: str) -> Ed25519PublicKey:
    key = publickeys.ed25519_of_object(public)
    if key is None:
        raise TokenRefused(f"{name}: the token shows no Ed25519 public key for it", "the token must know EdDSA")
    return key


def _of_info(info: bytes) -> Ed25519PublicKey:
    try:
        key = serialization.load_der_public_key(info)  # takes strict DER alone
    except (ValueError, UnsupportedAlgorithm):
        raise LogKeyRefused("the log's public key cannot be read", "verify the ledger") from None
    if not isinstance(key, Ed25519PublicKey):
        raise LogKeyRefused("the log's public key is not an Ed25519 key in DER", "verify the ledger")
    return key
