"""The streamed text form, for both clients and without a socket: lines out, lines in, both counted.

A stream is complete only if the answer has as many lines as the question and no ``!!code`` line;
everything else is `StreamBroken`. Memory does not grow with the stream's length.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import BinaryIO, cast

from appliance.hubkit.errors import HubkitError, ProtocolError, StreamBroken
from appliance.hubkit.wire import Converted, Failed, Result
from appliance.numbers.newlines import count_lines

BLOCK = 64 * 1024


class LineRefused(HubkitError):
    """A line to send contains a line break: it would count as two and shift every later answer."""


Lines = Iterable[str] | AsyncIterable[str] | BinaryIO


class Outgoing:
    """The question's lines as blocks of bytes; ``lines`` counts those handed out so far.

    ``lines`` are strings without a line break, or a binary file with one number a line. Asynchronous
    sources can only be iterated with ``async for``.

    Raises:
        LineRefused: while iterating, for a string with a line break in it or a file opened as text.
    """

    def __init__(self, lines: Lines) -> None:
        if isinstance(lines, str | bytes):
            raise TypeError("lines must be an iterable of strings or a binary file, not one string")
        self.lines = 0
        self._source = lines
        self._block: list[bytes] = []
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        if isinstance(self._source, AsyncIterable):
            raise LineRefused("asynchronous lines need the asynchronous client")
        read = getattr(self._source, "read1", None) or getattr(self._source, "read", None)
        return self._of_lines(cast("Iterable[str]", self._source)) if read is None else self._of_file(read)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not isinstance(self._source, AsyncIterable):
            for block in self:
                yield block
            return
        async for line in self._source:
            if block := self._add(line):
                yield block
        if block := self._close():
            yield block

    def _of_file(self, read: Callable[[int], bytes]) -> Iterator[bytes]:
        last = b"\n"
        while block := read(BLOCK):
            if not isinstance(block, bytes):
                raise LineRefused("the file to convert must be opened in binary mode")
            self.lines += count_lines(block)
            last = block[-1:]
            yield block
        self.lines += last != b"\n"

    def _of_lines(self, lines: Iterable[str]) -> Iterator[bytes]:
        for line in lines:
            if block := self._add(line):
                yield block
        if block := self._close():
            yield block

    def _add(self, line: str) -> bytes:
        """A block when one is full, else nothing."""
        if "\n" in line or "\r" in line:
            raise LineRefused(f"line {self.lines + len(self._block) + 1}: must be a string without a line break")
        self._block.append(line.encode() + b"\n")
        self._size += len(self._block[-1])
        return self._close() if self._size >= BLOCK else b""

    def _close(self) -> bytes:
        data = b"".join(self._block)
        self.lines += len(self._block)
        self._block.clear()
        self._size = 0
        return data


class Incoming:
    """The answer's lines; ``lines`` counts those handed out so far."""

    def __init__(self) -> None:
        self.lines = 0
        self._rest = b""
        self._broken: str | None = None

    def take(self, block: bytes) -> bytes:
        """The complete lines in what has arrived, without a ``!!code`` line (`check` raises it).

        Raises:
            ProtocolError: an empty line, or one that is not ASCII.
        """
        if self._broken is not None:
            return b""
        data = self._rest + block
        end = data.rfind(b"\n") + 1
        whole, self._rest = data[:end], data[end:]
        if not whole.isascii() or whole.startswith(b"\n") or b"\n\n" in whole:
            raise ProtocolError("a line of the answer is empty or not ASCII")
        at = 0 if whole.startswith(b"!!") else whole.find(b"\n!!") + 1
        if whole.startswith(b"!!") or at:
            self._broken = whole[at:].split(b"\n", 1)[0][2:].decode("ascii", "replace") or "unnamed"
            whole = whole[:at]
        self.lines += count_lines(whole)
        return whole

    def check(self) -> None:
        """After using what `take` gave.

        Raises:
            StreamBroken: the daemon said ``!!code``.
        """
        if self._broken is not None:
            raise StreamBroken(self._broken, self.lines)

    def cut(self, detail: str | None = None) -> StreamBroken:
        """The error for a connection that ended early: the daemon's own code if it came through."""
        return StreamBroken(self._broken or "cut_short", self.lines, None if self._broken else detail)

    def finish(self, sent: int) -> None:
        """After the answer's regular end.

        Raises:
            StreamBroken: it is not as long as the question (``sent`` lines).
        """
        self.check()
        if self._rest:
            raise self.cut("the last line is not whole")
        if self.lines != sent:
            raise StreamBroken("wrong_count", self.lines, f"{sent} lines were sent")


def results(whole: bytes) -> Iterator[Result]:
    """The results in complete answer lines."""
    for line in whole.decode("ascii").split("\n")[:-1]:
        yield Failed(line[1:]) if line.startswith("!") else Converted(line)
