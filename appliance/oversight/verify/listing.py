"""Which files a copy must have, and whether any others lie there: leftovers tell of records that were cut off."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.oversight.copy import CHECKPOINT, COSIGNED, LEDGER, TILES
from appliance.oversight.verify.findings import Findings
from appliance.tlog.errors import TileInvalid
from appliance.tlog.tiles import Tile, parse_path, tile_of

_TOP = {CHECKPOINT, COSIGNED, LEDGER, TILES}
_LEFTOVER = (
    "does not belong to a copy of {} records: records behind its checkpoint were dropped, or an export was cut off"
)


def check(directory: Path, size: int, findings: Findings) -> int:
    """Report every file that a copy of a log of ``size`` records does not have; how many bundles lie there."""
    bundles = 0
    for name in sorted({entry.name for entry in directory.iterdir()} - _TOP):
        findings.add(name, "does not belong into a copy")
    for place, _, names in os.walk(directory / TILES):
        base = os.path.relpath(place, directory)
        for name in names:
            path = f"{base}/{name}"
            bundles += path.startswith(f"{TILES}/entries/")
            if not _belongs(path, size):
                findings.add(path, _LEFTOVER.format(size))
    return bundles


def _belongs(path: str, size: int) -> bool:
    try:
        tile = parse_path(path)
        return bool(tile == tile_of(tile.level, tile.index, size))
    except TileInvalid:
        return False


def bundles_in(size: int) -> int:
    """How many bundles a log of so many records has."""
    return -(-size // Tile(0, 0).width)
