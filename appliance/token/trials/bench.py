"""What trials work with: a token that is logged in, and scratch objects that are known by their names and removed.

Every scratch object has a CKA_ID that begins with `MARK` and a label that begins with `LABEL`; nothing else is ever
touched. A key of the scratch kind that is *stored* is made by the conversion key's template, less the attributes that
the token does not know: so that what works there can be tried, and told, on tokens that are not fit.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pkcs11 import Attribute, Mechanism, PKCS11Error

from appliance.errors import KagimoriError
from appliance.token import arrays, features, slots, templates
from appliance.token.objects import ObjectFacts, facts_of
from appliance.token.readback import read
from appliance.token.stream import BlockStream
from appliance.token.token import Token
from appliance.token.trials.findings import Missing, NotTried
from appliance.token.trials.raw import Raw

MARK = b"kmqualif"
LABEL = "kagimori-qualify"
_RANDOM = templates.KEY_ID_BYTES - len(MARK)

Made = TypeVar("Made")


@dataclass(frozen=True)
class Terms:
    """Which token, with which PINs. ``so_pin``: None leaves out what its security officer (SO) must do."""

    module: Path
    label: str
    serial: str | None
    pin: str = field(repr=False)
    so_pin: str | None = field(default=None, repr=False)
    quick: bool = False

    def count(self, whole: int, quick: int) -> int:
        """How often something is done."""
        return quick if self.quick else whole


class Bench:
    """A context manager. Leaving it logs out, and leaves what is stored; `sweep` removes that."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._token: Token | None = None
        self._made: dict[str, Any] = {}
        self.trusted: bytes | None = None
        """CKA_ID of the transport key that the SO has trusted in this run."""

    def __enter__(self) -> Bench:
        self.token  # noqa: B018 -- logs in
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out; the next use logs in again."""
        token, self._token = self._token, None
        self._made.clear()  # what is shared belongs to the session
        if token is not None:
            with suppress(KagimoriError):  # a trial that broke the session is told by its finding
                token.close()

    @property
    def token(self) -> Token:
        """The token with its user logged in, for writing.

        Raises:
            TokenError: as `Token.open`.
        """
        if self._token is None:
            self._token = self.opened(writable=True)
        return self._token

    def opened(self, *, writable: bool) -> Token:
        """The token opened once more; close it."""
        one = self.terms
        return Token.open(one.module, label=one.label, serial=one.serial, pin=one.pin, writable=writable)

    def log_in_again(self) -> str:
        """C_Login once more in this process, with the PIN that is known to be right; the return code's name."""
        return self.raw.log_in(self.session.handle, self.terms.pin)

    def library(self) -> Any:
        """The module as python-pkcs11 has it."""
        self.token  # noqa: B018 -- loads the module
        return slots.load(self.terms.module)

    @property
    def session(self) -> Any:
        """The session that logged in."""
        return self.token.login_session

    @contextmanager
    def another_session(self, *, writable: bool = False) -> Iterator[Any]:
        """A session that logs nobody in."""
        session = self.token.slot_token.open(rw=writable, attribute_mapper=arrays.mapper())
        try:
            yield session
        finally:
            with suppress(PKCS11Error):
                session.close()

    @cached_property
    def raw(self) -> Raw:
        """The module's functions as they are."""
        self.token  # noqa: B018 -- loads the module
        return Raw(self.terms.module)

    @cached_property
    def unknown(self) -> dict[Attribute, str]:
        """Attributes of the conversion key's template that the token refuses, with the code it gives.

        Tried on stored keys: some tokens take anything in a session object.
        """
        template = templates.conversion_key(new_id(), label("probe"), templates.NEVER_EXTRACTABLE)
        return features.refused_attributes(self.session, template)

    def known(self, template: templates.Template) -> dict[Attribute, Any]:
        """A template without those."""
        return {name: value for name, value in template.items() if name not in self.unknown}

    def require_known(self, attribute: Attribute) -> None:
        """Raises `Missing` if the token refuses an attribute of a template."""
        if (code := self.unknown.get(attribute)) is not None:
            raise Missing(f"CKA_{attribute.name} in a template is refused with {code}")

    def session_key(self, **others: Any) -> Any:
        """A conversion key of the scratch kind that is a session object; ``others``: attributes by name."""
        template = self.known(templates.probe(templates.NEVER_EXTRACTABLE))
        return features.make(self.session, {**template, **_attributes(others)})

    @contextmanager
    def stored_key(self, what: str = "key", **others: Any) -> Iterator[tuple[bytes, Any]]:
        """A stored conversion key of the scratch kind, its CKA_ID and itself; removed at the end."""
        key_id = new_id()
        template = self.known(templates.conversion_key(key_id, label(what), templates.NEVER_EXTRACTABLE))
        try:
            yield key_id, features.make(self.session, {**template, **_attributes(others)})
        finally:
            with suppress(KagimoriError):  # what stays is swept, and told, at the end
                self.drop(key_id)

    def drop(self, key_id: bytes) -> None:
        """Remove whatever has a CKA_ID of the scratch kind."""
        if not key_id.startswith(MARK):
            raise ValueError("not of the scratch kind")
        self.token.remove(key_id)

    def stream(self, key_id: bytes) -> BlockStream:
        """AES with a stored key, in a session of its own, as an engine takes it into use."""
        return self.token.encrypt_blocks(key_id, self.token.check_value(key_id))

    def imported(self, value: bytes) -> Callable[[bytes], bytes]:
        """AES-ECB with known key bytes, imported as a session object."""
        key = self.session.create_object(self.known(templates.session_key(value)))
        return lambda blocks: bytes(key.encrypt(blocks, mechanism=Mechanism.AES_ECB))

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """What several trials share, made by the first of them."""
        if name not in self._made:
            self._made[name] = make()
        made: Made = self._made[name]
        return made

    def so_pin(self) -> str:
        """The security officer's PIN.

        Raises:
            NotTried: it was not given.
        """
        if self.terms.so_pin is None:
            raise NotTried("needs the PIN of the token's security officer: --so-pin-file")
        return self.terms.so_pin

    def everything(self) -> list[ObjectFacts]:
        """All objects that this process sees, also those that do not say that they are stored.

        SoftHSM leaves some when it refuses to create an object: without any attribute, so that no search by one finds
        them.
        """
        return sorted(facts_of(item) for item in list(self.session.get_objects({})))

    def scratch(self) -> list[ObjectFacts]:
        """Stored objects of the scratch kind."""
        return [one for one in self.token.objects() if is_scratch(one)]

    def sweep(self) -> int:
        """Remove every stored object of the scratch kind; how many there were.

        Raises:
            TokenError: one of them stays.
        """
        found = self.session.get_objects({Attribute.TOKEN: True})
        mine = [item for item in list(found) if _is_mine(item)]
        for item in mine:
            item.destroy()
        return len(mine)


def new_id() -> bytes:
    """A CKA_ID for a scratch object, 16 bytes."""
    return MARK + secrets.token_bytes(_RANDOM)


def label(what: str) -> str:
    """A label for a scratch object."""
    return f"{LABEL} {what}"


def is_scratch(one: ObjectFacts) -> bool:
    """Whether a stored object is a scratch object, of this run or of one before: by its CKA_ID and its label."""
    return one.key_id.startswith(MARK) and one.label.startswith(LABEL)


def _attributes(by_name: dict[str, Any]) -> dict[Attribute, Any]:
    return {Attribute[name]: value for name, value in by_name.items()}


def _is_mine(item: Any) -> bool:
    key_id, called = read(item, Attribute.ID), read(item, Attribute.LABEL)
    return bytes(key_id or b"").startswith(MARK) and str(called or "").startswith(LABEL)
