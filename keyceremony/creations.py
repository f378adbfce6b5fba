"""All or nothing on the token: what one run has made there is destroyed again unless the run comes to its end."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from appliance.errors import KagimoriError
from appliance.token.errors import KeyMissing
from appliance.token.token import Token
from keyceremony.errors import ExecutionFailed


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Creations:
    """The keys of one run, as a context; leaving it without `keep` destroys them.

    Raises:
        ExecutionFailed: in place of whatever ended the run early; tells of the keys' fate.
    """

    def __init__(self, token: Token) -> None:
        self._token = token
        self._ids: list[bytes] = []
        self._kept = False

    def new_id(self) -> bytes:
        """A random CKA_ID for a key about to be made; noted first, so that a half-made key is found."""
        key_id = secrets.token_bytes(16)
        self._ids.append(key_id)
        return key_id

    def keep(self) -> None:
        """The outcome is safe: what was made stays."""
        self._kept = True

    def __enter__(self) -> Creations:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or self._kept:
            return
        made = len(self._ids)
        with undisturbed():  # impatience leaves no key behind
            left = [key_id.hex() for key_id in reversed(self._ids) if not self._destroyed(key_id)]
        fate, hint = _fate(made, left)
        if isinstance(error, KagimoriError):
            raise ExecutionFailed(f"{error.message}; {fate}", hint or error.hint) from error
        reason = "stopped" if isinstance(error, KeyboardInterrupt) else f"{kind.__name__ if kind else ''}: {error}"
        raise ExecutionFailed(f"{reason}; {fate}", hint) from error

    def _destroyed(self, key_id: bytes) -> bool:
        try:
            self._token.destroy(key_id)
        except KeyMissing:
            return True  # it was never made
        except KagimoriError:
            return False
        return True


def _fate(made: int, left: list[str]) -> tuple[str, str | None]:
    if left:
        hint = "remove them with the token's own tools before the next run; docs/ceremony.md tells how"
        return f"keys LEFT ON THE TOKEN that the ledger does not know, by CKA_ID: {', '.join(left)}", hint
    if made:
        return "the keys made in this run were destroyed again, and the ledger is unchanged", None
    return "nothing was changed", None
