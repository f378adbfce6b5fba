"""A token, logged in once: its keys made, found, read back, used and destroyed.

The session that logged in is closed last, because closing it logs the whole process out; every stream of
blocks has a session of its own, opened without a PIN. Keys are bound by CKA_ID and check value, never by
label: labels are not unique, and a wrong key would give plausible wrong people.
"""

from __future__ import annotations

import atexit
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from appliance.token import login, slots
from appliance.token.calls import Functions
from appliance.token.conversionkeys import ConversionKeys
from appliance.token.errors import asking
from appliance.token.features import Features
from appliance.token.guard import OWNER
from appliance.token.inventory import Inventory
from appliance.token.logkeys import LogKeys
from appliance.token.objects import Objects
from appliance.token.signingkeys import SigningKeys
from appliance.token.stream import BlockStream
from appliance.token.transport import TransportKeys


@dataclass(frozen=True)
class TokenFacts:
    """The token as it names itself."""

    label: str
    serial: str
    manufacturer: str
    model: str


class Token(ConversionKeys, TransportKeys, SigningKeys, LogKeys, Inventory, Features):
    """An open token; a context manager. Make one with `Token.open`; what it can do is in the classes it is made of."""

    def __init__(self, handle: Any, session: Any, functions: Functions) -> None:
        self._handle = handle
        self._functions = functions
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
        try:
            handle = slots.find(slots.load(module), label, serial)
            functions = Functions(module)
            return cls(handle, login.log_in(handle, login.USER, pin, writable=writable), functions)
        finally:
            pin = ""  # a traceback shows its frames' variables to whoever asks

    @property
    def login_session(self) -> Any:
        """The session that logged in, for trials of the token (`appliance.token.trials`).

        Raises:
            TokenUnavailable: it was closed.
        """
        return self._objects.session

    @property
    def slot_token(self) -> Any:
        """The token as python-pkcs11 has it, for further sessions; for trials as well."""
        return self._handle

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
        self._end_streams()
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


_OPEN: WeakSet[Token] = WeakSet()


@atexit.register
def _close_all() -> None:
    """A stream must not outlive the module, which the interpreter unloads at its end."""
    for token in list(_OPEN):
        with suppress(Exception):
            token.close()
