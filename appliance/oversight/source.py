"""Where a log is read from: a daemon's socket, or a copy in a folder; everything above works on either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from appliance.tlog.note import MAXIMUM_SIZE as LARGEST_NOTE
from appliance.tlog.tiles import ENTRIES, LONGEST_ENTRY, TILE_WIDTH, Tile

__all__ = ["LARGEST_NOTE", "Source", "largest"]


class Source(Protocol):
    """The pieces of one log. None of them is believed to be right: whoever takes one verifies it."""

    def checkpoint(self) -> bytes:
        """The newest checkpoint, a signed note."""

    def cosigned(self) -> bytes | None:
        """The newest checkpoint that witnesses have co-signed, or None."""

    def tile(self, tile: Tile) -> bytes:
        """A tile of hashes or a bundle of entries.

        Raises:
            PieceMissing: it is not there; `PiecePruned`: no more.
        """

    def ledger(self) -> Mapping[str, bytes]:
        """The files of the ledger by name."""


def largest(tile: Tile) -> int:
    """The most bytes that a tile or bundle can have."""
    each = 2 + LONGEST_ENTRY if tile.level == ENTRIES else 32
    return min(tile.width, TILE_WIDTH) * each
