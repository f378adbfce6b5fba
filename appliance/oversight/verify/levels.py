"""The tiles above level 0: each hash in them must be the hash over a whole tile below, and all together the root."""

from __future__ import annotations

from appliance.oversight.copy import Copy
from appliance.oversight.errors import FolderUnusable, PieceMissing, PieceWrong
from appliance.oversight.verify.findings import Findings
from appliance.oversight.verify.part import UNKNOWN
from appliance.tlog import merkle
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import TileInvalid
from appliance.tlog.tiles import TILE_WIDTH, Tile, TileTree, read_hashes, tile_hash, tile_of


def check(copy: Copy, checkpoint: Checkpoint, above: list[bytes], findings: Findings) -> None:
    """Hold the tiles of level 1 and higher against what lies below them, and the root against the checkpoint.

    ``above``: the hash over each full tile of level 0 (`UNKNOWN` where it cannot be known).
    """
    level = 1
    while above:
        above = _level(copy, checkpoint.size, level, above, findings)
        level += 1
    require_root(copy, checkpoint, findings, f"checkpoint (size {checkpoint.size})")


def _level(copy: Copy, size: int, level: int, below: list[bytes], findings: Findings) -> list[bytes]:
    """One level: compared hash by hash; what the level above it must hold."""
    above = []
    for index in range(-(-len(below) // TILE_WIDTH)):
        tile = tile_of(level, index, size)
        expected = below[index * TILE_WIDTH : index * TILE_WIDTH + tile.width]
        hashes = _read(copy, tile, findings) or expected
        for place, (one, wanted) in enumerate(zip(hashes, expected, strict=True)):
            if wanted not in (UNKNOWN, one):
                under = tile_of(level - 1, index * TILE_WIDTH + place, size)
                findings.add(tile.path, f"hash {place} is not the one over {under.path}")
        if tile.full:
            above.append(UNKNOWN if UNKNOWN in hashes else tile_hash(b"".join(hashes)))
    return above


def _read(copy: Copy, tile: Tile, findings: Findings) -> list[bytes] | None:
    try:
        return read_hashes(copy.tile(tile), tile.width)
    except (PieceMissing, PieceWrong, FolderUnusable) as error:
        findings.add(tile.path, error.message.removeprefix(f"{tile.path}: "))
    except TileInvalid as error:
        findings.add(tile.path, error.message)
    return None


def require_root(copy: Copy, checkpoint: Checkpoint, findings: Findings, place: str) -> None:
    """The copy's tiles begin with the tree of that checkpoint, which may be an earlier one; else a finding."""
    size = copy.head().size
    if checkpoint.size > size:
        findings.add(place, f"goes further than the copy, which has {size} records: records are missing at the end")
        return
    try:
        found = merkle.root(checkpoint.size, TileTree(copy.tile, size).subtree)
    except (PieceMissing, PieceWrong, FolderUnusable, TileInvalid) as error:
        findings.add(place, f"its root cannot be computed: {error.message}")
        return
    if found != checkpoint.root:
        findings.add(place, f"its root is {checkpoint.root.hex()}; the copy's tiles give {found.hex()}")
