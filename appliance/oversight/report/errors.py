"""Why no report is written: one exception per reason."""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError


class ReportError(KagimoriError):
    """The report cannot be made."""


class TimeZoneUnknown(ReportError):
    """This machine knows no time zone of that name."""

    exit_code: ClassVar[int] = 2


class PeriodEmpty(ReportError):
    """The period ends before it begins, or the log has no record in it."""
