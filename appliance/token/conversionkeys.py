"""Keys that convert, on an open token: made, sealed, checked, and taken into use as streams of blocks.

Every stream of blocks has a session of its own, opened without a PIN.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error

from appliance.token import templates
from appliance.token.calls import Functions
from appliance.token.errors import asking
from appliance.token.objects import Objects, Undo
from appliance.token.readback import read, require, require_usable
from appliance.token.stream import CHECK_BLOCK, BlockStream, check_value_of, require_check_value

if TYPE_CHECKING:
    pass


class ConversionKeys:
    """A part of `Token`."""

    _handle: Any
    _functions: Functions
    _objects: Objects
    _streams: list[tuple[Any, BlockStream]]

    def generate_conversion_key(self, key_id: bytes, label: str, *, backed_up: bool = False) -> None:
        """Make a conversion key on the token, read it back and compare; destroy it if it differs.

        A backed-up one can be wrapped under a trusted key, and converts nothing, until it is sealed.

        Raises:
            KeyDuplicated: something on the token has this CKA_ID already.
            AttributeMismatch: naming the attribute.
            TokenRefused, TokenUnavailable: see there.
        """
        name = self._objects.require_unused(key_id)
        kind = templates.BACKED_UP if backed_up else templates.NEVER_EXTRACTABLE
        with Undo(self._objects, key_id), asking(f"generate {name}"):
            key = self._objects.session.generate_key(
                KeyType.AES,
                templates.AES_KEY_BYTES * 8,
                id=key_id,
                label=label,
                store=True,
                capabilities=templates.CONVERSION_CAPABILITIES,
                mechanism=Mechanism.AES_KEY_GEN,
                template=templates.conversion_key(key_id, label, kind),
            )
            require(key, templates.generated_conversion_key(key_id, label, kind), name)

    def seal(self, key_id: bytes) -> None:
        """Let a conversion key never leave the token again; one that is sealed stays as it is.

        Raises:
            AttributeMismatch: the token answered well and left it extractable.
            KeyMissing, KeyDuplicated, TokenRefused, TokenUnavailable: see there.
        """
        name = self._objects.name(key_id)
        key = self._objects.one(ObjectClass.SECRET_KEY, key_id)
        with asking(f"seal {name}"):
            if read(key, Attribute.EXTRACTABLE) is not False:
                key[Attribute.EXTRACTABLE] = False
            require(key, {Attribute.EXTRACTABLE: False}, name)

    def check_value(self, key_id: bytes) -> bytes:
        """The check value (KCV) of a conversion key, 6 bytes.

        Raises:
            KeyMissing, KeyDuplicated, TokenRefused, TokenUnavailable: see there.
        """
        key = self._objects.one(ObjectClass.SECRET_KEY, key_id)
        with asking(f"check value of {self._objects.name(key_id)}"):
            require(key, {Attribute.ENCRYPT: True}, self._objects.name(key_id))
            return check_value_of(key.encrypt(CHECK_BLOCK, mechanism=Mechanism.AES_ECB))

    def encrypt_blocks(self, key_id: bytes, check_value: bytes) -> BlockStream:
        """AES-ECB with a conversion key, over 16*n bytes, in a session of its own.

        The check value is computed by the very operation that then serves (and whose canary its block stays); the
        attributes are checked as well. The function (a `BlockStream`) works until this token is closed, or anything
        goes wrong with it.

        Raises:
            KeyMissing, KeyDuplicated: the CKA_ID is on the token not once.
            CheckValueMismatch: it is another key.
            AttributeMismatch: the key could do more than encrypt, or leave the token.
            CiphertextAltered: the check block was answered in two ways.
            TokenRefused, TokenUnavailable: see there; by the function, too.
            AnotherKeyAnswered: by the function: see there.
        """
        name = self._objects.name(key_id)

        def find(session: Any) -> Any:
            key = self._objects.one(ObjectClass.SECRET_KEY, key_id, session)
            require_usable(key, name)
            return key

        return self._stream(find, lambda found: require_check_value(found, check_value, name))

    def import_session_key(self, value: bytes) -> BlockStream:
        """AES-ECB with known key bytes, for known-answer runs: a session object, never stored.

        Raises:
            TokenRefused, TokenUnavailable: see there.
        """
        return self._stream(lambda session: session.create_object(templates.session_key(value)), lambda _: None)

    def _stream(self, find: Callable[[Any], Any], check: Callable[[bytes], None]) -> BlockStream:
        """The encrypting function over the key that ``find`` finds, if ``check`` accepts its check value."""
        _ = self._objects.session  # raises when closed
        stream: BlockStream | None = None
        with asking("open a stream of blocks"):
            session: Any = self._handle.open()
            try:
                stream = BlockStream(self._functions.begin(session.handle, find(session).handle))
                check(check_value_of(stream.canary))
            except BaseException:
                _end(session, stream)
                raise
        self._streams.append((session, stream))
        return stream

    def _end_streams(self) -> None:
        for session, stream in self._streams:
            _end(session, stream)
        self._streams.clear()


def _end(session: Any, stream: BlockStream | None) -> None:
    """The operation first: what is left of it must not meet a later session of the same handle."""
    if stream is not None:
        stream.close()
    with suppress(PKCS11Error):
        session.close()
