"""Keys that carry conversion keys from token to token: the pair made, trusted, wrapped under, unwrapped with.

A backup token makes an RSA pair; the SO of another token trusts its public key there (`so.import_trusted`);
that token wraps under it; the backup token unwraps. The other way round, a new appliance token is restored.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import MGF, Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error
from pkcs11 import exceptions as p11

from appliance.token import publickeys, templates
from appliance.token.errors import TokenRefused, UnwrapUnguarded, WrappedKeyRefused, asking, code_name
from appliance.token.objects import Objects, Undo
from appliance.token.readback import mismatch, require
from appliance.token.stream import CHECK_BLOCK, check_value_of, require_check_value

# RSAES-OAEP (RFC 8017, section 7.1) with SHA-1 and MGF1 over it: SoftHSM knows no other hash here. OAEP's
# security does not rest on the hash being free of collisions, and RFC 8017, appendix B.1, keeps SHA-1 for it.
OAEP: dict[str, Any] = {
    "mechanism": Mechanism.RSA_PKCS_OAEP,
    "mechanism_param": (Mechanism.SHA_1, MGF.SHA1, None),
}
_OPENS_NOT = (
    p11.GeneralError,  # SoftHSM's answer
    p11.FunctionFailed,
    p11.EncryptedDataInvalid,
    p11.EncryptedDataLenRange,
    p11.WrappedKeyInvalid,
    p11.WrappedKeyLenRange,
)
_NOT_TRUSTED = "the token's security officer (SO) must import the transport key as trusted"
_NO_TRANSPORT_KEY = "take a transport key that Kagimori has made"
_READABLE: templates.Template = {Attribute.EXTRACTABLE: True, Attribute.WRAP_WITH_TRUSTED: False}


class TransportKeys:
    """A part of `Token`."""

    _objects: Objects

    def generate_transport_key(self, key_id: bytes, label: str, bits: int = publickeys.SHORTEST_TRANSPORT_RSA) -> bytes:
        """Make an RSA pair on the token that wraps and unwraps; the public key as SubjectPublicKeyInfo (DER).

        The private key opens OAEP alone, and only to keys that stay sensitive; that is tried at once.

        Raises:
            KeyDuplicated, AttributeMismatch, TokenRefused, TokenUnavailable: as for conversion keys.
            UnwrapUnguarded: the token let a key be unwrapped whose bytes can be read.
            ValueError: fewer than 3072 bits.
        """
        if bits < publickeys.SHORTEST_TRANSPORT_RSA:
            raise ValueError(f"a transport key has {publickeys.SHORTEST_TRANSPORT_RSA} bits at least, not {bits}")
        name = self._objects.require_unused(key_id)
        with Undo(self._objects, key_id), asking(f"generate {name}"):
            public, private = self._objects.session.generate_keypair(
                KeyType.RSA,
                bits,
                id=key_id,
                label=label,
                store=True,
                capabilities=templates.TRANSPORT_CAPABILITIES,
                mechanism=Mechanism.RSA_PKCS_KEY_PAIR_GEN,
                public_template=templates.transport_public_key(key_id, label),
                private_template=templates.transport_private_key(key_id, label),
            )
            require(private, templates.generated_transport_key(key_id, label), name)
            require(public, templates.transport_public_key(key_id, label), name)
            self._prove(public, private, name)
            return publickeys.info(_transport_rsa(public, name))

    def _prove(self, public: Any, private: Any, name: str) -> None:
        """A key of no consequence goes there and back; CKA_UNWRAP_TEMPLATE cannot be read, so it is tried."""
        probe = self._objects.session.generate_key(
            KeyType.AES,
            templates.AES_KEY_BYTES * 8,
            store=False,
            capabilities=templates.CONVERSION_CAPABILITIES,
            mechanism=Mechanism.AES_KEY_GEN,
            template=templates.probe(_READABLE),
        )
        wrapped = public.wrap_key(probe, **OAEP)
        back = _unwrap(private, wrapped, templates.probe(templates.BACKUP_COPY))
        if _check_value(back) != _check_value(probe):
            raise TokenRefused(f"generate {name}: a key that it wrapped and unwrapped became another one")
        _require_guarded(private, wrapped, name)
        for item in (probe, back):
            item.destroy()

    def transport_key(self, key_id: bytes) -> bytes:
        """The public half of the private transport key with this CKA_ID, as SubjectPublicKeyInfo (DER).

        Raises:
            KeyMissing, KeyDuplicated, TokenRefused, TokenUnavailable: see there.
        """
        name = self._objects.name(key_id)
        private = self._objects.one(ObjectClass.PRIVATE_KEY, key_id)
        with asking(f"read {name}"):
            return publickeys.info(_transport_rsa(private, name))

    def trusted_key(self, key_id: bytes) -> bytes:
        """The public key with this CKA_ID, as SubjectPublicKeyInfo (DER), if the SO has trusted it to wrap.

        Raises:
            AttributeMismatch: it is not trusted, does not wrap, or is not RSA of 3072 bits or more.
            KeyMissing, KeyDuplicated, TokenRefused, TokenUnavailable: see there.
        """
        return self._trusted(key_id)[1]

    def _trusted(self, key_id: bytes) -> tuple[Any, bytes]:
        name = self._objects.name(key_id)
        public = self._objects.one(ObjectClass.PUBLIC_KEY, key_id)
        with asking(f"read {name}"):
            require(public, templates.TRUSTED_KEY, name, _NOT_TRUSTED)
            return public, publickeys.info(_transport_rsa(public, name))

    def wrap(self, key_id: bytes, trusted_key_id: bytes) -> bytes:
        """A conversion key, encrypted for the token whose transport key the SO has trusted here.

        Raises:
            AttributeMismatch: that key is not trusted; see `trusted_key`.
            KeyMissing, KeyDuplicated, TokenUnavailable: see there.
            TokenRefused: the token refused, as it does when the conversion key is sealed.
        """
        public, _ = self._trusted(trusted_key_id)
        key = self._objects.one(ObjectClass.SECRET_KEY, key_id)
        with asking(f"wrap {self._objects.name(key_id)}"):
            return bytes(public.wrap_key(key, **OAEP))

    def unwrap(
        self, key_id: bytes, label: str, wrapped: bytes, transport_key_id: bytes, check_value: bytes, *, sealed: bool
    ) -> None:
        """Put a wrapped conversion key on this token; compare its attributes and check value, or remove it.

        Not sealed, it is a backup copy, which can go on to another token and converts nothing.

        Raises:
            KeyMissing: no such transport key.
            KeyDuplicated: something on the token has this CKA_ID already.
            WrappedKeyRefused: altered, or wrapped under another transport key.
            CheckValueMismatch: another key was wrapped.
            AttributeMismatch, TokenRefused, TokenUnavailable: see there.
        """
        transport, name = self._transport_private(transport_key_id), self._objects.require_unused(key_id)
        kind = templates.RESTORED if sealed else templates.BACKUP_COPY
        template = templates.unwrapped_conversion_key(key_id, label, kind)
        with Undo(self._objects, key_id), asking(f"unwrap {name}"):
            try:
                key = _unwrap(transport, wrapped, template)
            except _OPENS_NOT as error:
                raise _refused(name, error) from error
            require(key, {**template, **templates.UNWRAPPED}, name)
            require_check_value(_check_value(key), check_value, name)

    def _transport_private(self, key_id: bytes) -> Any:
        name = self._objects.name(key_id)
        private = self._objects.one(ObjectClass.PRIVATE_KEY, key_id)
        with asking(f"read {name}"):
            require(private, templates.USABLE_TRANSPORT_KEY, name, _NO_TRANSPORT_KEY)
        return private


def _unwrap(private: Any, wrapped: bytes, template: templates.Template) -> Any:
    return private.unwrap_key(
        ObjectClass.SECRET_KEY,
        KeyType.AES,
        wrapped,
        id=template[Attribute.ID],
        label=template[Attribute.LABEL],
        store=template[Attribute.TOKEN],
        capabilities=templates.CONVERSION_CAPABILITIES,
        template=template,
        **OAEP,
    )


def _check_value(key: Any) -> bytes:
    return check_value_of(key.encrypt(CHECK_BLOCK, mechanism=Mechanism.AES_ECB))


def _require_guarded(private: Any, wrapped: bytes, name: str) -> None:
    """An unwrap that lays the key's bytes open must fail."""
    try:
        _unwrap(private, wrapped, {**templates.probe(_READABLE), Attribute.SENSITIVE: False})
    except PKCS11Error:
        return
    raise UnwrapUnguarded(
        f"{name}: the token unwraps with it a key whose bytes can be read (CKA_UNWRAP_TEMPLATE does nothing)",
        "conversion keys must not go to this token; take another",
    )


def _transport_rsa(public: Any, name: str) -> rsa.RSAPublicKey:
    key = publickeys.of_object(public)
    shortest = publickeys.SHORTEST_TRANSPORT_RSA
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < shortest:
        size = key.key_size if key else None
        raise mismatch(name, Attribute.MODULUS_BITS, size, f"{shortest} or more", _NO_TRANSPORT_KEY)
    return key


def _refused(name: str, error: PKCS11Error) -> WrappedKeyRefused:
    return WrappedKeyRefused(
        f"unwrap {name}: the transport key does not open it ({code_name(error)})",
        "it was altered on the way, or wrapped for another token",
    )
