"""PKCS#11 functions called as they are, for what python-pkcs11 would not let a caller do wrong.

A refusal here is the answer that is looked for, so a call gives the return code's name and raises nothing.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from appliance.token.calls import function_list

OK = "CKR_OK"
BLOCK = 16
_USER = 1  # CKU_USER
_PLACES = {  # in CK_FUNCTION_LIST (PKCS#11 2.40, section 3.6)
    "C_Login": 18,
    "C_EncryptInit": 29,
    "C_Encrypt": 30,
    "C_EncryptUpdate": 31,
    "C_EncryptFinal": 32,
    "C_DecryptInit": 33,
    "C_SignInit": 42,
}
_NAMES = {
    0x000: OK,
    0x003: "CKR_SLOT_ID_INVALID",
    0x005: "CKR_GENERAL_ERROR",
    0x006: "CKR_FUNCTION_FAILED",
    0x007: "CKR_ARGUMENTS_BAD",
    0x020: "CKR_DATA_INVALID",
    0x021: "CKR_DATA_LEN_RANGE",
    0x030: "CKR_DEVICE_ERROR",
    0x054: "CKR_FUNCTION_NOT_SUPPORTED",
    0x060: "CKR_KEY_HANDLE_INVALID",
    0x062: "CKR_KEY_SIZE_RANGE",
    0x063: "CKR_KEY_TYPE_INCONSISTENT",
    0x068: "CKR_KEY_FUNCTION_NOT_PERMITTED",
    0x070: "CKR_MECHANISM_INVALID",
    0x071: "CKR_MECHANISM_PARAM_INVALID",
    0x082: "CKR_OBJECT_HANDLE_INVALID",
    0x090: "CKR_OPERATION_ACTIVE",
    0x091: "CKR_OPERATION_NOT_INITIALIZED",
    0x0B0: "CKR_SESSION_CLOSED",
    0x0B3: "CKR_SESSION_HANDLE_INVALID",
    0x100: "CKR_USER_ALREADY_LOGGED_IN",
    0x101: "CKR_USER_NOT_LOGGED_IN",
    0x150: "CKR_BUFFER_TOO_SMALL",
}


class _Mechanism(ctypes.Structure):
    """CK_MECHANISM (PKCS#11 2.40, section 3.5)."""

    _fields_ = (("mechanism", ctypes.c_ulong), ("parameter", ctypes.c_void_p), ("size", ctypes.c_ulong))


class Raw:
    """A loaded module's functions, by name; every call gives the name of its return code.

    Raises:
        TokenModuleError: the module gives out no list of functions.
    """

    def __init__(self, module: Path) -> None:
        self._functions = function_list(module)

    def begin(self, function: str, session: int, key: int, mechanism: int, parameter: bytes = b"") -> str:
        """C_EncryptInit, C_DecryptInit or C_SignInit with handles of a session and a key."""
        held = ctypes.create_string_buffer(parameter, len(parameter)) if parameter else None
        at = ctypes.cast(held, ctypes.c_void_p) if held is not None else None
        return self._call(function, session, ctypes.byref(_Mechanism(mechanism, at, len(parameter))), key)

    def update(self, session: int, data: bytes) -> tuple[str, bytes]:
        """C_EncryptUpdate: the code, and what came."""
        return self._through("C_EncryptUpdate", session, data)

    def encrypt(self, session: int, data: bytes) -> tuple[str, bytes]:
        """C_Encrypt: the code, and what came. It ends the operation."""
        return self._through("C_Encrypt", session, data)

    def end(self, session: int) -> str:
        """C_EncryptFinal."""
        rest, length = ctypes.create_string_buffer(BLOCK), ctypes.c_ulong(BLOCK)
        return self._call("C_EncryptFinal", session, rest, ctypes.byref(length))

    def log_in(self, session: int, pin: str) -> str:
        """C_Login as the user."""
        secret = pin.encode()
        return self._call("C_Login", session, _USER, secret, ctypes.c_ulong(len(secret)))

    def _through(self, function: str, session: int, data: bytes) -> tuple[str, bytes]:
        room, length = ctypes.create_string_buffer(len(data) + BLOCK), ctypes.c_ulong(len(data) + BLOCK)
        name = self._call(function, session, data, ctypes.c_ulong(len(data)), room, ctypes.byref(length))
        return name, room.raw[: length.value] if name == OK else b""

    def _call(self, function: str, session: int, *arguments: Any) -> str:
        call = ctypes.CFUNCTYPE(ctypes.c_ulong)(self._functions[_PLACES[function]])
        given = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in arguments]
        code: int = call(ctypes.c_ulong(session), *given)
        return _NAMES.get(code, f"CKR {code:#010x}")
