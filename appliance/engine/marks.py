"""Small files in the state directory that must never go back: locked while one is looked at, replaced as a whole."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from appliance.durable import sync_folder


def lock(path: Path) -> int:
    """Wait for an exclusive lock on a file, made if need be; the descriptor that holds it until it is closed.

    Raises:
        OSError: the folder is not there or cannot be written to.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def replace(path: Path, content: bytes) -> None:
    """Put new content in the file's place, durable when this returns. The caller holds a lock on the mark.

    Raises:
        OSError: it could not be written; then the old content is there, or the new one.
    """
    temporary = path.with_suffix(".new")  # nobody else uses it: the lock is held
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    sync_folder(path.parent)
