"""The few PKCS#11 functions that are called directly: AES-ECB between buffers, without a copy.

python-pkcs11 makes a ``bytes`` object of every answer and asks for each answer's size first, which costs a conversion
a fifth of its time. So the encrypting functions are taken from the module's own list (C_GetFunctionList, PKCS#11 2.40,
section 5.4), in sessions and over keys that python-pkcs11 has opened, found and checked.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from pkcs11 import PKCS11Error
from pkcs11 import exceptions as p11

from appliance.token.errors import TokenModuleError

_AES_ECB = 0x1081  # CKM_AES_ECB
_OK = 0  # CKR_OK
_ENCRYPT_INIT, _ENCRYPT_UPDATE, _ENCRYPT_FINAL = 29, 31, 32  # places in CK_FUNCTION_LIST
_PLACES = 68  # functions in CK_FUNCTION_LIST of PKCS#11 2.x
_BLOCK = 16

_ERRORS: dict[int, type[PKCS11Error]] = {
    0x002: p11.HostMemory,
    0x003: p11.SlotIDInvalid,
    0x005: p11.GeneralError,
    0x006: p11.FunctionFailed,
    0x007: p11.ArgumentsBad,
    0x020: p11.DataInvalid,
    0x021: p11.DataLenRange,
    0x030: p11.DeviceError,
    0x031: p11.DeviceMemory,
    0x032: p11.DeviceRemoved,
    0x050: p11.FunctionCancelled,
    0x060: p11.KeyHandleInvalid,
    0x062: p11.KeySizeRange,
    0x063: p11.KeyTypeInconsistent,
    0x070: p11.MechanismInvalid,
    0x071: p11.MechanismParamInvalid,
    0x090: p11.OperationActive,
    0x091: p11.OperationNotInitialized,
    0x0A3: p11.PinExpired,
    0x0B0: p11.SessionClosed,
    0x0B3: p11.SessionHandleInvalid,
    0x0E0: p11.TokenNotPresent,
    0x0E1: p11.TokenNotRecognised,
    0x101: p11.UserNotLoggedIn,
}


class _Version(ctypes.Structure):
    """CK_VERSION."""

    _fields_: ClassVar = [("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte)]


class _FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST (PKCS#11 2.40, section 3.6): the version, then pointers to the functions in one fixed order."""

    _fields_: ClassVar = [("version", _Version), ("functions", ctypes.c_void_p * _PLACES)]


class _Mechanism(ctypes.Structure):
    """CK_MECHANISM (PKCS#11 2.40, section 3.5)."""

    _fields_: ClassVar = [("mechanism", ctypes.c_ulong), ("parameter", ctypes.c_void_p), ("size", ctypes.c_ulong)]


_Init = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong)
_Update = ctypes.CFUNCTYPE(
    ctypes.c_ulong
)  # no types for its arguments: they are given as ctypes objects, which is quicker
_Final = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p)


class Functions:
    """The encrypting functions of a module that python-pkcs11 has loaded and initialised.

    Raises:
        TokenModuleError: the module gives out no list of functions.
    """

    def __init__(self, module: Path) -> None:
        places = function_list(module)
        self._init = _Init(places[_ENCRYPT_INIT])
        self._update = _Update(places[_ENCRYPT_UPDATE])
        self._final = _Final(places[_ENCRYPT_FINAL])

    def begin(self, session: int, key: int) -> Operation:
        """An encrypting operation (C_EncryptInit, CKM_AES_ECB) in a session that has none; both are handles.

        Raises:
            PKCS11Error: the module refused.
        """
        mechanism = _Mechanism(_AES_ECB, None, 0)
        require_ok(self._init(session, ctypes.byref(mechanism), key))
        return Operation(session, self._update, self._final)


def function_list(module: Path) -> Any:
    """The addresses of a loaded module's functions, in the order of CK_FUNCTION_LIST.

    Raises:
        TokenModuleError: the module gives out no list of functions.
    """
    listed = ctypes.POINTER(_FunctionList)()
    library = ctypes.CDLL(str(module))  # the same one: it is loaded already
    if library.C_GetFunctionList(ctypes.byref(listed)) != _OK or _is_null(listed):
        raise TokenModuleError(f"PKCS#11 module {module}: cannot be used (C_GetFunctionList gave nothing)")
    return listed.contents.functions


class Operation:
    """One running multi-part operation. Not for two threads at a time."""

    def __init__(self, session: int, update: Callable[..., int], final: Callable[..., int]) -> None:
        self._session = ctypes.c_ulong(session)
        self._update = update
        self._final = final
        self._length = ctypes.c_ulong()
        self._length_at = ctypes.byref(self._length)

    def update(self, source: Any, target: Any, size: Any) -> int:
        """AES of ``size`` bytes at ``source`` to ``target``, which has room for as many; how many bytes came.

        The module is told of no more room, since ECB holds nothing back that could come out later. All three are
        ctypes objects (pointers, and a ``c_ulong``); ``source`` may also be ``bytes``.

        Raises:
            PKCS11Error: the module refused.
        """
        self._length.value = size.value
        code = self._update(self._session, source, size, target, self._length_at)
        if code:
            require_ok(code)
        return self._length.value

    def end(self) -> None:
        """C_EncryptFinal; what it says is of no interest: the session is closed next."""
        self._length.value = _BLOCK
        rest = ctypes.create_string_buffer(_BLOCK)
        self._final(self._session, rest, self._length_at)


def _is_null(pointer: Any) -> bool:
    return ctypes.cast(pointer, ctypes.c_void_p).value is None


def require_ok(code: int) -> None:
    """Raises what python-pkcs11 would raise for a return code other than CKR_OK."""
    if code == _OK:
        return
    if (kind := _ERRORS.get(code)) is not None:
        raise kind
    raise PKCS11Error(f"Unmapped error code {code:#x}")
