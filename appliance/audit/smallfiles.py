"""How the small files of the log are read and replaced: whole, capped, never through a link, durable at once."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from appliance.audit.errors import AuditDamaged, AuditUnusable
from appliance.durable import sync_folder

LARGEST = 1_048_576


def open_regular(path: Path, flags: int, mode: int = 0o640) -> int:
    """A descriptor of a regular file; a link, a pipe or a device in its place is refused.

    Raises:
        OSError: as ``open`` does.
        AuditUnusable: not a regular file.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode)  # a pipe must not block
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise AuditUnusable(f"audit log {path}: not a regular file")


def read(path: Path) -> bytes | None:
    """What is in the file, None if there is none.

    Raises:
        AuditUnusable: the system refuses.
        AuditDamaged: larger than any such file is.
    """
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuditUnusable(f"audit log {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise AuditDamaged(f"audit log {path}: larger than {LARGEST} bytes")
    return data


def replace(path: Path, data: bytes) -> None:
    """Put ``data`` in the file's place; a crash leaves the old or the new, whole.

    Raises:
        OSError: the old one is still there.
    """
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    sync_folder(path.parent)
