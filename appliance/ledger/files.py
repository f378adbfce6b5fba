"""The ledger's folder: the only module here that touches the disk.

Reading takes regular files of the expected names and nothing else; ``pending/`` beside them, where
plans wait for approvals, is not part of the ledger. Appending never overwrites: a file appears
under its name complete and durable, or not at all.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from appliance.durable import sync_folder
from appliance.ledger.canonical import MAXIMUM_SIZE
from appliance.ledger.chain import authorization_name, outcome_name
from appliance.ledger.errors import LedgerExists, LedgerIncomplete, LedgerUnreadable

PENDING = "pending"
_NAME = re.compile(r"[0-9]{6}\.(authorization|outcome|(attempt|refusal)\.[1-9][0-9]{0,3})\.cms", re.ASCII)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o444


def read(directory: Path) -> dict[str, bytes]:
    """Every file of the ledger by name; empty for an empty folder.

    Raises:
        LedgerUnreadable: the folder or a file cannot be read, or is no regular file, or too large.
        LedgerIncomplete: something is there that does not belong.
    """
    try:
        names = sorted(entry.name for entry in directory.iterdir() if not _is_pending(entry))
    except OSError as error:
        raise LedgerUnreadable(f"{directory}: {error.strerror}", "Check the ledger's directory setting.") from error
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise LedgerIncomplete("does not belong into a ledger", file=name)
    return {name: _read_file(directory / name) for name in names}


def append(directory: Path, sequence: int, authorization: bytes, outcome: bytes) -> None:
    """Add one entry's two files, durably; both are on the disk before either gets its name.

    An authorization that is there already with the very same bytes, its outcome still missing,
    is what an interruption between the two leaves behind; the entry is then completed.

    Raises:
        LedgerExists: the entry, or another authorization in its place, is there already.
        LedgerUnreadable: a file cannot be written or does not read back as written.
    """
    wanted = {authorization_name(sequence): authorization, outcome_name(sequence): outcome}
    if os.path.lexists(directory / outcome_name(sequence)):
        raise LedgerExists("is there already; nothing is overwritten", file=outcome_name(sequence))
    if os.path.lexists(directory / authorization_name(sequence)):
        if _read_file(directory / authorization_name(sequence)) != authorization:
            message = "is there already with other content; nothing is overwritten"
            raise LedgerExists(message, file=authorization_name(sequence))
        del wanted[authorization_name(sequence)]
    _write_and_compare(directory, wanted)


def add_annex(directory: Path, name: str, data: bytes) -> None:
    """Add an annex (see `appliance.ledger.annexes`), durably.

    Raises:
        LedgerExists: one of that name is there already.
        LedgerUnreadable: it cannot be written or does not read back as written.
    """
    if os.path.lexists(directory / name):
        raise LedgerExists("is there already; nothing is overwritten", file=name)
    _write_and_compare(directory, {name: data})


def _write_and_compare(directory: Path, wanted: dict[str, bytes]) -> None:
    _write_files(directory, wanted)
    for name, data in wanted.items():
        if _read_file(directory / name) != data:
            raise LedgerUnreadable("does not read back as it was written", file=name)


def _is_pending(entry: Path) -> bool:
    return entry.name == PENDING and entry.is_dir() and not entry.is_symlink()


def _read_file(path: Path) -> bytes:
    try:
        descriptor = os.open(path, _READ)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise LedgerUnreadable("not a regular file", file=path.name)
            data = file.read(MAXIMUM_SIZE + 1)
    except OSError as error:
        raise LedgerUnreadable(f"cannot be read: {error.strerror}", file=path.name) from error
    if len(data) > MAXIMUM_SIZE:
        raise LedgerUnreadable(f"more than {MAXIMUM_SIZE} bytes", file=path.name)
    return data


def _write_files(directory: Path, wanted: dict[str, bytes]) -> None:
    """Write all beside, then link each to its name: a link fails if the name is taken."""
    waiting, name = directory / PENDING, PENDING
    partials = {name: waiting / f".{name}.{secrets.token_hex(8)}" for name in wanted}
    try:
        waiting.mkdir(mode=0o750, exist_ok=True)
        for name, partial in partials.items():
            _write_new(partial, wanted[name])
        for name, partial in partials.items():
            os.link(partial, directory / name, follow_symlinks=False)
            sync_folder(directory)
    except FileExistsError as error:
        raise LedgerExists("is there already; nothing is overwritten", file=name) from error
    except OSError as error:
        raise LedgerUnreadable(f"cannot be written: {error.strerror}", file=name) from error
    finally:
        for partial in partials.values():
            with suppress(OSError):
                partial.unlink()


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, _CREATE, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
