"""Why the desk cannot show something: one exception per reason."""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError


class DeskError(KagimoriError):
    """Base of what the desk raises."""


class KeyFileRefused(DeskError):
    """The file of the access key is open to others, or does not hold one."""

    exit_code: ClassVar[int] = 3


class AlarmStands(DeskError):
    """Two heads of the log disagreed, and nobody has settled it; nothing more is fetched."""


class CeremonyToolFailed(DeskError):
    """``keyceremony`` did not answer, or not as it should."""


class RecordNotHere(DeskError):
    """No such record in the copy: too new, or removed after its retention."""
