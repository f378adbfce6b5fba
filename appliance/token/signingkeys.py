"""Keys that sign, on an open token: the pair made, its certificate kept beside it, the signer found."""

from __future__ import annotations

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from appliance.token import publickeys, templates
from appliance.token.errors import CertificateRefused, KeyMissing, TokenRefused, asking
from appliance.token.objects import Objects, Undo
from appliance.token.readback import read, require
from appliance.token.signing import TokenSigner


class SigningKeys:
    """A part of `Token`."""

    _objects: Objects

    def generate_signing_key(self, key_id: bytes, label: str) -> bytes:
        """Make an EC P-256 pair on the token; the public key as SubjectPublicKeyInfo (DER).

        Raises:
            KeyDuplicated, AttributeMismatch, TokenRefused, TokenUnavailable: as for conversion keys.
        """
        name = self._objects.require_unused(key_id)
        with Undo(self._objects, key_id), asking(f"generate {name}"):
            public, private = self._objects.session.generate_keypair(
                KeyType.EC,
                id=key_id,
                label=label,
                store=True,
                capabilities=templates.SIGNING_CAPABILITIES,
                mechanism=Mechanism.EC_KEY_PAIR_GEN,
                public_template=templates.signing_public_key(key_id, label),
                private_template=templates.signing_private_key(key_id, label),
            )
            require(private, templates.generated_signing_key(key_id, label), name)
            key = publickeys.of_object(public)
            if key is None:
                raise TokenRefused(f"generate {name}: the token shows no P-256 public key for it")
            TokenSigner(private, key, b"", name).sign(b"kagimori/key-proof/v1")
        return publickeys.info(key)

    def store_certificate(self, key_id: bytes, label: str, der: bytes) -> None:
        """Put the certificate of a signing key beside it.

        Raises:
            CertificateRefused: unreadable, for another public key, or the key has one already.
            KeyMissing, TokenRefused, TokenUnavailable: see there.
        """
        name = self._objects.name(key_id)
        if publickeys.info(publickeys.of_certificate(der)) != publickeys.info(self._public_key(key_id)):
            raise CertificateRefused(f"{name}: the certificate is for another public key", "make it from this key's")
        if self._objects.search({Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.ID: key_id}):
            raise CertificateRefused(f"{name}: it has a certificate already", "nothing is overwritten; take a new key")
        template = templates.certificate(key_id, label, der, publickeys.names(der))
        with asking(f"store the certificate of {name}"):
            stored = self._objects.session.create_object(template)
            require(stored, {Attribute.VALUE: der, Attribute.ID: key_id}, name)

    def certificates(self) -> list[tuple[bytes, str, bytes]]:
        """CKA_ID, label and DER of every certificate on the token.

        Raises:
            TokenRefused, TokenUnavailable: see there.
        """
        found = self._objects.search({Attribute.CLASS: ObjectClass.CERTIFICATE})
        wanted = (Attribute.ID, Attribute.LABEL, Attribute.VALUE)
        with asking("list the certificates"):
            rows = [tuple(read(item, attribute) for attribute in wanted) for item in found]
        return sorted((key_id or b"", label or "", der) for key_id, label, der in rows if der)

    def signer(self, certificate: bytes, key_id: bytes | None = None) -> TokenSigner:
        """The signer for a certificate; every signature is verified with the certificate's public key.

        The private key is the one that shares its CKA_ID with the certificate on the token, or with another
        certificate or public key of the same key there. With a ``key_id`` that one is taken; then the
        certificate may be empty (there is none yet), and the token's own public key verifies.

        Raises:
            CertificateRefused: unreadable, or a kind of key that is not signed with.
            KeyMissing, KeyDuplicated: no such private key, or several.
            TokenRefused, TokenUnavailable: see there.
        """
        if key_id is None:
            key_id = self._id_for(certificate)
        public = publickeys.of_certificate(certificate) if certificate else self._public_key(key_id)
        private = self._objects.one(ObjectClass.PRIVATE_KEY, key_id)
        with asking(f"read {self._objects.name(key_id)}"):
            return TokenSigner(private, public, certificate, self._objects.name(key_id))

    def _id_for(self, certificate: bytes) -> bytes:
        wanted = publickeys.info(publickeys.of_certificate(certificate))
        for key_id, _, der in self.certificates():
            if der == certificate or publickeys.info_of_certificate(der) == wanted:
                return key_id
        for item in self._objects.search({Attribute.CLASS: ObjectClass.PUBLIC_KEY}):
            public = publickeys.of_object(item)
            if public is not None and publickeys.info(public) == wanted:
                return bytes(item[Attribute.ID])
        raise KeyMissing(f"{self._objects.described}: it holds no key for this certificate", "is this the right token?")

    def _public_key(self, key_id: bytes) -> publickeys.PublicKey:
        public = publickeys.of_object(self._objects.one(ObjectClass.PUBLIC_KEY, key_id))
        if public is None:
            raise KeyMissing(f"{self._objects.name(key_id)}: its public key is not of a kind that is signed with")
        return public
