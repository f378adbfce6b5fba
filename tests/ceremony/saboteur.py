"""Faults put into the ceremony tool, with the real token; forkserver.py puts one in and runs it.

The NUMBERth call of something fails, or the process is stopped there. Everything else is the tool itself.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import Any

from appliance.ledger import files
from appliance.token.errors import TokenRefused, TokenUnavailable
from appliance.token.token import Token
from keyceremony import workspace
from keyceremony.act.work import keys
from keyceremony.table import staging

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
LOST = TokenUnavailable("the token was pulled out", "put it back")


def _raise(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def _signal(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def _sabotage(where: Any, name: str, number: int, act: Callable[[], None], *, after: bool = False) -> None:
    real, calls = getattr(where, name), [0]

    def tampered(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == number and not after:
            act()
        answer = real(*arguments, **named)
        if calls[0] == number and after:
            act()
        return answer

    setattr(where, name, tampered)


def _wrong_blocks(number: int) -> None:
    """The NUMBERth key enciphers differently every time: a broken token."""
    real, calls = Token.encrypt_blocks, [0]

    def tampered(self: Token, key_id: bytes, check_value: bytes) -> Callable[[bytes], bytes]:
        calls[0] += 1
        encrypt = real(self, key_id, check_value)
        return (lambda blocks: os.urandom(len(blocks))) if calls[0] == number else encrypt

    Token.encrypt_blocks = tampered  # type: ignore[method-assign]


def _same_check_value() -> None:
    Token.check_value = lambda self, key_id: bytes(range(6))  # type: ignore[method-assign]
    Token.encrypt_blocks = lambda self, key_id, value: lambda blocks: blocks  # type: ignore[method-assign]
    keys.self_test = lambda encrypt, name, tree: None


def _destroy_fails() -> None:
    def refuse(self: Token, key_id: bytes) -> bool:
        raise TokenRefused("the token is write-protected now")

    Token.remove = refuse  # type: ignore[method-assign]


def _count_logins() -> None:
    real, calls = Token.open.__func__, [0]  # type: ignore[attr-defined]

    def counted(cls: type[Token], *arguments: Any, **named: Any) -> Token:
        calls[0] += 1
        print(f"login {calls[0]}", flush=True)
        return real(cls, *arguments, **named)  # type: ignore[no-any-return]

    Token.open = classmethod(counted)  # type: ignore[assignment,method-assign]


FAULTS: dict[str, Callable[[int], None]] = {
    "before-generate": lambda n: _sabotage(Token, "generate_conversion_key", n, _raise(LOST)),
    "after-generate": lambda n: _sabotage(Token, "generate_conversion_key", n, _raise(LOST), after=True),
    "after-log": lambda n: _sabotage(Token, "generate_log_key", n, _raise(LOST), after=True),
    "log-signer": lambda n: _sabotage(Token, "log_signer", n, _raise(LOST)),
    "after-identity": lambda n: _sabotage(Token, "generate_signing_key", n, _raise(LOST), after=True),
    "store-certificate": lambda n: _sabotage(Token, "store_certificate", n, _raise(LOST)),
    "attributes": lambda n: _sabotage(Token, "attributes", n, _raise(LOST)),
    "check-value": lambda n: _sabotage(Token, "check_value", n, _raise(LOST)),
    "wrap": lambda n: _sabotage(Token, "wrap", n, _raise(LOST)),
    "unwrap": lambda n: _sabotage(Token, "unwrap", n, _raise(LOST)),
    "after-unwrap": lambda n: _sabotage(Token, "unwrap", n, _raise(LOST), after=True),
    "seal": lambda n: _sabotage(Token, "seal", n, _raise(LOST)),
    "destroy": lambda n: _sabotage(Token, "destroy", n, _raise(LOST)),
    "after-destroy": lambda n: _sabotage(Token, "destroy", n, _raise(LOST), after=True),
    "wrong-blocks": _wrong_blocks,
    "same-check-value": lambda n: _same_check_value(),
    "signer": lambda n: _sabotage(Token, "signer", n, _raise(LOST)),
    "defect": lambda n: _sabotage(Token, "check_value", n, _raise(ZeroDivisionError("no such thing"))),
    "ctrl-c": lambda n: _sabotage(Token, "check_value", n, _raise(KeyboardInterrupt())),
    "sigterm": lambda n: _sabotage(Token, "check_value", n, _signal(signal.SIGTERM)),
    "sigkill": lambda n: _sabotage(Token, "check_value", n, _signal(signal.SIGKILL)),
    "disk-full": lambda n: _sabotage(workspace.os, "fsync", n, _raise(FULL)),
    "sigterm-while-staging": lambda n: _sabotage(staging, "stage_outcome", n, _signal(signal.SIGTERM)),
    "killed-while-staging": lambda n: _sabotage(workspace.os, "fsync", n, _signal(signal.SIGKILL)),
    "killed-with-identity": lambda n: _sabotage(Token, "store_certificate", n, _signal(signal.SIGKILL)),
    "killed-before-ledger": lambda n: _sabotage(files, "append", n, _signal(signal.SIGKILL)),
    "killed-after-ledger": lambda n: _sabotage(files, "append", n, _signal(signal.SIGKILL), after=True),
    "killed-between": lambda n: _sabotage(files.os, "link", n, _signal(signal.SIGKILL), after=True),
    "link": lambda n: _sabotage(files.os, "link", n, _raise(FULL)),
    "not-destroyed": lambda n: (_destroy_fails(), FAULTS["check-value"](n))[1],
    "logins": lambda n: _count_logins(),
}
