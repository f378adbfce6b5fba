"""Making an exported copy, or bringing one up to date: only what is new, each piece proven before it is kept.

The checkpoint is replaced last, so a copy is always whole up to its checkpoint: an export that was cut off has
left tiles behind it, which the next one proves and takes over, or fetches anew. A copy never goes back: a log that
does not go on from the copy's own checkpoint is refused, and the copy stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.oversight import files
from appliance.oversight import trust as trusts
from appliance.oversight.authentic import AuthenticTree
from appliance.oversight.copy import CHECKPOINT, COSIGNED, LEDGER, TILES, Copy, head_of
from appliance.oversight.errors import (
    CheckpointRefused,
    FolderUnusable,
    LogForked,
    LogShrunk,
    PieceMissing,
    PiecePruned,
    PieceWrong,
)
from appliance.oversight.source import Source, largest
from appliance.progress import Show, silent
from appliance.tlog import merkle
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import ConsistencyInvalid
from appliance.tlog.tiles import ENTRIES, TILE_HEIGHT, TILE_WIDTH, Tile, tiles_of

_OTHERS = "keep both copies as evidence; ask the appliance's operator, and the witness, which one is true"


@dataclass(frozen=True)
class Exported:
    """What an export did. ``key``: the log key that signed, None if no trust anchor was given to check it with."""

    checkpoint: Checkpoint
    before: int
    fetched: int
    pruned: int
    cosigned: int | None
    key: str | None


class Export:
    """An export into a folder, which is made if it is not there; the caller holds `files.locked` on it."""

    def __init__(self, source: Source, folder: Path, anchor: str | None = None) -> None:
        self._source = source
        self._folder = folder
        self._anchor = anchor
        self._fetched = 0
        self._pruned = 0

    def run(self, show: Show = silent) -> Exported:
        """Bring the copy up to the log's newest checkpoint.

        Raises:
            LogShrunk, LogForked: the log does not go on from the copy's checkpoint; the copy is untouched.
            CheckpointRefused, LedgerError, TlogError: the checkpoint or the ledger is refused.
            PieceMissing, PieceWrong: the daemon does not have a piece, or serves a wrong one.
            FolderUnusable: the folder holds something else, or cannot be written.
        """
        cosigned = self._source.cosigned()  # before the checkpoint, so that it is not ahead of it
        offered = self._source.checkpoint()
        ledger = dict(self._source.ledger())
        checkpoint, key = self._checked(offered, ledger)
        before = self._before()
        tree = self._extending(checkpoint, before)
        self._take_ledger(ledger)
        self._take_tiles(tree, before.size if before else 0, show)
        os.sync()  # thousands of small files at once, instead of one after the other
        newest = self._take_cosigned(cosigned, tree)
        files.replace(self._folder / CHECKPOINT, offered)
        self._remove_outgrown(checkpoint.size)
        return Exported(checkpoint, before.size if before else 0, self._fetched, self._pruned, newest, key)

    def _checked(self, offered: bytes, ledger: dict[str, bytes]) -> tuple[Checkpoint, str | None]:
        if self._anchor is None:
            return head_of(offered, CHECKPOINT), None
        trust = trusts.of(ledger, self._anchor)
        signed = trusts.verify(offered, trust)
        return signed.checkpoint, str(trust.keys(signed.checkpoint.origin)[signed.key])

    def _before(self) -> Checkpoint | None:
        """The checkpoint of the copy that is there, if there is one."""
        try:
            return Copy(self._folder).head()
        except PieceMissing:
            if not {entry.name for entry in self._folder.iterdir()} <= {TILES, LEDGER, COSIGNED}:
                raise FolderUnusable(
                    f"{self._folder}: holds files, but no copy of a log", "name a folder of its own, or a new one"
                ) from None
            return None

    def _extending(self, checkpoint: Checkpoint, before: Checkpoint | None) -> AuthenticTree:
        """The log's tree, proven to begin with the copy's (RFC 9162 section 2.1.4.2)."""
        if before is None:
            return AuthenticTree(self._source.tile, checkpoint)
        if before.origin != checkpoint.origin:
            raise CheckpointRefused(
                f"the copy is of the log {before.origin}, the daemon's is {checkpoint.origin}", "name another folder"
            )
        if checkpoint.size < before.size:
            raise LogShrunk(f"the log shrank: {_both(before, checkpoint)}", _OTHERS)
        tree = AuthenticTree(self._source.tile, checkpoint)
        proof = merkle.consistency_proof(before.size, checkpoint.size, tree.subtree)
        try:
            merkle.verify_consistency(before.size, before.root, checkpoint.size, checkpoint.root, proof)
        except ConsistencyInvalid:
            raise LogForked(f"the log was forked: {_both(before, checkpoint)}", _OTHERS) from None
        return tree

    def _take_ledger(self, ledger: dict[str, bytes]) -> None:
        folder = self._folder / LEDGER
        kept = Copy(self._folder).ledger() if folder.is_dir() else {}
        for name in sorted(kept):
            if ledger.get(name) != kept[name]:
                raise PieceWrong(f"{LEDGER}/{name}: not the one in the copy, or missing; a ledger only grows", _OTHERS)
        for name, data in ledger.items():
            if name not in kept:
                files.place(folder / name, data)

    def _take_tiles(self, tree: AuthenticTree, covered: int, show: Show) -> None:
        size = tree.checkpoint.size
        whole = _count(size)
        for done, tile in enumerate(_pieces(size), start=1):
            self._take(tree, tile, covered)
            show(done, whole)

    def _take(self, tree: AuthenticTree, tile: Tile, covered: int) -> None:
        """Leave a piece that is there and right; fetch it otherwise. What the copy's checkpoint covers is not read."""
        path = self._folder / tile.path
        if tile.full and _end(tile) <= covered and path.is_file():
            return
        if self._is_there(tree, tile):
            return
        try:
            data = tree.bundle(tile.index)[1] if tile.level == ENTRIES else tree.tile(tile)
        except PiecePruned:
            self._pruned += 1
            return
        files.place(path, data)
        self._fetched += 1

    def _is_there(self, tree: AuthenticTree, tile: Tile) -> bool:
        try:
            data = files.read(self._folder / tile.path, largest(tile))
            if tile.level == ENTRIES:
                tree.prove(tile, data)
            else:
                tree.prove_tile(tile, data)
        except (PieceMissing, PieceWrong):
            return False
        return True

    def _take_cosigned(self, data: bytes | None, tree: AuthenticTree) -> int | None:
        """Keep the newest checkpoint with cosignatures, if it is one of this tree's; its size."""
        there = Copy(self._folder).cosigned()
        known = head_of(there, COSIGNED).size if there else None
        if data is None:
            return known
        offered = head_of(data, COSIGNED)
        if known is not None and offered.size < known:
            return known
        if offered.size > tree.checkpoint.size or merkle.root(offered.size, tree.subtree) != offered.root:
            raise LogForked(f"the log was forked: {_both(offered, tree.checkpoint)}", _OTHERS)
        files.replace(self._folder / COSIGNED, data)
        return offered.size

    def _remove_outgrown(self, size: int) -> None:
        """Remove partial tiles that have grown since; what is not a partial tile is not touched."""
        kept = {tile.path for tile in _partial(size)}
        for path in _partials(self._folder / TILES):
            if str(path.relative_to(self._folder)) not in kept:
                path.unlink()
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()


def _end(tile: Tile) -> int:
    """How many leaves a tree must have for the tile to be full."""
    return (tile.index + 1) * TILE_WIDTH << TILE_HEIGHT * max(tile.level, 0)


def _pieces(size: int) -> Iterator[Tile]:
    """Every tile of a tree of so many leaves, each bundle right behind its hashes; never a list: a size is a claim."""
    for tile in tiles_of(size):
        yield tile
        if tile.level == 0:
            yield Tile(ENTRIES, tile.index, tile.width)


def _count(size: int) -> int:
    """How many pieces that are."""
    tiles, hashes = -(-size // TILE_WIDTH), size
    while hashes:
        tiles, hashes = tiles - (-hashes // TILE_WIDTH), hashes >> TILE_HEIGHT
    return tiles


def _partial(size: int) -> Iterator[Tile]:
    """The partial ones among them."""
    level, hashes = 0, size
    if size % TILE_WIDTH:
        yield Tile(ENTRIES, size // TILE_WIDTH, size % TILE_WIDTH)
    while hashes:
        if hashes % TILE_WIDTH:
            yield Tile(level, hashes // TILE_WIDTH, hashes % TILE_WIDTH)
        level, hashes = level + 1, hashes >> TILE_HEIGHT


def _partials(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        if place.endswith(".p"):
            yield from (Path(place) / name for name in names)


def _both(before: Checkpoint, now: Checkpoint) -> str:
    return f"size {before.size}, root {before.root.hex()}, and size {now.size}, root {now.root.hex()}"
