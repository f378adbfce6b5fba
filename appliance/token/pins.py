"""The token's user PIN, set anew: by whoever has the present one (C_SetPIN), or by the security officer (C_InitPIN).

PKCS#11 v2.40 base specification, sections 5.5 and 5.6. One attempt to log in; what must happen before the PIN changes
happens while the session is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pkcs11 import PKCS11Error

from appliance.token import slots
from appliance.token.errors import translate
from appliance.token.guard import OWNER
from appliance.token.login import SECURITY_OFFICER, USER, Account, log_in


class PinSetter:
    """A session that may set the user PIN of its token. Make one with `changing` or `initialising`."""

    def __init__(self, handle: Any, session: Any, present: str | None) -> None:
        self.label, self.serial = slots.name_of(handle)
        self._described = slots.described(handle)
        self._session = session
        self._present = present

    def set(self, new: str) -> None:
        """Set the user PIN, with one attempt.

        Raises:
            TokenRefused: the token said no, and its PIN is what it was.
            TokenUnavailable: the token was lost meanwhile; which PIN it has now is not known.
        """
        OWNER.claim()
        refused: PKCS11Error | None = None
        try:
            if self._present is None:
                self._session.init_pin(new)
            else:
                self._session.set_pin(self._present, new)
        except PKCS11Error as error:
            refused = error.with_traceback(None)
        finally:
            new = ""  # a traceback shows its frames' variables to whoever asks
        if refused is not None:
            raise translate(refused, f"set the user PIN of {self._described}") from None


@contextmanager
def changing(module: Path, *, label: str | None, serial: str | None, pin: str) -> Iterator[PinSetter]:
    """Logged in with the present user PIN; the context's end logs out.

    Raises:
        TokenModuleError, TokenNotFound: see there.
        PinWrong, PinLocked, PinNeeded, TokenUnavailable, TokenRefused: see there.
    """
    try:
        setter, session = _opened(module, label, serial, USER, pin)
    finally:
        pin = ""
    with _logged_out_after(session):
        yield setter


@contextmanager
def initialising(module: Path, *, label: str | None, serial: str | None, so_pin: str) -> Iterator[PinSetter]:
    """Logged in as the security officer, who needs no present user PIN; the context's end logs out.

    Raises:
        TokenModuleError, TokenNotFound: see there.
        PinWrong, PinLocked, PinNeeded, TokenUnavailable, TokenRefused: see there; of the security officer's PIN.
    """
    try:
        setter, session = _opened(module, label, serial, SECURITY_OFFICER, so_pin)
    finally:
        so_pin = ""
    with _logged_out_after(session):
        yield setter


def _opened(module: Path, label: str | None, serial: str | None, account: Account, pin: str) -> tuple[PinSetter, Any]:
    OWNER.claim()
    try:
        handle = slots.find(slots.load(module), label, serial)
        session = log_in(handle, account, pin, writable=True)
        return PinSetter(handle, session, pin if account is USER else None), session
    finally:
        pin = ""


@contextmanager
def _logged_out_after(session: Any) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(PKCS11Error):  # the first error is the one to report
            session.close()
