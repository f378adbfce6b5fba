"""The words of the fault table: what may come of a fault, which return codes there are, and what a cell is."""

from __future__ import annotations

from dataclasses import dataclass

RIGHT = "right"
REPLACED = "replaced"
BACK = "back"
GOES_ON = "goes on"
UNDONE = "undone"
ABORTED = "aborted"
COMPLETED = "completed later"
UNAVAILABLE = "refused token_unavailable"
LOST = "refused engine_lost"
MEANING = {
    RIGHT: "answered rightly, by the same engine",
    REPLACED: "the engine is replaced, and the question answered rightly by the next one",
    BACK: "refused at most for a while, then answered rightly by itself",
    GOES_ON: "the daemon goes on with what it has",
    UNDONE: "what was made, if anything, is removed again; the same command succeeds when the fault is over",
    ABORTED: "exit code 1, what is left is named, and `keyceremony abort` removes it",
    COMPLETED: "exit code 1, and `keyceremony resume` completes it",
    UNAVAILABLE: "refused with this code at once, and answered rightly again when the fault is over",
    LOST: "the same with another code",
    "stops N": "the daemon ends with this exit code",
    "no start N": "an engine does not serve, and a daemon does not start, with this exit code",
}

_GONE = "the token is not available ({})"
_ANSWERED = "the token answered {}"
CODES = {
    "CKR_DEVICE_REMOVED": _GONE,
    "CKR_DEVICE_ERROR": _GONE,
    "CKR_DEVICE_MEMORY": _GONE,
    "CKR_GENERAL_ERROR": _GONE,
    "CKR_HOST_MEMORY": _GONE,
    "CKR_SESSION_CLOSED": _GONE,
    "CKR_SESSION_HANDLE_INVALID": _GONE,
    "CKR_TOKEN_NOT_PRESENT": _GONE,
    "CKR_USER_NOT_LOGGED_IN": _GONE,
    "CKR_OPERATION_NOT_INITIALIZED": _GONE,
    "CKR_FUNCTION_FAILED": _ANSWERED,
    "CKR_KEY_HANDLE_INVALID": _ANSWERED,
    "CKR_MECHANISM_INVALID": _ANSWERED,
    "CKR_PIN_EXPIRED": _ANSWERED,
    "CKR_BUFFER_TOO_SMALL": _ANSWERED,
    "CKR_VENDOR_DEFINED_0123": "the token answered CKR 0x80000123",
}
SOME = ("CKR_DEVICE_REMOVED", "CKR_FUNCTION_FAILED")
OTHER_KEY = "this is another key"


@dataclass(frozen=True)
class Cell:
    """One cell. ``commands``: what the shim is told (`tests.shimkit`); ``says``: what log or message must contain."""

    part: str
    operation: str
    fault: str
    commands: tuple[str, ...]
    expected: str
    says: str = ""

    @property
    def name(self) -> str:
        """For test ids, and to find the result again."""
        return f"{self.part} | {self.operation} | {self.fault}"


def said_of(code: str) -> str:
    """How a return code is told to people."""
    return CODES.get(code, _ANSWERED).format(code)
