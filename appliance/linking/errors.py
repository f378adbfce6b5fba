"""What sector and authority are told when a file or a command cannot be used. Nothing in it names a person."""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import KagimoriError


class LinkingError(KagimoriError):
    """Base of everything that the command lines of linking refuse or fail with."""


class FileRefused(LinkingError):
    """A request, an answer or a table that does not keep the rules; nothing of it was taken."""


class OutputExists(LinkingError):
    """A file of that name is there; it is untouched."""


class FileUnusable(LinkingError):
    """A file cannot be read or written."""

    exit_code: ClassVar[int] = 3


class NobodyToAsk(LinkingError):
    """There is nobody whom a request could be about."""
