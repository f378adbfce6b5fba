"""What can go wrong between a hub and the daemon, one class for each thing a caller does next.

No message ever carries a person's number: what failed is named by its place and its code.
"""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError

MAY_PASS = frozenset(
    {
        "audit_unavailable",
        "cosignature_overdue",
        "cut_short",
        "deadline_exceeded",
        "engine_lost",
        "index_behind",
        "overloaded",
        "stopping",
        "token_unavailable",
    }
)
"""Codes of `Refused` and `StreamBroken` that are about the appliance, not about the question: it may pass."""


class HubkitError(KagimoriError):
    """Base of everything the hub kit raises."""


class DaemonUnreachable(HubkitError):
    """No connection came about, so nothing was sent: trying again is safe."""

    exit_code: ClassVar[int] = 6


class ConnectionLost(HubkitError):
    """The connection ended before the answer. The daemon may have recorded the request; asking again is safe."""

    exit_code: ClassVar[int] = 6


class AnswerTimeout(HubkitError):
    """The daemon took longer than the client's ``timeout`` (seconds)."""

    exit_code: ClassVar[int] = 6


class ProtocolError(HubkitError):
    """An answer that is not what the interface promises. It is thrown away whole."""

    exit_code: ClassVar[int] = 70


class Refused(HubkitError):
    """The daemon answered with a problem document (RFC 9457).

    ``code`` is of the closed list in ``docs/openapi.yaml``; ``status`` the HTTP status;
    ``detail`` the daemon's own sentence; ``retry_after`` seconds, None when trying again is no use.
    """

    def __init__(self, code: str, detail: str, status: int, retry_after: float | None = None) -> None:
        hint = None if retry_after is None else f"try again in {retry_after:g} s"
        super().__init__(f"{code}: {detail}", hint)
        self.code = code
        self.detail = detail
        self.status = status
        self.retry_after = retry_after


class NumberRefused(HubkitError):
    """`Client.convert_one`: the one number failed, with a ``code`` such as ``unknown_number``."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the number was not converted: {code}")
        self.code = code


class HistoryUnproven(HubkitError):
    """A history's proofs do not show that its records are in the log that the checkpoint vouches for."""


class StreamBroken(HubkitError):
    """A stream ended early: the first ``lines`` answers are good, the rest never came.

    ``code`` is the daemon's own (the line ``!!code``), or ``cut_short`` when the connection just ended,
    or ``wrong_count`` when the answer has more or fewer lines than the question.
    """

    def __init__(self, code: str, lines: int, detail: str | None = None) -> None:
        said = f" ({detail})" if detail else ""
        super().__init__(
            f"the stream broke after {lines} lines: {code}{said}",
            "what came before is right, but the answer is not complete; send the remaining numbers again",
        )
        self.code = code
        self.lines = lines
