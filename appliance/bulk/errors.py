"""What can stop a bulk job: one exception for each thing that a person does next. None holds a number or a cell."""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError


class BulkError(KagimoriError):
    """Base of everything that a bulk job refuses or fails with."""


class JobExists(BulkError):
    """There is a job for this output that was not finished."""


class JobMissing(BulkError):
    """There is no job for this output."""


class JobBusy(BulkError):
    """Another process works on the job."""


class JobUnusable(BulkError):
    """The job's folder cannot be made, read or written, or is not one."""

    exit_code: ClassVar[int] = 3


class InputChanged(BulkError):
    """The input is not the file that the job began with."""


class NotAllowed(BulkError):
    """The role, or the state of a key, does not allow the job. Nothing was asked or written."""


class RoundTripFailed(BulkError):
    """A number converted to and fro did not come back as itself: appliance or file is not what it should be."""


class NotWritten(BulkError):
    """Output, rejects or checkpoint could not be written (a full disk, mostly). The job can go on later."""


class JobStopped(BulkError):
    """A signal ended the run at its last checkpoint."""

    def __init__(self) -> None:
        super().__init__("stopped at the last checkpoint")


class DaemonRefuses(BulkError):
    """The daemon refuses, and waiting did not help or cannot help."""


class DaemonAway(BulkError):
    """The daemon could not be reached, or did not answer, for longer than the job's patience."""

    exit_code: ClassVar[int] = 6
