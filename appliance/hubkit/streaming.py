"""The answer to a stream, as a program without an event loop takes it: result by result, or as text into a file."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

from appliance.hubkit import transport, wire
from appliance.hubkit.lines import Incoming, Outgoing, results
from appliance.hubkit.wire import Result


class ConvertedStream(Iterator[Result]):
    """The results of a stream, as an iterator or written to a file. Use it as a context manager, or to its end.

    ``source`` and ``target`` are the generations in use.
    """

    def __init__(self, duplex: transport.Duplex, lines: Outgoing, source: str, target: str) -> None:
        self._duplex = duplex
        self._lines = lines
        self._incoming = Incoming()
        self._response = http.client.HTTPResponse(duplex)  # type: ignore[arg-type]  # it needs makefile alone
        self._begin()
        headers = transport.lower(self._response)
        self.source = headers.get(wire.SOURCE_HEADER.lower(), "")
        self.target = headers.get(wire.TARGET_HEADER.lower(), "")
        wire.check_generations(self.source or None, self.target or None, source, target)
        self._results = self._each()

    def _begin(self) -> None:
        try:
            self._response.begin()
            if self._response.status != 200:
                body = self._response.read(wire.LARGEST_ANSWER)
                raise wire.problem(self._response.status, transport.lower(self._response), body)
        except (http.client.HTTPException, OSError) as error:
            if error is self._duplex.source_error:
                raise
            raise transport.translated(error) from None

    def blocks(self) -> Iterator[bytes]:
        """The answer as text: whole lines, ``!code`` for a failed number.

        Raises:
            StreamBroken: after the good lines, when the answer did not come to its end.
        """
        try:
            while block := self._read():
                whole = self._incoming.take(block)
                if whole:
                    yield whole
                self._incoming.check()
            self._incoming.finish(self._lines.lines)
        finally:
            self.close()

    def _read(self) -> bytes:
        try:
            return self._response.read1(64 * 1024)
        except (http.client.HTTPException, OSError) as error:
            if error is self._duplex.source_error:
                raise
            raise self._incoming.cut(type(error).__name__) from None

    def _each(self) -> Iterator[Result]:
        for whole in self.blocks():
            yield from results(whole)

    def __next__(self) -> Result:
        return next(self._results)

    def write_to(self, file: BinaryIO | io.RawIOBase) -> int:
        """Write the answer's text to a binary file; the number of lines.

        Raises:
            StreamBroken: the good lines were written, the rest never came.
        """
        for whole in self.blocks():
            file.write(whole)
        return self._incoming.lines

    def close(self) -> None:
        """Give up the rest."""
        self._response.close()
        self._duplex.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
