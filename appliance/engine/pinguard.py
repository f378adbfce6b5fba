"""A wrong PIN is tried once, ever: tokens lock themselves after a few.

When a token refuses the PIN, a marker in the state directory remembers *which* PIN file it was (its
inode and time of change; nothing about its content, which could be guessed from a hash). As long as the
file is the same one, no engine tries it again on that token, whoever restarts the daemon however often.

A token that is lost in mid-login may have counted the attempt without an answer, and engines are started again for as
long as a token is gone. So a PIN that was never accepted is marked *before* it is tried; without an answer it stays
marked. One that was accepted (a second file remembers which) may be tried as often as need be: it is the right one.

A systemd credential is a new file at every start of the service, so there the marker holds its name, and a
person must remove it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from appliance.errors import KagimoriError
from appliance.token.errors import PinWrong

FILE_NAME = "pin-refused"
ACCEPTED_NAME = "pin-accepted"
_TRIED = "tried "


class PinRefusedBefore(KagimoriError):
    """The token refused this very PIN file before, or never answered it; it was not tried again."""

    exit_code: ClassVar[int] = 5


class PinUnguarded(KagimoriError):
    """That the PIN is tried cannot be written down, so it is not tried."""

    exit_code: ClassVar[int] = 3


def marker(directory: Path, clone: str | None = None) -> Path:
    """The marker of a token in the state directory: the ledger's own, or the ``clone`` with this serial number."""
    return directory / (FILE_NAME if clone is None else f"{FILE_NAME}-{quote(clone, safe='')}")


@contextlib.contextmanager
def one_attempt(marker: Path, pin_file: Path, credential: str | None = None) -> Iterator[None]:
    """Around the one login with a PIN. Whatever ends it without the token's answer leaves a new PIN marked.

    Raises:
        PinRefusedBefore, PinUnguarded: nothing was tried.
    """
    check(marker, pin_file, credential)
    begin(marker, pin_file, credential)
    try:
        yield
    except PinWrong:
        remember(marker, pin_file, credential)
        raise
    except KagimoriError:  # the token answered, and not about the PIN; or it was not asked at all
        forget(marker)
        raise
    accept(marker, pin_file, credential)


def check(marker: Path, pin_file: Path, credential: str | None = None) -> None:
    """Before the login.

    Raises:
        PinRefusedBefore: the marker names this PIN file as it is now, or this credential.
    """
    marked, this = _read(marker), _identity(pin_file, credential)
    if marked == this:
        raise PinRefusedBefore(
            f"PIN file {pin_file}: the token refused this PIN before; it was not tried again, lest the token lock",
            f"correct the credential {credential}, then remove {marker}"
            if credential
            else f"write the right PIN to the file; if it is the token that was put right, remove {marker}",
        )
    if marked == _TRIED + this:
        raise PinRefusedBefore(
            f"PIN file {pin_file}: the token gave no answer to this PIN before, and may have counted it; it was not "
            "tried again, lest the token lock",
            f"make sure with the token's own tool that it is the right PIN, then remove {marker}",
        )


def begin(marker: Path, pin_file: Path, credential: str | None = None) -> None:
    """Mark a PIN that this token has never accepted, before it is tried.

    Raises:
        PinUnguarded: the marker cannot be written.
    """
    this = _identity(pin_file, credential)
    if _read(_accepted(marker)) == this:
        return
    try:
        marker.write_text(_TRIED + this, "ascii")
    except OSError as error:
        raise PinUnguarded(
            f"{marker}: cannot be written ({error.strerror}), so the PIN was not tried",
            "make the state directory writable for the engine, with room on its disk",
        ) from None


def remember(marker: Path, pin_file: Path, credential: str | None = None) -> None:
    """After the token refused the PIN."""
    with contextlib.suppress(OSError):  # the refusal itself is what must be reported
        marker.write_text(_identity(pin_file, credential), "ascii")
        _accepted(marker).unlink(missing_ok=True)


def accept(marker: Path, pin_file: Path, credential: str | None = None) -> None:
    """After a login that worked."""
    accepted, this = _accepted(marker), _identity(pin_file, credential)
    with contextlib.suppress(OSError):  # then it is marked again before the next login, no more
        if _read(accepted) != this:
            accepted.write_text(this, "ascii")
    forget(marker)


def forget(marker: Path) -> None:
    """Nothing is held against the PIN any more."""
    with contextlib.suppress(OSError):
        marker.unlink(missing_ok=True)


def _accepted(marker: Path) -> Path:
    return marker.with_name(marker.name.replace(FILE_NAME, ACCEPTED_NAME, 1))


def _read(path: Path) -> str | None:
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return None


def _identity(pin_file: Path, credential: str | None) -> str:
    if credential is not None:
        return f"credential {credential}\n"
    facts = pin_file.stat()
    return f"{facts.st_dev} {facts.st_ino} {facts.st_mtime_ns} {facts.st_ctime_ns}\n"
