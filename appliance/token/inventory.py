"""What an open token holds, whatever its kind: listed, read, relabelled, removed."""

from __future__ import annotations

from pkcs11 import Attribute

from appliance.token.errors import asking
from appliance.token.objects import KEYS, ObjectFacts, Objects
from appliance.token.readback import read, report, require


class Inventory:
    """A part of `Token`."""

    _objects: Objects

    def attributes(self, key_id: bytes) -> dict[str, bool | int | str]:
        """A secret or private key's attributes, read from the token: ``{"sensitive": True, …}``.

        Raises:
            KeyMissing, KeyDuplicated, TokenRefused, TokenUnavailable: see there.
        """
        key = self._objects.one_key(key_id)
        with asking(f"read {self._objects.name(key_id)}"):
            return report(key)

    def key_ids(self) -> list[bytes]:
        """The CKA_IDs of all secret and private keys, sorted; one that is there twice is listed twice.

        Raises:
            TokenRefused, TokenUnavailable: see there.
        """
        return self._objects.key_ids()

    def objects(self) -> list[ObjectFacts]:
        """Everything stored on the token, of every class, sorted.

        Raises:
            TokenRefused, TokenUnavailable: see there.
        """
        return self._objects.facts()

    def has(self, key_id: bytes) -> bool:
        """Whether anything on the token, of any class, has this CKA_ID.

        Raises:
            TokenRefused, TokenUnavailable: see there.
        """
        return bool(self._objects.search({Attribute.ID: key_id}))

    def label(self, key_id: bytes) -> str:
        """The label of the key with this CKA_ID, or of the public key that is there alone.

        Raises:
            KeyMissing, KeyDuplicated, TokenRefused, TokenUnavailable: see there.
        """
        found = self._objects.bearing(key_id)
        with asking(f"read {self._objects.name(key_id)}"):
            keys = [item for item in found if item[Attribute.CLASS] in KEYS]
            return str(read((keys or found)[0], Attribute.LABEL) or "")

    def relabel(self, key_id: bytes, label: str) -> None:
        """Give everything with this CKA_ID another label; what has it already stays as it is.

        Raises:
            AttributeMismatch: the token answered well and kept the old label.
            TokenRefused: it cannot be changed, as signing and transport keys cannot.
            KeyMissing, KeyDuplicated, TokenUnavailable: see there.
        """
        name = self._objects.name(key_id)
        found = self._objects.bearing(key_id)
        with asking(f"relabel {name}"):
            for item in found:
                if read(item, Attribute.LABEL) != label:
                    item[Attribute.LABEL] = label
                require(item, {Attribute.LABEL: label}, name)

    def destroy(self, key_id: bytes) -> None:
        """Remove a key, with its public key and certificate if it has them, and prove its absence.

        Raises:
            KeyMissing: nothing on the token has this CKA_ID.
            KeyDuplicated: several secret or private keys have it; nothing was removed.
            TokenRefused, TokenUnavailable: see there.
        """
        self._objects.destroy(key_id)

    def remove(self, key_id: bytes) -> bool:
        """Remove whatever has this CKA_ID, and prove its absence; whether there was anything.

        Raises:
            KeyDuplicated: several secret or private keys have it; nothing was removed.
            TokenRefused, TokenUnavailable: see there.
        """
        there = self.has(key_id)
        if there:
            self.destroy(key_id)
        return there
