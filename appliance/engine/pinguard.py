"""A wrong PIN is tried once, ever: tokens lock themselves after a few.

When a token refuses the PIN, a marker in the state directory remembers *which* PIN file it was (its
inode and time of change; nothing about its content, which could be guessed from a hash). As long as the
file is the same one, no engine tries it again on that token, whoever restarts the daemon however often.

A systemd credential is a new file at every start of the service, so there the marker holds its name, and a
person must remove it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from appliance.errors import KagimoriError

FILE_NAME = "pin-refused"


class PinRefusedBefore(KagimoriError):
    """The token refused this very PIN file before; it was not tried again."""

    exit_code: ClassVar[int] = 5


def marker(directory: Path, clone: str | None = None) -> Path:
    """The marker of a token in the state directory: the ledger's own, or the ``clone`` with this serial number."""
    return directory / (FILE_NAME if clone is None else f"{FILE_NAME}-{quote(clone, safe='')}")


def check(marker: Path, pin_file: Path, credential: str | None = None) -> None:
    """Before the login.

    Raises:
        PinRefusedBefore: the marker names this PIN file as it is now, or this credential.
    """
    try:
        refused = marker.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return
    if refused == _identity(pin_file, credential):
        raise PinRefusedBefore(
            f"PIN file {pin_file}: the token refused this PIN before; it was not tried again, lest the token lock",
            f"correct the credential {credential}, then remove {marker}"
            if credential
            else f"write the right PIN to the file; if it is the token that was put right, remove {marker}",
        )


def remember(marker: Path, pin_file: Path, credential: str | None = None) -> None:
    """After the token refused the PIN."""
    with contextlib.suppress(OSError):  # the refusal itself is what must be reported
        marker.write_text(_identity(pin_file, credential), "ascii")


def forget(marker: Path) -> None:
    """After a login that worked."""
    with contextlib.suppress(OSError):
        marker.unlink(missing_ok=True)


def _identity(pin_file: Path, credential: str | None) -> str:
    if credential is not None:
        return f"credential {credential}\n"
    facts = pin_file.stat()
    return f"{facts.st_dev} {facts.st_ino} {facts.st_mtime_ns} {facts.st_ctime_ns}\n"
