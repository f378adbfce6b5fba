"""PKCS#11's return codes in words."""

from __future__ import annotations

import pkcs11
import pytest
from pkcs11 import exceptions

from appliance.errors import KagimoriError
from appliance.token import errors
from appliance.token.errors import TokenError, TokenRefused, TokenUnavailable, asking, code_name, translate_login

KNOWN = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, pkcs11.PKCS11Error)]


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (pkcs11.PinLenRange(), "CKR_PIN_LEN_RANGE"),
        (pkcs11.SlotIDInvalid(), "CKR_SLOT_ID_INVALID"),
        (pkcs11.TokenNotRecognised(), "CKR_TOKEN_NOT_RECOGNIZED"),
        (pkcs11.FunctionCancelled(), "CKR_FUNCTION_CANCELED"),
        (pkcs11.RandomNoRNG(), "CKR_RANDOM_NO_RNG"),
        (pkcs11.AnotherUserAlreadyLoggedIn(), "CKR_USER_ANOTHER_ALREADY_LOGGED_IN"),
        (pkcs11.PKCS11Error("Unmapped error code 0x1b"), "CKR_ACTION_PROHIBITED"),
        (pkcs11.PKCS11Error("Unmapped error code 0x80000001"), "CKR 0x80000001"),
        (
            pkcs11.PKCS11Error("Initialisation error (not initialized). Should never see this."),
            "CKR_CRYPTOKI_NOT_INITIALIZED",
        ),
    ],
)
def test_names(error: pkcs11.PKCS11Error, name: str) -> None:
    assert code_name(error) == name


@pytest.mark.parametrize("kind", KNOWN)
def test_every_exception_of_the_library_is_translated(kind: type[pkcs11.PKCS11Error]) -> None:
    with pytest.raises(TokenError, match=r"do it: .*CKR|do it: .*an error") as caught, asking("do it"):
        raise kind()
    assert type(caught.value) in (TokenRefused, TokenUnavailable)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (pkcs11.PinIncorrect(), errors.PinWrong, "it was tried once"),
        (pkcs11.PinLenRange(), errors.PinWrong, "it was tried once"),
        (pkcs11.PinLocked(), errors.PinLocked, "the PIN is locked"),
        (pkcs11.PinExpired(), errors.PinNeeded, "the PIN has expired"),
        (pkcs11.UserPinNotInitialized(), errors.PinNeeded, "no user PIN is set"),
        (pkcs11.DeviceRemoved(), errors.TokenUnavailable, "log in: the token is not available"),
        (pkcs11.FunctionFailed(), errors.TokenRefused, "log in: the token answered CKR_FUNCTION_FAILED"),
    ],
)
def test_login_errors(error: pkcs11.PKCS11Error, kind: type[TokenError], words: str) -> None:
    translated = translate_login(error, "token 'x'")
    assert type(translated) is kind
    assert words in translated.message
    assert "token 'x'" in translated.message


def test_every_error_tells_the_exit_code() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TokenError)]
    assert len(kinds) >= 14
    assert all(issubclass(kind, KagimoriError) for kind in kinds)
    assert {kind.exit_code for kind in kinds} == {5, 70}
