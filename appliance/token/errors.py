"""Every way a token can disappoint, mapped once from PKCS#11's return codes (CKR_…) to words.

python-pkcs11 raises one class per code it knows and a bare PKCS11Error with text for the others; both
end here. No PIN is ever part of an error, and logging in never chains the library's exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from pkcs11 import exceptions as p11

from appliance.errors import KagimoriError


class TokenError(KagimoriError):
    """Something about the token, its PIN or its keys."""

    exit_code: ClassVar[int] = 5


class TokenModuleError(TokenError):
    """The PKCS#11 module cannot be loaded or initialised."""


class TokenNotFound(TokenError):
    """No token has the label and serial number, or several have."""


class PinWrong(TokenError):
    """The PIN was refused. It was tried once."""


class PinLocked(TokenError):
    """The PIN is locked; nothing was tried."""


class PinFinalTry(PinLocked):
    """One more wrong PIN would lock the token; nothing was tried."""


class PinNeeded(TokenError):
    """There is no PIN to log in with, or it must be set or renewed first."""


class KeyMissing(TokenError):
    """No key has the CKA_ID, or belongs to the certificate."""


class KeyDuplicated(TokenError):
    """Several keys have one CKA_ID, or a new key would take one that is in use."""


class CheckValueMismatch(TokenError):
    """A key with the right CKA_ID has other bytes than the ledger's check value says."""


class AnotherKeyAnswered(TokenError):
    """In the middle of an operation, the known block was answered otherwise than when the key was checked."""


class AttributeMismatch(TokenError):
    """An attribute read back from the token is not the one of the template."""


class CertificateRefused(TokenError):
    """A certificate that cannot be read, has an unsuitable key, or does not fit the token's key."""


class TransportKeyRefused(TokenError):
    """A public key that no conversion key may be wrapped under."""


class LogKeyRefused(TokenError):
    """A public key that the log's signatures cannot be verified with."""


class UnwrapUnguarded(TokenError):
    """The token would unwrap a key in a form in which its bytes can be read."""


class WrappedKeyRefused(TokenError):
    """A wrapped key that the transport key does not open."""


class SignatureMismatch(TokenError):
    """A signature just made does not verify with the public key it should."""


class TokenUnavailable(TokenError):
    """The device, the session, the login or the running operation is lost."""


class TokenRefused(TokenError):
    """The token said no for any other reason; the message names it."""


class FeatureMissing(TokenError):
    """The token lacks something that what is to be done with it needs; nothing was made on it."""


class WrongThread(TokenError):
    """A defect: a second thread, or a forked child, touched PKCS#11."""

    exit_code: ClassVar[int] = 70


USER_PIN = "PIN"
SO_PIN = "SO PIN"
_UNAVAILABLE = (
    p11.DeviceError,
    p11.DeviceMemory,
    p11.DeviceRemoved,
    p11.GeneralError,
    p11.HostMemory,
    p11.OperationNotInitialized,
    p11.SessionClosed,
    p11.SessionHandleInvalid,
    p11.SlotIDInvalid,
    p11.TokenNotPresent,
    p11.TokenNotRecognised,
    p11.UserNotLoggedIn,
)
_UNUSUAL_NAMES = {
    "AnotherUserAlreadyLoggedIn": "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
    "FunctionCancelled": "CKR_FUNCTION_CANCELED",
    "RandomNoRNG": "CKR_RANDOM_NO_RNG",
    "TokenNotRecognised": "CKR_TOKEN_NOT_RECOGNIZED",
}
_UNMAPPED_CODES = {
    0x01B: "CKR_ACTION_PROHIBITED",
    0x068: "CKR_KEY_FUNCTION_NOT_PERMITTED",
    0x0E2: "CKR_TOKEN_WRITE_PROTECTED",
    0x150: "CKR_BUFFER_TOO_SMALL",
}
_HINTS: dict[type[p11.PKCS11Error], str] = {
    p11.SessionReadOnly: "open the token for writing",
    p11.TokenWriteProtected: "remove the token's write protection",
    p11.MechanismInvalid: "the token lacks the mechanism; take one that has it",
    p11.UserAlreadyLoggedIn: "this process has the token open already",
    p11.SessionCount: "the token has no session left; close other programs that use it",
    p11.DeviceMemory: "the token is full",
    p11.AnotherUserAlreadyLoggedIn: "close the token first: its user and its security officer (SO) exclude each other",
    p11.SessionReadOnlyExists: "close the token first: its security officer (SO) wants no read-only session beside",
}


def code_name(error: p11.PKCS11Error) -> str:
    """The CKR_… name behind an exception of python-pkcs11."""
    name = type(error).__name__
    if name == "PKCS11Error":
        return _bare_code(str(error))
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()
    return _UNUSUAL_NAMES.get(name, f"CKR_{words}")


def _bare_code(text: str) -> str:
    if match := re.search(r"0x([0-9a-f]+)", text):
        code = int(match[1], 16)
        return _UNMAPPED_CODES.get(code, f"CKR {code:#010x}")
    return "CKR_CRYPTOKI_NOT_INITIALIZED" if "not initialized" in text else f"an error ({text})"


def is_lost(error: p11.PKCS11Error) -> bool:
    """Whether it says that the token cannot be asked now, and nothing about what was asked."""
    return isinstance(error, _UNAVAILABLE) or code_name(error) == "CKR_CRYPTOKI_NOT_INITIALIZED"


def translate(error: p11.PKCS11Error, doing: str) -> TokenError:
    """The error to raise for one of python-pkcs11; ``doing`` says what was asked of the token."""
    name, lost = code_name(error), is_lost(error)
    hint = next((hint for kind, hint in _HINTS.items() if isinstance(error, kind)), None)
    if lost:
        return TokenUnavailable(f"{doing}: the token is not available ({name})", hint or "is it still connected?")
    return TokenRefused(f"{doing}: the token answered {name}", hint)


def translate_login(error: p11.PKCS11Error, token: str, pin: str = USER_PIN) -> TokenError:
    """The error to raise when logging in failed, after exactly one attempt; ``pin`` names which PIN."""
    match error:
        case p11.PinIncorrect() | p11.PinInvalid() | p11.PinLenRange():
            return PinWrong(
                f"{token}: wrong {pin}; it was tried once",
                f"do not simply try again: tokens lock after a few wrong PINs; check {pin} and token first",
            )
        case p11.PinLocked():
            return locked(token, pin)
        case p11.PinExpired():
            return PinNeeded(f"{token}: the {pin} has expired", "set a new one with the token's own tool")
        case p11.UserPinNotInitialized():
            return no_pin_set(token)
        case _:
            return translate(error, f"{token}: log in")


def locked(token: str, pin: str = USER_PIN) -> PinLocked:
    """The PIN is locked."""
    if pin == SO_PIN:
        return PinLocked(f"{token}: the SO PIN is locked", "nothing unlocks it; take another token")
    return PinLocked(f"{token}: the PIN is locked", "the token's security officer (SO) must unlock it")


def no_pin_set(token: str) -> PinNeeded:
    """The token has no user PIN yet."""
    return PinNeeded(f"{token}: no user PIN is set", "the token's security officer (SO) must set one")


@contextmanager
def asking(doing: str) -> Iterator[None]:
    """Translates whatever python-pkcs11 raises inside; ``doing`` says what is asked of the token.

    Raises:
        TokenError: instead of any PKCS11Error.
    """
    try:
        yield
    except p11.PKCS11Error as error:
        raise translate(error, doing) from error
