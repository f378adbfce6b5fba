"""One stream of numbers through the daemon, again and again while what is in the way may pass.

A stream that broke is asked again from its beginning: a segment is taken whole or not at all.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from appliance.bulk.errors import BulkError, DaemonAway, DaemonRefuses, JobStopped
from appliance.hubkit.client import Client
from appliance.hubkit.errors import (
    MAY_PASS,
    AnswerTimeout,
    ConnectionLost,
    DaemonUnreachable,
    HubkitError,
    ProtocolError,
    Refused,
    StreamBroken,
)

Ask = Callable[[str, str, bytes], bytes]  # source, target, lines → the answers' lines

TIMEOUT = 30.0  # seconds in which something must move; the hub kit adds a minute for the role's rate
LONGEST_PAUSE = 15.0
_PASSING = MAY_PASS | {"internal", "rate_limited"}
_HINTS = {
    "too_many_numbers": "choose a smaller --segment, or ask for a larger values_per_stream of the role in the policy",
    "quota_exhausted": "go on after midnight (UTC), or have the role's quota changed in the policy",
    "stream_denied": "the role needs values_per_stream in the policy (keyceremony plan policy)",
    "pair_denied": "the role needs this pair in the policy (keyceremony plan policy)",
    "purpose_denied": "name one of the role's purposes",
    "order_required": "give a disclosure order with --order",
    "order_exhausted": "have a disclosure order signed for the numbers that are left",
    "generation_unusable": "a ceremony has changed the state of a key since the job began",
}


class Terms(NamedTuple):
    """What all numbers of a job are asked under. ``order``: a disclosure order (CMS, DER), empty for none."""

    purpose: str
    reference: str
    order: bytes = b""


class Asker:
    """Asks the daemon behind a socket; safe for several threads, each stream has a connection of its own.

    Args:
        patience: seconds after the first failure of a question after which it is given up.
        stopping: once set, questions end with `JobStopped`.
    """

    def __init__(self, socket: Path, terms: Terms, *, patience: float, stopping: threading.Event) -> None:
        self._client = Client(socket, timeout=TIMEOUT)
        self._terms = terms
        self._patience = patience
        self._stopping = stopping

    def ask(self, source: str, target: str, lines: bytes) -> bytes:
        """The answers to whole lines; ``!code`` for a number that failed.

        Raises:
            DaemonRefuses, DaemonAway: for longer than the patience, or for good.
            ProtocolError: an answer that cannot be.
            JobStopped: it is to end.
        """
        failed: float | None = None
        attempt = 0
        while lines:
            try:
                return self._once(source, target, lines)
            except ProtocolError:
                raise
            except HubkitError as error:
                failed = time.monotonic() if failed is None else failed
                attempt += 1
                self._pause(error, attempt, failed)
        return b""

    def _once(self, source: str, target: str, lines: bytes) -> bytes:
        watched = cast("BinaryIO", _Watched(lines, self._check))
        terms = self._terms
        blocks = []
        with self._client.convert_stream(
            source, target, watched, purpose=terms.purpose, reference=terms.reference, order=terms.order
        ) as stream:
            for block in stream.blocks():
                self._check()
                blocks.append(block)
        return b"".join(blocks)

    def _check(self) -> None:
        if self._stopping.is_set():
            raise JobStopped

    def _pause(self, error: HubkitError, attempt: int, since: float) -> None:
        """Wait before the next attempt, if there is to be one."""
        wait = _wait(error, attempt)
        if wait is None or time.monotonic() + wait > since + self._patience:
            raise given_up(error, self._patience) from None
        self._stopping.wait(wait)
        self._check()


def _wait(error: HubkitError, attempt: int) -> float | None:
    """Seconds to wait after an error; None when it will not pass."""
    pause = min(LONGEST_PAUSE, 0.25 * (1 << min(attempt - 1, 10)))
    match error:
        case Refused():
            if error.retry_after is not None:
                return max(pause, error.retry_after)
            return pause if error.code in _PASSING else None
        case StreamBroken():
            return pause if error.code in _PASSING else None
        case DaemonUnreachable() | ConnectionLost() | AnswerTimeout():
            return pause
    return None


def given_up(error: HubkitError, patience: float) -> BulkError:
    """What a job ends with because of it."""
    if isinstance(error, DaemonUnreachable | ConnectionLost | AnswerTimeout):
        return DaemonAway(f"{error.message}; tried for {patience:g} s", error.hint)
    code = error.code if isinstance(error, Refused | StreamBroken) else ""
    if isinstance(error, StreamBroken) and code == "cut_short":
        return DaemonAway(f"the daemon broke off; tried for {patience:g} s", "look at the daemon's log")
    waited = f"; tried for {patience:g} s" if code in _PASSING else ""
    said = f"{code}: {error.detail}" if isinstance(error, Refused) else code or error.message
    return DaemonRefuses(f"the daemon refuses: {said}{waited}", _HINTS.get(code))


class _Watched:
    """Lines as a file that is read block by block, as long as the job is to go on."""

    def __init__(self, lines: bytes, check: Callable[[], None]) -> None:
        self._file = io.BytesIO(lines)
        self._check = check

    def read1(self, size: int) -> bytes:
        """The next block."""
        self._check()
        return self._file.read1(size)
