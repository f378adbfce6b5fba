"""A token, logged in once: its keys made, found, read back, used and destroyed.

The session that logged in is closed last, because closing it logs the whole process out; every stream of
blocks has a session of its own, opened without a PIN. Keys are bound by CKA_ID and check value, never by
label: labels are not unique, and a wrong key would give plausible wrong people.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error

from appliance.token import publickeys, slots, templates
from appliance.token.errors import CertificateRefused, KeyMissing, TokenRefused, asking, translate_login
from appliance.token.guard import OWNER
from appliance.token.objects import Objects, Undo
from appliance.token.signing import TokenSigner
from appliance.token.stream import CHECK_BLOCK, BlockStream, check_value_of, require_check_value

if TYPE_CHECKING:
    from appliance.numbers.ff1 import EncryptBlocks


@dataclass(frozen=True)
class TokenFacts:
    """The token as it names itself."""

    label: str
    serial: str
    manufacturer: str
    model: str


class Token:
    """An open token; a context manager. Make one with `Token.open`."""

    def __init__(self, handle: Any, session: Any) -> None:
        self._handle = handle
        self._objects = Objects(session, slots.described(handle))
        self._streams: list[tuple[Any, BlockStream]] = []
        label, serial = slots.name_of(handle)
        self.facts = TokenFacts(label, serial, handle.manufacturer_id.strip("\0 "), handle.model.strip("\0 "))
        _OPEN.add(self)

    @classmethod
    def open(cls, module: Path, *, label: str | None, serial: str | None, pin: str, writable: bool = False) -> Self:
        """Log in to the one token with this label and serial number, with one attempt.

        Raises:
            TokenModuleError: the module cannot be used.
            TokenNotFound: no such token, or several.
            PinWrong, PinLocked, PinNeeded: see there.
            TokenUnavailable, TokenRefused: see there.
            WrongThread: another thread of this process uses PKCS#11.
        """
        OWNER.claim()
        handle = slots.find(slots.load(module), label, serial)
        slots.check_login(handle, pin, writable)
        refused: PKCS11Error | None = None
        try:
            session = handle.open(rw=writable, user_pin=pin)
        except PKCS11Error as error:
            refused = error.with_traceback(None)
        finally:
            pin = ""  # a traceback shows its frames' variables to whoever asks
        if refused is not None:
            raise translate_login(refused, slots.described(handle)) from None
        return cls(handle, session)

    # --- keys that convert ---------------------------------------------------------------------

    def generate_conversion_key(self, key_id: bytes, label: str) -> None:
        """Make a conversion key on the token, read it back and compare; destroy it if it differs.

        Raises:
            KeyDuplicated: something on the token has this CKA_ID already.
            AttributeMismatch: naming the attribute.
            TokenRefused, TokenUnavailable: see there.
        """
        name = self._objects.require_unused(key_id)
        with Undo(self._objects, key_id), asking(f"generate {name}"):
            key = self._objects.session.generate_key(
                KeyType.AES,
                templates.AES_KEY_BYTES * 8,
                id=key_id,
                label=label,
                store=True,
                capabilities=templates.CONVERSION_CAPABILITIES,
                mechanism=Mechanism.AES_KEY_GEN,
                template=templates.conversion_key(key_id, label),
            )
            templates.require(key, templates.generated_conversion_key(key_id, label), name)

    def check_value(self, key_id: bytes) -> bytes:
        """The check value (KCV) of a conversion key, 6 bytes.

        Raises:
            KeyMissing, KeyDuplicated, TokenRefused, TokenUnavailable: see there.
        """
        key = self._objects.one(ObjectClass.SECRET_KEY, key_id)
        with asking(f"check value of {self._objects.name(key_id)}"):
            templates.require(key, {Attribute.ENCRYPT: True}, self._objects.name(key_id))
            return check_value_of(key.encrypt(CHECK_BLOCK, mechanism=Mechanism.AES_ECB))

    def encrypt_blocks(self, key_id: bytes, check_value: bytes) -> EncryptBlocks:
        """AES-ECB with a conversion key, over 16*n bytes, in a session of its own.

        The check value is computed by the very operation that then serves; the attributes are checked
        as well. The function works until this token is closed, or anything goes wrong with it.

        Raises:
            KeyMissing, KeyDuplicated: the CKA_ID is on the token not once.
            CheckValueMismatch: it is another key.
            AttributeMismatch: the key could do more than encrypt, or leave the token.
            TokenRefused, TokenUnavailable: see there; by the function, too.
        """
        name = self._objects.name(key_id)

        def find(session: Any) -> Any:
            key = self._objects.one(ObjectClass.SECRET_KEY, key_id, session)
            templates.require(key, templates.USABLE_CONVERSION_KEY, name)
            return key

        return self._stream(find, lambda found: require_check_value(found, check_value, name))

    def import_session_key(self, value: bytes) -> EncryptBlocks:
        """AES-ECB with known key bytes, for known-answer runs: a session object, never stored.

        Raises:
            TokenRefused, TokenUnavailable: see there.
        """
        return self._stream(lambda session: session.create_object(templates.session_key(value)), lambda _: None)

    def _stream(self, find: Callable[[Any], Any], check: Callable[[bytes], None]) -> EncryptBlocks:
        """The encrypting function over the key that ``find`` finds, if ``check`` accepts its check value."""
        _ = self._objects.session  # raises when closed
        stream: BlockStream | None = None
        with asking("open a stream of blocks"):
            session: Any = self._handle.open()
            try:
                stream = BlockStream(find(session))
                check(check_value_of(stream.encrypt(CHECK_BLOCK)))
            except BaseException:
                _end(session, stream)
                raise
        self._streams.append((session, stream))
        return stream.encrypt

    # --- keys that sign ------------------------------------------------------------------------

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
            templates.require(private, templates.generated_signing_key(key_id, label), name)
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
            templates.require(stored, {Attribute.VALUE: der, Attribute.ID: key_id}, name)

    def certificates(self) -> list[tuple[bytes, str, bytes]]:
        """CKA_ID, label and DER of every certificate on the token.

        Raises:
            TokenRefused, TokenUnavailable: see there.
        """
        found = self._objects.search({Attribute.CLASS: ObjectClass.CERTIFICATE})
        wanted = (Attribute.ID, Attribute.LABEL, Attribute.VALUE)
        with asking("list the certificates"):
            rows = [tuple(templates.read(item, attribute) for attribute in wanted) for item in found]
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

    # --- any key -------------------------------------------------------------------------------

    def attributes(self, key_id: bytes) -> dict[str, bool | int | str]:
        """A secret or private key's attributes, read from the token: ``{"sensitive": True, …}``.

        Raises:
            KeyMissing, KeyDuplicated, TokenRefused, TokenUnavailable: see there.
        """
        key = self._objects.one_key(key_id)
        with asking(f"read {self._objects.name(key_id)}"):
            return templates.report(key)

    def key_ids(self) -> list[bytes]:
        """The CKA_IDs of all secret and private keys, sorted; one that is there twice is listed twice.

        Raises:
            TokenRefused, TokenUnavailable: see there.
        """
        return self._objects.key_ids()

    def destroy(self, key_id: bytes) -> None:
        """Remove a key, with its public key and certificate if it has them, and prove its absence.

        Raises:
            KeyMissing: nothing on the token has this CKA_ID.
            KeyDuplicated: several secret or private keys have it; nothing was removed.
            TokenRefused, TokenUnavailable: see there.
        """
        self._objects.destroy(key_id)

    # --- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """End all streams and log out. A second call does nothing.

        Raises:
            TokenUnavailable, TokenRefused: logging out failed; everything else is closed all the same.
        """
        OWNER.claim()
        logged_in = self._objects.release()
        if logged_in is None:
            return
        _OPEN.discard(self)
        for session, stream in self._streams:
            _end(session, stream)
        self._streams.clear()
        with asking(f"log out of {self._objects.described}"):
            logged_in.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Exception:
            if error is None:  # else the first error is the one to report
                raise


def _end(session: Any, stream: BlockStream | None) -> None:
    """The operation first: what is left of it must not meet a later session of the same handle."""
    if stream is not None:
        stream.close()
    with suppress(PKCS11Error):
        session.close()


_OPEN: WeakSet[Token] = WeakSet()


@atexit.register
def _close_all() -> None:
    """A stream must not outlive the module, which the interpreter unloads at its end."""
    for token in list(_OPEN):
        with suppress(Exception):
            token.close()
