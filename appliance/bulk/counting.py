"""Rows by outcome: counted segment by segment, and the words that checkpoint, rejects and summary use for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from appliance.bulk.lines import Mask
from appliance.bulk.segment import Outcome, Segment

Counts = Mapping[str, int]

REJECTED = tuple(outcome.name.lower() for outcome in Outcome if Outcome.KEPT < outcome < Outcome.FIRST_GENERATION)


def words(generations: Sequence[str]) -> dict[int, str]:
    """What each outcome is called; those of a census by their generation."""
    named = {int(outcome): outcome.name.lower() for outcome in Outcome if outcome != Outcome.FIRST_GENERATION}
    return named | {Outcome.FIRST_GENERATION + place: name for place, name in enumerate(generations)}


def added(counts: Counts, segment: Segment, named: Mapping[int, str]) -> dict[str, int]:
    """The counts with a segment's rows."""
    found = np.bincount(segment.outcome)
    more = {named[int(code)]: int(found[code]) for code in np.flatnonzero(found)}
    return {name: counts.get(name, 0) + more.get(name, 0) for name in {**counts, **more}}


def reasons(segment: Segment, mask: Mask, named: Mapping[int, str]) -> list[str]:
    """Why each row of the mask was left out."""
    table = np.array([named.get(code, "") for code in range(max(named) + 1)], object)
    listed: list[str] = table[segment.outcome[mask]].tolist()
    return listed


def rejected(counts: Counts) -> int:
    """Rows that were left out."""
    return sum(counts.get(name, 0) for name in REJECTED)
