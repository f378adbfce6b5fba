"""What a token answers to typical mistakes: the code decides whether work is given up or an engine is replaced."""

from __future__ import annotations

from pkcs11 import Mechanism

from appliance.token.trials.bench import Bench
from appliance.token.trials.findings import Differs
from appliance.token.trials.raw import BLOCK, OK
from appliance.token.trials.registry import trial

_NO_SUCH_MECHANISM = 0x8BAD_0001  # vendor-defined (PKCS#11 2.40, section 3.5), and nobody's
_HALF = bytes(BLOCK - 1)


@trial("mistake.half-block")
def half_block(bench: Bench) -> str:
    """Fifteen bytes are no block, and nothing may come of them."""
    with bench.stored_key("half") as (_, key), bench.another_session() as session:
        bench.raw.begin("C_EncryptInit", session.handle, key.handle, Mechanism.AES_ECB)
        code, came = bench.raw.encrypt(session.handle, _HALF)
    if came:
        raise Differs(f"C_Encrypt of {len(_HALF)} bytes gives {len(came)} bytes")
    return _wanted("C_Encrypt of 15 bytes", code, "CKR_DATA_LEN_RANGE")


@trial("mistake.mechanism")
def mechanism(bench: Bench) -> str:
    """A mechanism that no token has."""
    with bench.stored_key("mechanism") as (_, key), bench.another_session() as session:
        code = bench.raw.begin("C_EncryptInit", session.handle, key.handle, _NO_SUCH_MECHANISM)
    return _wanted("C_EncryptInit with no such mechanism", code, "CKR_MECHANISM_INVALID")


@trial("mistake.key-type")
def key_type(bench: Bench) -> str:
    """An AES key does not sign."""
    with bench.stored_key("type") as (_, key), bench.another_session() as session:
        code = bench.raw.begin("C_SignInit", session.handle, key.handle, Mechanism.ECDSA)
    fitting = ("CKR_KEY_TYPE_INCONSISTENT", "CKR_KEY_FUNCTION_NOT_PERMITTED", "CKR_MECHANISM_INVALID")
    return _wanted("C_SignInit with CKM_ECDSA and an AES key", code, *fitting)


@trial("mistake.no-operation")
def no_operation(bench: Bench) -> str:
    """What was not begun does not go on."""
    with bench.another_session() as session:
        code, _ = bench.raw.update(session.handle, bytes(BLOCK))
    return _wanted("C_EncryptUpdate before C_EncryptInit", code, "CKR_OPERATION_NOT_INITIALIZED")


@trial("mistake.two-operations")
def two_operations(bench: Bench) -> str:
    """A session has one operation, and a second one does not take its place."""
    with bench.stored_key("second") as (_, key), bench.another_session() as session:
        bench.raw.begin("C_EncryptInit", session.handle, key.handle, Mechanism.AES_ECB)
        code = bench.raw.begin("C_EncryptInit", session.handle, key.handle, Mechanism.AES_ECB)
        bench.raw.end(session.handle)
    return _wanted("C_EncryptInit while an operation runs", code, "CKR_OPERATION_ACTIVE")


@trial("mistake.closed-session")
def closed_session(bench: Bench) -> str:
    """The handle of a session that was closed."""
    with bench.stored_key("closed") as (_, key):
        with bench.another_session() as session:
            handle = session.handle
        code = bench.raw.begin("C_EncryptInit", handle, key.handle, Mechanism.AES_ECB)
    return _wanted("C_EncryptInit in a closed session", code, "CKR_SESSION_HANDLE_INVALID", "CKR_SESSION_CLOSED")


@trial("mistake.no-key")
def no_key(bench: Bench) -> str:
    """A handle that stands for nothing."""
    with bench.another_session() as session:
        code = bench.raw.begin("C_EncryptInit", session.handle, 0xFFFF_FFF0, Mechanism.AES_ECB)
    return _wanted("C_EncryptInit with no such key", code, "CKR_KEY_HANDLE_INVALID", "CKR_OBJECT_HANDLE_INVALID")


def _wanted(what: str, code: str, *names: str) -> str:
    if code == OK:
        raise Differs(f"{what}: not refused")
    if code not in names:
        raise Differs(f"{what}: {code}, not {' or '.join(names)}")
    return f"{what}: {code}"
