"""The cells of the fault table: what is done to the token, while it is asked for what, and what must come of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.faults.faultwords import (
    ABORTED,
    BACK,
    CODES,
    COMPLETED,
    GOES_ON,
    OTHER_KEY,
    REPLACED,
    RIGHT,
    SOME,
    UNAVAILABLE,
    UNDONE,
    Cell,
    said_of,
)

# --- a daemon that serves --------------------------------------------------------------------------

SERVING = {
    "one number": "C_EncryptUpdate",
    "batch": "C_EncryptUpdate",
    "stream": "C_EncryptUpdate",
    "history": "C_EncryptUpdate",
    "signature": "C_Sign",
}
UP = {"one number": "sspin.A.1", "batch": "sspin.A.1", "stream": "sspin.A.1", "history": "common.1"}
DOWN = ("one number", "batch", "stream")
UNUSED_BYTES = ("sspin.A.1",)
"""On the way up from a sparse domain, blocks are not asked twice, and FF1 uses but the first 8 bytes of an answer."""


def _serving() -> Iterator[Cell]:
    for operation, function in SERVING.items():
        yield from _codes(operation, function)
        yield from _broken(operation, function)
    for operation, up in UP.items():
        yield from _ciphertext(operation, "up", up)
        yield from _ciphertext(operation, "tag", "tag.1")
        yield from _altering(operation)
    for operation in DOWN:
        yield from _ciphertext(operation, "down", "sspin.B.1")
    signing = Cell(
        "serving", "signature", "answer altered, once", ("C_Sign alter times=1",), REPLACED, "does not verify"
    )
    yield signing


def _codes(operation: str, function: str) -> Iterator[Cell]:
    for code in CODES if operation == "one number" else SOME:
        command = f"{function} fail {code} times=1"
        yield Cell("serving", operation, f"{code}, once", (command,), REPLACED, said_of(code))
    code = "CKR_DEVICE_REMOVED"
    yield Cell("serving", operation, f"{code}, lasting", (f"{function} fail {code}",), UNAVAILABLE, said_of(code))


def _broken(operation: str, function: str) -> Iterator[Cell]:
    def cell(fault: str, action: str, expected: str, says: str) -> Cell:
        return Cell("serving", operation, fault, (f"{function} {action}",), expected, says)

    fewer = "fewer or more bytes" if function == "C_EncryptUpdate" else "does not verify"
    yield cell("delay below the deadline", "delay 100 times=3", RIGHT, "")
    yield cell("crash (SIGSEGV), once", "crash times=1", REPLACED, "died of SIGSEGV")
    yield cell("all sessions dropped, once", "drop times=1", REPLACED, said_of("CKR_SESSION_HANDLE_INVALID"))
    yield cell("answer too short, once", "short 1 times=1", REPLACED, fewer)


def _ciphertext(operation: str, way: str, key: str) -> Iterator[Cell]:
    def cell(fault: str, action: str, expected: str = REPLACED, says: str = "") -> Cell:
        command = f"C_EncryptUpdate {action} key={key} times=1"
        return Cell("serving", operation, f"{fault} ({way}), once", (command,), expected, says)

    yield cell("second block altered", "alter 16", says="altered ciphertext")
    yield cell("other key in mid-operation", "swap sspin.C.1", says="another key answered")
    if operation != "stream":  # for an engine, it is the same as a batch
        yield cell("first block altered", "alter", says="altered ciphertext")
        yield cell("second block, unused byte altered", "alter 31", RIGHT if key in UNUSED_BYTES else REPLACED)


def _altering(operation: str) -> Iterator[Cell]:
    """In every answer of an engine; those to the check blocks alone, which are shorter, excepted."""
    says = "altered ciphertext"
    yield Cell("serving", operation, "third block altered, lasting", ("C_EncryptUpdate alter 32",), UNAVAILABLE, says)


WAITING_SECONDS = 1.5


def _waiting() -> Iterator[Cell]:
    """By a daemon whose deadline is short."""
    for operation, function in SERVING.items():
        hang = (f"{function} hang times=1",)
        yield Cell("waiting", operation, "hang, once", hang, REPLACED, f"gave no answer for {WAITING_SECONDS:g} s")
    for operation in ("one number", "stream"):
        late = ("C_EncryptUpdate delay 4000 times=1",)
        yield Cell(
            "waiting",
            operation,
            "delay beyond the deadline",
            late,
            REPLACED,
            f"gave no answer for {WAITING_SECONDS:g} s",
        )


# --- an engine that starts -------------------------------------------------------------------------


def _start() -> Iterator[Cell]:
    def cell(operation: str, fault: str, command: str, expected: str, says: str) -> Cell:
        return Cell("start", operation, fault, (command,), expected, says)

    def refused(operation: str, function: str, codes: Mapping[str, str]) -> Iterator[Cell]:
        for code, says in codes.items():
            fault = f"{function[2:]} answers {code}"
            yield cell(operation, fault, f"{function} fail {code}", "no start 5", says or said_of(code))

    unusable = {"CKR_GENERAL_ERROR": "cannot be used (CKR_GENERAL_ERROR)"}
    unusable |= {"CKR_VENDOR_DEFINED_0123": "cannot be used (CKR 0x80000123)"}
    yield from refused("load", "C_GetFunctionList", unusable)
    yield from refused("load", "C_Initialize", unusable)
    yield cell("load", "Initialize crashes", "C_Initialize crash", "no start 70", "died of SIGSEGV")
    yield cell("load", "Initialize hangs", "C_Initialize hang", "no start 5", "did not serve within")
    yield from refused("find token", "C_GetSlotList", dict.fromkeys(("CKR_DEVICE_ERROR", "CKR_FUNCTION_FAILED"), ""))
    yield cell("find token", "another label", "C_GetTokenInfo alter", "no start 5", "no token has label")
    yield cell("find token", "another serial number", "C_GetTokenInfo alter 80", "no start 5", "no token has label")
    absent = {"CKR_TOKEN_NOT_PRESENT": "no token has label", "CKR_TOKEN_NOT_RECOGNIZED": "no token has label"}
    yield from refused("find token", "C_GetTokenInfo", {**absent, "CKR_DEVICE_REMOVED": ""})
    yield from refused("log in", "C_OpenSession", dict.fromkeys(("CKR_SESSION_COUNT", "CKR_DEVICE_REMOVED"), ""))
    pins = {
        "CKR_PIN_INCORRECT": "wrong PIN; it was tried once",
        "CKR_PIN_LEN_RANGE": "wrong PIN; it was tried once",
        "CKR_PIN_LOCKED": "the PIN is locked",
        "CKR_PIN_EXPIRED": "the PIN has expired",
        "CKR_USER_PIN_NOT_INITIALIZED": "no user PIN is set",
    }
    lost = dict.fromkeys(("CKR_DEVICE_ERROR", "CKR_USER_ALREADY_LOGGED_IN"), "")
    yield from refused("log in", "C_Login", {**pins, **lost, "CKR_VENDOR_DEFINED_0123": ""})
    yield cell("log in", "Login crashes", "C_Login crash", "no start 70", "died of SIGSEGV")
    sessions = ("CKR_DEVICE_ERROR", "CKR_SESSION_HANDLE_INVALID", "CKR_OPERATION_ACTIVE")
    yield from refused("find keys", "C_FindObjectsInit", dict.fromkeys(sessions, ""))
    yield from refused("find keys", "C_FindObjects", dict.fromkeys(("CKR_GENERAL_ERROR",), ""))
    yield cell("find keys", "no key found", "C_FindObjects short", "no start 5", "it is not there")
    attributes = ("CKR_OBJECT_HANDLE_INVALID", "CKR_DEVICE_REMOVED")
    yield from refused("find keys", "C_GetAttributeValue", dict.fromkeys(attributes, ""))
    begin = ("CKR_KEY_HANDLE_INVALID", "CKR_MECHANISM_INVALID", "CKR_KEY_FUNCTION_NOT_PERMITTED")
    yield from refused("check keys", "C_EncryptInit", dict.fromkeys(begin, ""))
    yield from refused("check keys", "C_EncryptUpdate", dict.fromkeys(("CKR_DEVICE_ERROR", "CKR_BUFFER_TOO_SMALL"), ""))
    other = "C_EncryptInit swap sspin.C.1 key=sspin.B.1"
    yield cell("check keys", "handle of another key", other, "no start 5", OTHER_KEY)
    yield cell("check keys", "block altered", "C_EncryptUpdate alter key=sspin.B.1", "no start 5", "altered ciphertext")
    yield cell("check keys", "block of zeros", "C_EncryptUpdate zero key=tag.1", "no start 5", "altered ciphertext")
    yield cell("check keys", "answer too short", "C_EncryptUpdate short 1", "no start 5", "fewer or more bytes")
    yield from refused("try the log key", "C_Sign", dict.fromkeys(("CKR_DEVICE_ERROR", "CKR_FUNCTION_FAILED"), ""))
    yield cell("try the log key", "signature altered", "C_Sign alter", "no start 5", "does not verify")


# --- an engine that is replaced, and a newer ledger -------------------------------------------------

START_SECONDS = 6.0
_ABSENT = "C_GetTokenInfo fail CKR_TOKEN_NOT_PRESENT"
_PASSING = {
    "load fails, once": ("C_Initialize fail CKR_GENERAL_ERROR times=1", "cannot be used (CKR_GENERAL_ERROR)"),
    "load crashes, twice": ("C_Initialize crash times=2", "died of SIGSEGV"),
    "load hangs, once": ("C_Initialize hang times=1", f"did not serve within {START_SECONDS:g} s"),
    "token not there, once": (f"{_ABSENT} times=1", "no token has label"),
    "token removed at login, once": ("C_Login fail CKR_DEVICE_REMOVED times=1", said_of("CKR_DEVICE_REMOVED")),
    "search fails, once": ("C_FindObjectsInit fail CKR_FUNCTION_FAILED times=1", said_of("CKR_FUNCTION_FAILED")),
    "check fails, once": ("C_EncryptUpdate fail CKR_DEVICE_ERROR times=1", said_of("CKR_DEVICE_ERROR")),
    "all sessions dropped, once": ("C_EncryptInit drop times=1", said_of("CKR_SESSION_HANDLE_INVALID")),
}
_FATAL = {
    "PIN refused": ("C_Login fail CKR_PIN_INCORRECT", "wrong PIN; it was tried once"),
    "PIN locked": ("C_Login fail CKR_PIN_LOCKED", "the PIN is locked"),
    "handle of another key": ("C_EncryptInit swap sspin.C.1 key=sspin.B.1", OTHER_KEY),
}


def _restart() -> Iterator[Cell]:
    for fault, (command, says) in _PASSING.items():
        yield Cell("replacing", "engine restart", fault, (command,), BACK, says)
    lasting = {"token not there, lasting": (_ABSENT, "no token has label")}
    lasting["load fails, lasting"] = ("C_Initialize fail CKR_DEVICE_ERROR", "cannot be used (CKR_DEVICE_ERROR)")
    for fault, (command, says) in lasting.items():
        yield Cell("replacing", "engine restart", fault, (command,), UNAVAILABLE, says)
    for fault, (command, says) in _FATAL.items():
        yield Cell("stopping", "engine restart", fault, (command,), "stops 5", says)
    alike = ("C_EncryptUpdate alter key=spin.1", "C_EncryptUpdate alter 16 key=spin.1")
    yield Cell("stopping", "engine restart", "every answer altered alike", alike, "stops 5", OTHER_KEY)


def _reload() -> Iterator[Cell]:
    for fault, (command, says) in (_PASSING | _FATAL).items():
        yield Cell("reload", "reload with a rotation", fault, (command,), GOES_ON, says)


# --- ceremonies ------------------------------------------------------------------------------------


REMOVED = "what was made in this run was removed again"
_MAKING = {  # two conversion keys, wrapped for the backup token and sealed, and a log key; then the outcome is signed
    ("log in", "PIN refused by the second token"): ("C_Login fail CKR_PIN_INCORRECT skip=1", "wrong PIN"),
    ("generate", "token full at the second key"): (
        "C_GenerateKey fail CKR_DEVICE_MEMORY key=sspin.C.1",
        "CKR_DEVICE_MEMORY",
    ),
    ("generate", "attribute altered"): ("C_GetAttributeValue alter key=sspin.B.1", "attribute class is"),
    ("generate", "check value altered"): ("C_Encrypt alter key=sspin.C.1", OTHER_KEY),
    ("generate", "second block always altered"): ("C_EncryptUpdate alter 16 key=sspin.B.1 skip=1", "in another way"),
    ("generate", "handle of another key"): ("C_EncryptInit swap spin.1 key=sspin.B.1", "the same key twice"),
    ("generate", "log key refused"): ("C_GenerateKeyPair fail CKR_FUNCTION_FAILED key=log.2", "CKR_FUNCTION_FAILED"),
    ("wrap", "refused"): ("C_WrapKey fail CKR_KEY_NOT_WRAPPABLE", "CKR_KEY_NOT_WRAPPABLE"),
    ("wrap", "wrapped key altered"): ("C_WrapKey alter 9", ""),
    ("unwrap", "device error"): ("C_UnwrapKey fail CKR_DEVICE_ERROR key=sspin.C.1", "CKR_DEVICE_ERROR"),
    ("seal", "refused"): ("C_SetAttributeValue fail CKR_ATTRIBUTE_READ_ONLY", "CKR_ATTRIBUTE_READ_ONLY"),
    ("sign outcome", "signature altered, once"): ("C_Sign alter skip=1 times=1", "does not verify"),
    ("sign outcome", "device removed, once"): ("C_Sign fail CKR_DEVICE_REMOVED skip=2 times=1", "CKR_DEVICE_REMOVED"),
}


def _ceremony() -> Iterator[Cell]:
    for (operation, fault), (command, says) in _MAKING.items():
        yield Cell("ceremony", operation, fault, (command,), UNDONE, says)
    dropped = ("C_WrapKey drop times=1",)
    yield Cell("ceremony", "wrap", "all sessions dropped", dropped, ABORTED, said_of("CKR_SESSION_HANDLE_INVALID"))
    later = "keys have been destroyed already, so this run can only be completed"
    gone = ("C_DestroyObject fail CKR_DEVICE_REMOVED skip=1",)
    yield Cell("destroying", "destroy", "device removed, second token", gone, COMPLETED, later)


def every_cell() -> Iterator[Cell]:
    """All of them, part by part."""
    yield from (*_serving(), *_waiting(), *_start(), *_restart(), *_reload(), *_ceremony())
