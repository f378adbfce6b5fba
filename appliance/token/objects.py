"""What is on a token: searched, found exactly once by CKA_ID, removed, and named in messages.

A search that is not read to its end blocks its session, so every one is. Only stored objects count:
the session objects of known-answer runs are never found here.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pkcs11 import Attribute, ObjectClass

from appliance.errors import KagimoriError
from appliance.token import templates
from appliance.token.errors import KeyDuplicated, KeyMissing, TokenRefused, TokenUnavailable, asking
from appliance.token.guard import OWNER
from appliance.token.readback import read

KEYS = (ObjectClass.SECRET_KEY, ObjectClass.PRIVATE_KEY)


@dataclass(frozen=True, order=True)
class ObjectFacts:
    """A stored object: its CKA_ID, its class (``secret_key``, ``certificate``, …), its label, and CKA_TRUSTED."""

    key_id: bytes
    kind: str
    label: str
    trusted: bool


class Objects:
    """The stored objects, seen through the session that logged in. ``described`` names the token."""

    def __init__(self, session: Any, described: str) -> None:
        self.described = described
        self._session: Any = session

    @property
    def session(self) -> Any:
        """The session that logged in.

        Raises:
            TokenUnavailable: it was closed.
            WrongThread: another thread uses PKCS#11.
        """
        OWNER.claim()
        if self._session is None:
            raise TokenUnavailable(f"{self.described}: it was closed", "open it again")
        return self._session

    def release(self) -> Any:
        """The session, to be closed; None if it was released before."""
        session, self._session = self._session, None
        return session

    def name(self, key_id: bytes) -> str:
        """A key, for messages."""
        return f"key {key_id.hex()} on {self.described}"

    def search(self, template: templates.Template, session: Any = None) -> list[Any]:
        """All stored objects that fit, in the session that logged in or another one."""
        through = self.session if session is None else session
        with asking("search the token"):
            return list(through.get_objects({Attribute.TOKEN: True, **template}))

    def one(self, kind: ObjectClass, key_id: bytes, session: Any = None) -> Any:
        """The one object of a class with a CKA_ID.

        Raises:
            KeyMissing, KeyDuplicated: there is none, or several.
        """
        return self._exactly_one(self.search({Attribute.CLASS: kind, Attribute.ID: key_id}, session), key_id)

    def one_key(self, key_id: bytes) -> Any:
        """The one secret or private key with a CKA_ID.

        Raises:
            KeyMissing, KeyDuplicated: there is none, or several.
        """
        found = [key for kind in KEYS for key in self.search({Attribute.CLASS: kind, Attribute.ID: key_id})]
        return self._exactly_one(found, key_id)

    def key_ids(self) -> list[bytes]:
        """The CKA_IDs of all secret and private keys, sorted."""
        keys = [key for kind in KEYS for key in self.search({Attribute.CLASS: kind})]
        with asking("list the keys"):
            return sorted(bytes(read(key, Attribute.ID) or b"") for key in keys)

    def bearing(self, key_id: bytes) -> list[Any]:
        """Everything with a CKA_ID: a key, the public key and the certificate that go with it.

        Raises:
            KeyMissing, KeyDuplicated: there is nothing, or several secret or private keys.
        """
        found = self.search({Attribute.ID: key_id})
        if not found:
            raise self._missing(key_id)
        with asking(f"read {self.name(key_id)}"):
            keys = sum(item[Attribute.CLASS] in KEYS for item in found)
        if keys > 1:
            raise self._duplicated(key_id, keys)
        return found

    def facts(self) -> list[ObjectFacts]:
        """Everything stored, sorted."""
        found = self.search({})
        with asking("list the objects"):
            return sorted(facts_of(item) for item in found)

    def destroy(self, key_id: bytes) -> None:
        """Remove a key with what bears the same CKA_ID, and prove the absence. See `Token.destroy`."""
        found = self.bearing(key_id)
        with asking(f"destroy {self.name(key_id)}"):
            for item in found:
                item.destroy()
        if self.search({Attribute.ID: key_id}):
            raise TokenRefused(f"destroy {self.name(key_id)}: it is still there", "look at the token's own log")

    def require_unused(self, key_id: bytes) -> str:
        """The name of a key about to be made.

        Raises:
            KeyDuplicated: something bears the CKA_ID already.
            ValueError: it has not 16 bytes.
        """
        if len(key_id) != templates.KEY_ID_BYTES:
            raise ValueError(f"a CKA_ID has {templates.KEY_ID_BYTES} bytes here, not {len(key_id)}")
        if self.search({Attribute.ID: key_id}):
            raise KeyDuplicated(f"{self.name(key_id)}: the CKA_ID is in use already", "take 16 new random bytes")
        return self.name(key_id)

    def _exactly_one(self, found: list[Any], key_id: bytes) -> Any:
        if not found:
            raise self._missing(key_id)
        if len(found) > 1:
            raise self._duplicated(key_id, len(found))
        return found[0]

    def _missing(self, key_id: bytes) -> KeyMissing:
        return KeyMissing(f"{self.name(key_id)}: it is not there", "is this the right token?")

    def _duplicated(self, key_id: bytes, count: int) -> KeyDuplicated:
        return KeyDuplicated(
            f"{self.name(key_id)}: {count} keys have this CKA_ID", "somebody added one; find out who before going on"
        )


def facts_of(item: Any) -> ObjectFacts:
    """What an object is."""
    kind = read(item, Attribute.CLASS)
    return ObjectFacts(
        key_id=bytes(read(item, Attribute.ID) or b""),
        kind=kind.name.lower() if isinstance(kind, ObjectClass) else "unknown",
        label=str(read(item, Attribute.LABEL) or ""),
        trusted=read(item, Attribute.TRUSTED) is True,
    )


class Undo:
    """A context that removes whatever bears a CKA_ID if making a key fails half-way.

    Raises:
        TokenRefused: it failed, and what was made could not be removed either.
    """

    def __init__(self, objects: Objects, key_id: bytes) -> None:
        self._objects = objects
        self._key_id = key_id

    def __enter__(self) -> None:
        """Nothing yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        try:
            self._objects.destroy(self._key_id)
        except KeyMissing:
            return
        except KagimoriError as second:
            first = error.message if isinstance(error, KagimoriError) else type(error).__name__
            raise TokenRefused(
                f"{first}; and what was made IS STILL ON THE TOKEN ({second.message})", "remove it with its own tools"
            ) from error
