"""Why the audit store cannot be used: one exception for each thing an operator does next."""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError


class AuditError(KagimoriError):
    """The audit store is refused. Without it nothing is converted."""

    exit_code: ClassVar[int] = 3


class AuditLocked(AuditError):
    """Another daemon writes this store."""


class AuditUnusable(AuditError):
    """The operating system does not let the store be opened."""


class AuditDamaged(AuditError):
    """The store holds something that no daemon wrote there."""


class AuditUnavailable(KagimoriError):
    """A record could not be made durable (a full disk, say), so what it is about must not be answered."""
