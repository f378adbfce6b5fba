"""Tiles that are proven to be the checkpoint's before anything is made of them, from the root downward.

The partial tiles at the tree's right edge must give the checkpoint's root together; every full tile must hash to
what the tile above it holds. So a wrong tile is always a damaged piece, named, and never looks like a fork; and two
roots that do not go together although all tiles are right are a fork, proven.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from appliance.audit import records
from appliance.audit.records import NotARecord, Record
from appliance.oversight.errors import PieceWrong, RecordWrong
from appliance.tlog import merkle
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import TileInvalid
from appliance.tlog.merkle import leaf_hash
from appliance.tlog.tiles import ENTRIES, TILE_WIDTH, Tile, TileTree, read_bundle, read_hashes, tile_hash, tile_of

_KEPT = 64  # tiles of 8 KB; a walk from left to right needs one a level


class AuthenticTree:
    """The tree of a checkpoint whose signature was verified, out of tiles that ``fetch`` gets.

    Raises:
        PieceWrong: the tiles at the right edge do not give the checkpoint's root.
        PieceMissing: one of them is not there.
    """

    def __init__(self, fetch: Callable[[Tile], bytes], checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._raw = fetch
        self._edge: dict[Tile, bytes] = {}
        self.tile = lru_cache(maxsize=_KEPT)(self._tile)
        self.subtree = TileTree(self.tile, checkpoint.size).subtree
        self._require_edge()

    def _require_edge(self) -> None:
        edge = TileTree(self._keep, self.checkpoint.size)
        try:
            found = merkle.root(self.checkpoint.size, edge.subtree)
        except TileInvalid as error:
            raise PieceWrong(f"{self._edge_names()}: {error.message}") from None
        if found != self.checkpoint.root:
            raise PieceWrong(f"{self._edge_names()}: these tiles do not give the checkpoint's root")

    def _keep(self, tile: Tile) -> bytes:
        self._edge[tile] = b""
        self._edge[tile] = self._raw(tile)
        return self._edge[tile]

    def _edge_names(self) -> str:
        return ", ".join(tile.path for tile in self._edge)

    def _tile(self, tile: Tile) -> bytes:
        """The bytes of a tile of hashes, proven; `tile` keeps the newest few."""
        if not tile.full:
            return self._edge[tile]
        data = self._raw(tile)
        self.prove_tile(tile, data)
        return data

    def prove_tile(self, tile: Tile, data: bytes) -> None:
        """Raises PieceWrong unless these bytes are the tile of hashes that the tree has there."""
        if not tile.full:
            if data != self._edge[tile]:
                raise PieceWrong(f"{tile.path}: not the tile that gives the checkpoint's root")
            return
        above = tile_of(tile.level + 1, tile.index // TILE_WIDTH, self.checkpoint.size)
        place = tile.index % TILE_WIDTH
        try:
            right = tile_hash(data) == read_hashes(self.tile(above), above.width)[place]
        except TileInvalid as error:
            raise PieceWrong(f"{tile.path}: {error.message}") from None
        if not right:
            raise PieceWrong(f"{tile.path}: its hash is not the one that {above.path} holds at {place}")

    def bundle(self, index: int) -> tuple[list[bytes], bytes]:
        """A bundle's entries, proven, and its bytes.

        Raises:
            PieceMissing, PieceWrong: (naming the entry and its record) as their names say.
        """
        tile = tile_of(ENTRIES, index, self.checkpoint.size)
        data = self._raw(tile)
        return self.prove(tile, data), data

    def prove(self, tile: Tile, data: bytes) -> list[bytes]:
        """The entries in a bundle's bytes, each proven to be the tree's.

        Raises:
            PieceMissing, PieceWrong: (naming the entry and its record) as their names say.
        """
        hashes = Tile(0, tile.index, tile.width)
        try:
            entries = read_bundle(data, tile.width)
        except TileInvalid as error:
            raise PieceWrong(f"{tile.path}: {error.message}") from None
        for place, (entry, expected) in enumerate(
            zip(entries, read_hashes(self.tile(hashes), tile.width), strict=True)
        ):
            if leaf_hash(entry) != expected:
                raise PieceWrong(f"{place_of(tile, place)}: its hash is not the one that {hashes.path} holds")
        return entries


def place_of(tile: Tile, place: int) -> str:
    """Where an entry stands: bundle, place in it (from 0), and its record's number."""
    return f"{tile.path} entry {place} (record {tile.index * TILE_WIDTH + place + 1})"


def read_record(entry: bytes, number: int, place: str) -> Record:
    """The record in an entry that must be number ``number``.

    Raises:
        RecordWrong: no record in its one form, or another number; ``place`` says where.
    """
    try:
        record = records.decode(entry)
    except NotARecord as error:
        raise RecordWrong(f"{place}: no record: {error}") from None
    if record.record != number:
        raise RecordWrong(f"{place}: says it is record {record.record}")
    return record
