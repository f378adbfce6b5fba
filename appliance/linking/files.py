"""How files between the parties are read and written: for their owner alone, whole under their name or not at all."""

from __future__ import annotations

import csv
import io
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from appliance.durable import sync_folder
from appliance.linking.errors import FileUnusable, OutputExists
from appliance.progress import bar

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_SHOWN_EVERY = 1000  # lines


class NewFile:
    """A file (mode 0600) under a name of its own until it is published; unpublished, it is gone at the end.

    Raises:
        OutputExists: the final name is taken.
        FileUnusable: it cannot be written; so for each of its methods.
    """

    def __init__(self, path: Path) -> None:
        refuse_existing(path)
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
        with telling(path):
            self._file = os.fdopen(os.open(self._temporary, _NEW, 0o600), "wb")

    def write(self, data: bytes) -> None:
        """Append."""
        with telling(self.path):
            self._file.write(data)

    def finish(self) -> None:
        """Make what was written durable."""
        with telling(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def publish(self) -> None:
        """Give the finished file its name, durably."""
        with telling(self.path):
            try:
                os.link(self._temporary, self.path, follow_symlinks=False)
            except FileExistsError:
                raise _exists(self.path) from None
            sync_folder(self.path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with suppress(OSError):  # what could not be written was told before
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink()


def refuse_existing(path: Path) -> None:
    """Raises OutputExists if the name is taken, before anything is done for nothing."""
    if path.is_symlink() or path.exists():
        raise _exists(path)


def _exists(path: Path) -> OutputExists:
    return OutputExists(f"{path}: exists already; nothing is overwritten", "name another one, or move this one away")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a table, durable and under its name when it is complete; the number of rows.

    Raises:
        OutputExists, FileUnusable: it cannot be written.
    """
    count = 0
    with NewFile(path) as file:
        file.write(_csv_line(header))
        for row in rows:
            file.write(_csv_line(row))
            count += 1
        file.finish()
        file.publish()
    return count


def _csv_line(row: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue().encode()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, to be read.

    Raises:
        FileUnusable: it is none, or cannot be read.
    """
    with telling(path):
        file = os.fdopen(os.open(path, _READ), "rb")
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FileUnusable(f"{path}: not a regular file")
        yield file


@contextmanager
def lines_shown(title: str, file: BinaryIO) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for a file of lines. It is told how many are done, and how many were read for that.

    How many there are is guessed from the latter: who works on a file reads ahead.
    """
    size = os.fstat(file.fileno()).st_size
    shown = 0
    with bar(title, "lines") as show:

        def read(done: int, ahead: int) -> None:
            nonlocal shown
            if done - shown >= _SHOWN_EVERY:
                shown = done
                show(done, max(done, round(ahead * size / max(file.tell(), 1))))

        yield read


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """The system's errors, told with the path that was meant."""
    try:
        yield
    except OSError as error:
        raise FileUnusable(f"{path}: {error.strerror}", "check path, permissions and disk space") from None
