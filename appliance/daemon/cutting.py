"""Cuts a body that arrives in pieces of any size into frames of whole lines, without looking at a line.

Newlines are counted, nothing else. A line longer than any number can be is shortened to one byte more
than that (the engine calls it malformed), so a body without newlines takes no memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from appliance.engine.frames import MAX_LINE_BYTES
from appliance.numbers.newlines import count_lines

FRAME_BYTES = 98_304
_KEEP = MAX_LINE_BYTES + 1


class Cutter:
    """``most`` lines a frame at most. Frames are (lines, count); every line ends with a newline."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """The frames that are complete with ``data``."""
        end = data.rfind(b"\n") + 1
        if end == 0:
            self._rest = (self._rest + data[:_KEEP])[:_KEEP]
            return
        whole = self._rest + data[:end] if self._rest else data[:end]
        self._rest = data[end : end + _KEEP]
        yield from self._frames(whole)

    def finish(self) -> Iterator[tuple[bytes, int]]:
        """The last line, if it lacks its newline."""
        if self._rest:
            rest, self._rest = self._rest, b""
            yield rest + b"\n", 1

    def _frames(self, whole: bytes) -> Iterator[tuple[bytes, int]]:
        start = 0
        while start < len(whole):
            end = whole.rfind(b"\n", start, start + FRAME_BYTES) + 1
            if end:
                yield from self._few_enough(whole[start:end])
            else:
                end = whole.index(b"\n", start) + 1
                yield whole[start : start + _KEEP] + b"\n", 1
            start = end

    def _few_enough(self, lines: bytes) -> Iterator[tuple[bytes, int]]:
        """Halved until there are not too many lines in a frame."""
        count = count_lines(lines)
        if count <= self._most:
            yield lines, count
            return
        middle = lines.index(b"\n", len(lines) // 2 - 1) + 1
        if middle == len(lines):
            middle = lines.rindex(b"\n", 0, len(lines) - 1) + 1
        yield from self._few_enough(lines[:middle])
        yield from self._few_enough(lines[middle:])
