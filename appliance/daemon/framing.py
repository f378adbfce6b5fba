"""How much of a body is framing, and how much is read of it at once?

Chunk sizes, chunk extensions and trailers (RFC 9112, 7.1) are no content, but cost time and memory: a body of chunks of
one byte keeps the parser busy for a millisecond every 6 KB. So content has to pay for framing, and only who sends
nearly nothing but content is read in large pieces.
"""

from __future__ import annotations

SMALL_READ = 8_192
LARGE_READ = 1 << 18
SLACK = 16_384  # bytes of framing that nothing need pay for

# One buffer for all: bytes are taken out of it before the event loop turns to another connection.
_large = memoryview(bytearray(LARGE_READ))
_small = _large[:SMALL_READ]


class TooMuchFraming(Exception):
    """A body that is hardly anything else."""


class Framing:
    """One connection's. ``view``: where to put the next read. ``wide``: whether it may become large."""

    __slots__ = ("_overhead", "_seen", "_wide", "view")

    def __init__(self) -> None:
        self.view = _small
        self._wide = False
        self._seen = 0
        self._overhead = 0

    def widen(self) -> None:
        """From here on reads may grow."""
        self._wide = True

    def narrow(self) -> None:
        """Small reads again."""
        self._wide, self.view = False, _small

    def begin(self, content: int) -> None:
        """A body begins; so many bytes of it came with its head."""
        self._seen, self._overhead = content, 0

    def more(self, size: int, content: int) -> None:
        """``size`` bytes more were read; ``content``: how many there were of the body, all together.

        Raises:
            TooMuchFraming: of what came lately, too little was content.
        """
        gained, self._seen = content - self._seen, content
        self._overhead = max(0, self._overhead + size - 2 * gained)
        if self._overhead > SLACK + 2 * len(self.view):
            raise TooMuchFraming
        if self._wide and size:
            self.view = _large[: min(2 * len(self.view), LARGE_READ)] if 8 * (size - gained) < size else _small
