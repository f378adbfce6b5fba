"""What an exported copy of a log holds, and how it is read: exactly the bytes that a daemon's socket serves.

``DIR/checkpoint``, ``DIR/cosigned`` (the newest checkpoint with cosignatures, if there was one), ``DIR/tile/…`` as
C2SP tlog-tiles names them, ``DIR/ledger/000001.authorization.cms`` …
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from appliance.ledger import files as ledger_files
from appliance.oversight import files
from appliance.oversight.errors import FolderUnusable, PieceMissing, PieceWrong
from appliance.oversight.source import LARGEST_NOTE, largest
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint, parse_text
from appliance.tlog.errors import TlogError
from appliance.tlog.tiles import TILE_WIDTH, Tile, bundles_of, read_bundle

CHECKPOINT = "checkpoint"
COSIGNED = "cosigned"
LEDGER = "ledger"
TILES = "tile"


class Copy:
    """A copy in a folder, as a `appliance.oversight.source.Source`. Reading verifies nothing.

    Raises:
        FolderUnusable: there is no such folder.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise FolderUnusable(
                f"{directory}: no such folder", "make a copy with `appliance oversight export`, or check the path"
            )
        self.directory = directory

    def checkpoint(self) -> bytes:
        """The checkpoint that the copy goes up to.

        Raises:
            PieceMissing: there is none, so the folder is no copy, or one that was never finished.
        """
        return files.read(self.directory / CHECKPOINT, LARGEST_NOTE, CHECKPOINT)

    def cosigned(self) -> bytes | None:
        """The newest checkpoint with cosignatures, or None."""
        try:
            return files.read(self.directory / COSIGNED, LARGEST_NOTE, COSIGNED)
        except PieceMissing:
            return None

    def tile(self, tile: Tile) -> bytes:
        """A tile or bundle.

        Raises:
            PieceMissing: it is not in the copy.
        """
        return files.read(self.directory / tile.path, largest(tile), tile.path)

    def ledger(self) -> dict[str, bytes]:
        """The files of the ledger by name.

        Raises:
            LedgerError: (a subclass) something there cannot be read, or does not belong there.
        """
        return ledger_files.read(self.directory / LEDGER)

    def head(self) -> Checkpoint:
        """The checkpoint as it is written there, unverified.

        Raises:
            PieceMissing, PieceWrong: there is none that could be read.
        """
        return head_of(self.checkpoint(), CHECKPOINT)

    def records(self, size: int, first: int = 1) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of each record from ``first`` to ``size``, unverified; pruned ones are left out.

        Raises:
            PieceMissing: a bundle is missing behind one that is there.
            TileInvalid: a bundle has not as many entries as it must have.
        """
        seen = False
        for tile in bundles_of(size):
            start = tile.index * TILE_WIDTH + 1
            if start + tile.width <= first:
                continue
            try:
                entries = read_bundle(self.tile(tile), tile.width)
            except PieceMissing:
                if seen:
                    raise
                continue
            seen = True
            for number, entry in enumerate(entries, start):
                if number >= first:
                    yield number, entry


def head_of(data: bytes, name: str) -> Checkpoint:
    """The checkpoint in a signed note, unverified; ``name`` is what messages call it.

    Raises:
        PieceWrong: it is none.
    """
    try:
        return parse_text(notes.parse(data).text)
    except TlogError as error:
        raise PieceWrong(f"{name}: no checkpoint: {error.message}") from None
