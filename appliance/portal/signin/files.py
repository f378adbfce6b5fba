"""How sign-in reads the files it rests on: regular ones, capped, and none that everybody may write to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from appliance.portal.signin.reasons import SignInUnusable


def read(path: Path, most: int, what: str) -> bytes:
    """The bytes of a file; ``what`` is how messages call it.

    Raises:
        SignInUnusable: it is missing, no regular file, larger than ``most`` bytes, or everybody may write to it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SignInUnusable(f"{what} {path}: not a regular file", "name a file")
            if status.st_mode & stat.S_IWOTH:
                raise SignInUnusable(f"{what} {path}: anybody may write to it", f"chmod o-w {path}")
            data = file.read(most + 1)
    except OSError as error:
        raise SignInUnusable(f"{what} {path}: {error.strerror}", "check path and permissions") from None
    if len(data) > most:
        raise SignInUnusable(f"{what} {path}: larger than {most} bytes", "is this the right file?")
    return data
