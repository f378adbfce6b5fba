"""How oversight reads and writes files: sizes capped, no links followed, nothing half written under its name.

``replace`` and ``create`` are durable when they return. ``place`` is not, so that ten thousand tiles do not wait for
the disk one by one; whoever places tiles syncs once, before the checkpoint that vouches for them.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.durable import sync_folder
from appliance.oversight.errors import FolderBusy, FolderUnusable, OutputExists, PieceMissing, PieceWrong

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read(path: Path, most: int, name: str | None = None) -> bytes:
    """The bytes of a regular file; ``name`` is what messages call it (default: the path).

    Raises:
        PieceMissing: it is not there.
        PieceWrong: no regular file, or more than ``most`` bytes.
        FolderUnusable: the system does not let it be read.
    """
    name = name or str(path)
    try:
        descriptor = os.open(path, _READ)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PieceWrong(f"{name}: not a regular file")
            data = file.read(most + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise PieceMissing(f"{name}: is missing") from None
    except OSError as error:
        raise FolderUnusable(f"{path}: cannot be read ({error.strerror})", "check path and permissions") from None
    if len(data) > most:
        raise PieceWrong(f"{name}: more than {most} bytes; nothing of that name is so large")
    return data


def replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a file in the place of the one of that name, if there is one; durable when it returns.

    Raises:
        FolderUnusable: it cannot be written; the one before is untouched.
    """
    with _written(path, data, mode, durable=True) as temporary, _naming(path):
        temporary.replace(path)
        sync_folder(path.parent)


def create(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file that must not be there yet; durable when it returns.

    Raises:
        OutputExists: something of that name is there; it is untouched.
        FolderUnusable: it cannot be written; no part of it is left.
    """
    with _written(path, data, mode, durable=True) as temporary, _naming(path):
        try:
            os.link(temporary, path, follow_symlinks=False)
        except FileExistsError:
            raise OutputExists(
                f"{path}: exists already; nothing is overwritten", "name another one, or move this one away"
            ) from None
        sync_folder(path.parent)


def place(path: Path, data: bytes) -> None:
    """Put a file in its place whole, its folders made where they are missing. Not synced.

    Raises:
        FolderUnusable: it cannot be written.
    """
    make_folder(path.parent)
    with _written(path, data, 0o644, durable=False) as temporary, _naming(path):
        temporary.replace(path)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        FolderUnusable: it cannot be made.
    """
    with _naming(folder):
        folder.mkdir(mode=mode, parents=True, exist_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; the system lets it go however the process ends.

    Raises:
        FolderBusy: another process holds it.
        FolderUnusable: it is no folder, or cannot be opened.
    """
    with _naming(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderBusy(f"{folder}: another process works on it", "wait for it to end, or end it") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _written(path: Path, data: bytes, mode: int, *, durable: bool) -> Iterator[Path]:
    """A complete file beside ``path`` under a name of its own, removed at the end if it still has that name."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with _naming(path), os.fdopen(os.open(temporary, _NEW, mode), "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """The system's errors, told with the path that was meant."""
    try:
        yield
    except FileNotFoundError as error:
        raise FolderUnusable(f"{path}: {error.strerror}", "check the path; no folder is made here") from None
    except OSError as error:
        raise FolderUnusable(f"{path}: {error.strerror}", "check path, permissions and disk space") from None
