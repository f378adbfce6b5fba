"""Logging in to a token as its user or as its security officer (SO): one attempt, and no PIN in any error.

A traceback shows its frames' variables to whoever asks, so the caller forgets its PIN as well (``finally``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pkcs11 import PKCS11Error, TokenFlag

from appliance.token import arrays, slots
from appliance.token.errors import (
    SO_PIN,
    USER_PIN,
    PinFinalTry,
    PinNeeded,
    TokenRefused,
    locked,
    no_pin_set,
    translate_login,
)


@dataclass(frozen=True)
class Account:
    """Who logs in: how the PIN is called, which argument takes it, and the flags that tell of its counter."""

    pin: str
    argument: str
    locked: TokenFlag
    final_try: TokenFlag


USER = Account(USER_PIN, "user_pin", TokenFlag.USER_PIN_LOCKED, TokenFlag.USER_PIN_FINAL_TRY)
SECURITY_OFFICER = Account(SO_PIN, "so_pin", TokenFlag.SO_PIN_LOCKED, TokenFlag.SO_PIN_FINAL_TRY)


def log_in(handle: Any, account: Account, pin: str, *, writable: bool) -> Any:
    """A session that is logged in, with one attempt.

    Raises:
        PinWrong, PinLocked, PinNeeded: see there.
        TokenUnavailable, TokenRefused: see there.
    """
    refused: PKCS11Error | None = None
    try:
        _check(handle, account, writable, given=bool(pin))
        words = {account.argument: pin}
        session = handle.open(rw=writable, attribute_mapper=arrays.mapper(), **words)
    except PKCS11Error as error:
        refused = error.with_traceback(None)
    finally:
        pin = ""
        words = {}
    if refused is not None:
        raise translate_login(refused, slots.described(handle), account.pin) from None
    return session


def _check(handle: Any, account: Account, writable: bool, *, given: bool) -> None:
    """Everything that can be known before a PIN is tried."""
    name, flags = slots.described(handle), handle.flags
    if flags & account.locked:
        raise locked(name, account.pin)
    if account is USER and not flags & TokenFlag.USER_PIN_INITIALIZED:
        raise no_pin_set(name)
    if flags & account.final_try:
        raise PinFinalTry(
            f"{name}: one more wrong {account.pin} would lock it, so none is tried here",
            f"log in once with the token's own tool and the right {account.pin}; that resets its counter",
        )
    if not given:
        raise PinNeeded(
            f"{name}: no {account.pin} was given", "give its user PIN" if account is USER else "give its SO PIN"
        )
    if writable and flags & TokenFlag.WRITE_PROTECTED:
        raise TokenRefused(f"{name}: it is write-protected", "remove the token's write protection")
