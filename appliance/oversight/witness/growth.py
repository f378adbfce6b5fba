"""Whether what was added to the log are records: each in its one form, numbered right, and the tree's own."""

from __future__ import annotations

from collections.abc import Callable

from appliance.audit.records import Pruned
from appliance.oversight.authentic import AuthenticTree, place_of, read_record
from appliance.oversight.errors import PieceMissing
from appliance.tlog.tiles import ENTRIES, TILE_WIDTH, tile_of


def read(tree: AuthenticTree, first: int, advance: Callable[[int], None]) -> None:
    """Read every record from number ``first`` to the tree's last.

    ``advance`` is told how many are done with each bundle. Bundles may be missing only if a `Pruned` record that comes
    after them says so.

    Raises:
        PieceMissing, PieceWrong, RecordWrong: naming bundle, entry and record.
    """
    size, pruned, gone = tree.checkpoint.size, 1, 0
    missing: PieceMissing | None = None
    for index in range((first - 1) // TILE_WIDTH, -(-size // TILE_WIDTH)):
        tile = tile_of(ENTRIES, index, size)
        start = index * TILE_WIDTH + 1
        try:
            entries, _ = tree.bundle(index)
        except PieceMissing as error:
            missing, gone = missing or error, start + tile.width - 1
            advance(tile.width)
            continue
        for place, entry in enumerate(entries):
            record = read_record(entry, start + place, place_of(tile, place))
            if isinstance(record, Pruned):
                pruned = max(pruned, record.first)
        advance(tile.width)
    if missing is not None and gone >= pruned:
        raise missing
