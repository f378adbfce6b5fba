"""What requests and answers have in common: JSON Lines whose last line is the SHA-256 of all before it.

So a file that was cut off, or whose lines were changed, is noticed before anything of it is used. The digest does not
say who wrote the file: that is for the way it travels (`docs/linking.md`). There is one way to write each line: compact
JSON in UTF-8, its keys in the order of the format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from appliance.linking.errors import FileRefused
from appliance.linking.files import NewFile

LONGEST_LINE = 4096  # bytes, its end included
MOST_PEOPLE = 1_000_000  # of one file
EXISTING = re.compile(r"[^\W_][\w./-]{0,63}")  # an existing number: letters and digits, in between also . / - _

T = TypeVar("T")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what one line holds."""


class SealedWriter:
    """Writes lines, and the last one."""

    def __init__(self, file: NewFile) -> None:
        self._file = file
        self._digest = sha256()

    def write(self, part: Part) -> None:
        """Append a line."""
        self._put(msgspec.json.encode(part))

    def seal(self) -> str:
        """Append the last line and make all durable; the SHA-256 of the whole file, in hex."""
        self._put(_seal(self._digest.hexdigest()))
        self._file.finish()
        return self._digest.hexdigest()

    def _put(self, line: bytes) -> None:
        self._digest.update(line + b"\n")
        self._file.write(line + b"\n")


class SealedReader:
    """Reads lines. Nothing read counts before the iteration has come to its end.

    ``sha256`` is that of the whole file, in hex, when it has.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.sha256 = ""
        self._path = path
        self._file = file
        self._line = 0
        self._lines = self._unsealed()

    def next(self, kind: type[T]) -> T:
        """The next line, which must be there.

        Raises:
            FileRefused: it is not, or is not of that kind.
        """
        line = next(self._lines, None)
        if line is None:
            raise self.refused("ends too early")
        return self._decoded(line, kind)

    def rest(self, kind: type[T]) -> Iterator[T]:
        """All other lines, but the last.

        Raises:
            FileRefused: one is not of that kind, or the last does not vouch for the others.
        """
        for line in self._lines:
            yield self._decoded(line, kind)

    def refused(self, rule: str, hint: str | None = None) -> FileRefused:
        """The error about the line just read."""
        return FileRefused(f"{self._path}, line {self._line}: {rule}; nothing of the file was taken", hint)

    def _decoded(self, line: bytes, kind: type[T]) -> T:
        try:
            found = msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self.refused("is not what the format has there", "docs/linking.md has the format") from None
        if msgspec.json.encode(found) != line:
            raise self.refused("is not written as the format has it (compact, each key once and in order)")
        return found

    def _unsealed(self) -> Iterator[bytes]:
        """Every line without its end, but the last, which is checked."""
        digest, held = sha256(), b""
        while line := self._file.readline(LONGEST_LINE + 1):
            if held:
                digest.update(held)
                self._line += 1
                yield held[:-1]
            if len(line) > LONGEST_LINE:
                self._line += 1
                raise self.refused(f"longer than {LONGEST_LINE} bytes")
            held = line
        self._line += 1
        if held != _seal(digest.hexdigest()) + b"\n":
            raise self.refused("does not vouch for the lines before it: cut off, or altered", "ask for it once more")
        digest.update(held)
        self.sha256 = digest.hexdigest()


def _seal(digest: str) -> bytes:
    return b'{"sha256":"%s"}' % digest.encode("ascii")
