"""A file that is not complete yet: cut back to what was durable, and published under its name only when whole."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Self

from appliance.bulk.tables.errors import OutputExists, PartialDamaged, TableUnusable
from appliance.bulk.tables.inputfile import InputFile, using
from appliance.bulk.tables.table import Show, unseen
from appliance.durable import sync_folder

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_AGAIN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK = 1_048_576


class PartialFile:
    """A file in the job's folder, mode 0600, written from its end on.

    Raises:
        PartialDamaged: at least ``size`` bytes should be there and are not, or it was published and is longer.
        TableUnusable: the system refuses.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        """Begin anew (``size`` None; a leftover of that name goes), or go on after the first ``size`` bytes."""
        self.path = path
        with using(path, "written"):
            if size is None:
                path.unlink(missing_ok=True)
                self._descriptor = os.open(path, _NEW, 0o600)
                self.size = 0
            else:
                self._descriptor = _reopened(path, size)
                self.size = size

    def write(self, data: bytes | memoryview) -> None:
        """Append.

        Raises:
            TableUnusable: the disk is full, or the like.
        """
        view = memoryview(data).cast("B")
        with using(self.path, "written"):
            while view:
                written = os.write(self._descriptor, view)
                view = view[written:]
                self.size += written

    def sync(self) -> int:
        """Make everything written durable, the file's name in its folder included; how many bytes there are."""
        if self._descriptor < 0:
            return self.size  # closed: nothing was written since
        with using(self.path, "written"):
            os.fsync(self._descriptor)
            sync_folder(self.path.parent)
        return self.size

    def close(self) -> None:
        """Let go of the file; may be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _reopened(path: Path, size: int) -> int:
    """A descriptor at the end of the first ``size`` bytes; what follows them is cut off."""
    try:
        descriptor = os.open(path, _AGAIN)
    except FileNotFoundError:
        raise PartialDamaged(f"{path}: is missing", _DISCARD) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size < size:
            raise PartialDamaged(f"{path}: has {status.st_size} bytes, but {size} were durable", _DISCARD)
        if status.st_size > size:
            if status.st_nlink > 1:  # the same file has its final name: nothing may be cut off it
                raise PartialDamaged(f"{path}: was published with {status.st_size} bytes, not {size}", _DISCARD)
            os.ftruncate(descriptor, size)
        os.lseek(descriptor, size, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


_DISCARD = "something else changed the job's folder; discard the job and start it again"


def digest(path: Path, show: Show = unseen) -> str:
    """SHA-256 of a file, in hex."""
    with InputFile(path) as file:
        return file.sha256(show)


def is_published(partial: Path, final: Path) -> bool:
    """Whether ``final`` is the very file that ``partial`` is."""
    with using(final):
        try:
            return os.path.samestat(partial.lstat(), final.lstat())
        except FileNotFoundError:
            return False


def publish(partial: Path, final: Path) -> None:
    """Give a durable file its final name as well, durably; a file that has that name already stays.

    The partial name remains until the job's folder is removed, so that a job killed in between sees that it is done.

    Raises:
        OutputExists: another file is there.
        TableUnusable: the folder cannot be written, or the file system has no hard links.
    """
    if not (is_published(partial, final) or _is_copy(partial, final)):
        with using(final, "written"):
            try:
                os.link(partial, final, follow_symlinks=False)
            except FileExistsError:
                raise _exists(final) from None
            except OSError as error:
                if error.errno in _NO_LINKS:
                    raise TableUnusable(f"{final}: its file system has no hard links", "write to another one") from None
                if error.errno != errno.EXDEV:
                    raise
                _publish_copy(partial, final)
    with using(final, "written"):
        sync_folder(final.parent)


def _publish_copy(partial: Path, final: Path) -> None:
    """As `publish`, for a final name on another file system than the job's folder."""
    temporary = final.with_name(f".{final.name}.partial")
    with InputFile(partial) as source, PartialFile(temporary) as copy:
        while block := source.read(copy.size, _BLOCK):
            copy.write(block)
        copy.sync()
    try:
        os.link(temporary, final, follow_symlinks=False)
    except FileExistsError:
        raise _exists(final) from None
    finally:
        temporary.unlink()


def _is_copy(partial: Path, final: Path) -> bool:
    """Whether ``final`` is what `_publish_copy` leaves: a kill came between its name and the end of the job."""
    with using(final):
        there = final.lstat() if final.is_file() and not final.is_symlink() else None
        same_size = there is not None and there.st_size == partial.stat().st_size
        elsewhere = there is not None and there.st_dev != partial.stat().st_dev
    return same_size and elsewhere and digest(final) == digest(partial)


def _exists(final: Path) -> OutputExists:
    return OutputExists(f"{final}: exists already; nothing is overwritten", "move it away, or discard this job")


_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
