"""Why the audit log cannot be used: one exception for each thing an operator does next."""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError

EVIDENCE = "keep the folder as evidence; go on with a fresh [audit] directory only after finding out who changed it"


class AuditError(KagimoriError):
    """The audit log is refused. Without it nothing is converted."""

    exit_code: ClassVar[int] = 3


class AuditLocked(AuditError):
    """Another daemon writes this log."""


class AuditUnusable(AuditError):
    """The operating system does not let the log be opened."""


class AuditDamaged(AuditError):
    """The log holds something that no daemon wrote there, or lacks something that one did."""

    def __init__(self, message: str, hint: str | None = EVIDENCE) -> None:
        super().__init__(message, hint)


class AuditRolledBack(AuditError):
    """The log is shorter than, or different from, what was signed, cosigned or seen of it before."""

    def __init__(self, message: str, hint: str | None = EVIDENCE) -> None:
        super().__init__(message, hint)


class AuditUnavailable(KagimoriError):
    """A record could not be made durable (a full disk, say), so what it is about must not be answered."""


class RecordMissing(KagimoriError):
    """The log has no record of that number, or no tree of that size, yet."""


class RecordPruned(KagimoriError):
    """The record was older than the retention and is gone; its hash is still there."""


class TileMissing(KagimoriError):
    """The log has no such tile (yet)."""


class EntryTooLong(KagimoriError):
    """A record is longer than an entry of the log can be (C2SP tlog-tiles: a uint16 says its length)."""
