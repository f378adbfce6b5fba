"""What people said they do not recognise, each beside the conversion that it is about.

The statistics know a mark and not what it is about: that was logged weeks before, maybe, and records are folded and
forgotten. So the few records that were marked are read once more, each proven under the checkpoint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from appliance.audit import records
from appliance.audit.records import Conversion, NotARecord
from appliance.oversight.authentic import AuthenticTree
from appliance.oversight.errors import OversightError
from appliance.oversight.report.tallies import Marked
from appliance.tlog.errors import TlogError
from appliance.tlog.tiles import TILE_WIDTH


class Recalled(NamedTuple):
    """A mark, and what it is about; None: no conversion that this copy has and that is proven."""

    said: Marked
    conversion: Conversion | None


def recalled(tree: AuthenticTree | None, marks: Iterable[Marked]) -> tuple[Recalled, ...]:
    """The marks with what they are about, the newest first.

    Args:
        tree: the copy's tree, None if it could not be proven.
        marks: as `appliance.oversight.report.statistics.Statistics` keeps them, the newest last.
    """
    kept = tuple(marks)[::-1]
    found = {} if tree is None else _conversions(tree, {one.marked for one in kept})
    return tuple(Recalled(one, found.get(one.marked)) for one in kept)


def _conversions(tree: AuthenticTree, wanted: Iterable[int]) -> dict[int, Conversion]:
    """Those of the records that are conversions; each bundle is read once."""
    bundles: dict[int, list[int]] = defaultdict(list)
    for number in wanted:
        if 1 <= number <= tree.checkpoint.size:
            bundles[(number - 1) // TILE_WIDTH].append(number)
    found = {}
    for index, numbers in sorted(bundles.items()):
        entries = _entries(tree, index)
        for number in numbers:
            record = _conversion(entries[(number - 1) % TILE_WIDTH]) if entries else None
            if record is not None and record.record == number:
                found[number] = record
    return found


def _entries(tree: AuthenticTree, index: int) -> list[bytes]:
    """A bundle's entries, proven; none if it is not there, or is not the tree's (which the report says at its top)."""
    try:
        return tree.bundle(index)[0]
    except (OversightError, TlogError):
        return []


def _conversion(entry: bytes) -> Conversion | None:
    try:
        record = records.decode(entry)
    except NotARecord:
        return None
    return record if isinstance(record, Conversion) else None
