"""The folder of the log: it is locked against a second writer, and the folders in it are made."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from appliance.audit.errors import AuditLocked, AuditUnusable
from appliance.audit.smallfiles import open_regular
from appliance.durable import sync_folder

LOCK_NAME = "lock"


def take_lock(directory: Path) -> int:
    """A descriptor that holds the lock as long as it is open.

    Raises:
        AuditUnusable: the system refuses.
        AuditLocked: another process has it.
    """
    path = directory / LOCK_NAME
    try:
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise AuditUnusable(
            f"audit log {path}: {error.strerror}",
            "[audit] directory must exist and be writable; it is not made here, so that a lost disk is noticed",
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise AuditLocked(
            f"audit log {directory}: already running: another daemon writes it",
            "stop that daemon first, or give this one an [audit] directory of its own",
        ) from None
    return descriptor


def make_folders(*folders: Path) -> None:
    """Make folders that are not there.

    Raises:
        AuditUnusable: the system refuses, or something else is in the place of one.
    """
    for folder in folders:
        try:
            if not folder.exists():
                folder.mkdir(mode=0o750)
                sync_folder(folder.parent)
        except OSError as error:
            raise AuditUnusable(f"audit log {folder}: {error.strerror}") from None
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise AuditUnusable(f"audit log {folder}: not a folder but a link to one")
