"""From everybody's pairs to one decision each: who is meant, if that is certain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from appliance.matching import rules
from appliance.matching.columns import Columns
from appliance.matching.decision import MOST_CANDIDATES, Candidate, Decision, Outcome, Reason
from appliance.matching.evidence import EVERY, differences
from appliance.matching.pairs import Pairs
from appliance.matching.rarity import Rarity
from appliance.matching.rules import Worth

T = TypeVar("T")
Worths = npt.NDArray[np.uint8]
Which = npt.NDArray[np.bool_]


def decide(pairs: Pairs, residents: Mapping[int, T], asked: Columns, rarity: Rarity) -> list[Decision[T]]:
    """One decision for each asked for, in order."""
    worths = rules.worth(pairs.code)
    faint = (worths == Worth.FAINT) & (rarity.given(asked)[pairs.asked] > rules.WORTH_ASKING)
    pairs, worths = pairs.where(~faint), worths[~faint]
    common = (worths == Worth.RARE) & (rarity.namesakes(asked)[pairs.asked] > rules.RARE_ENOUGH)
    meant = _meant(pairs, worths, common, len(asked))
    taken = _taken(pairs, worths, meant)
    return list(_told(pairs, residents, len(asked), meant & ~taken, taken, worths, common))


def _meant(pairs: Pairs, worths: Worths, common: Which, asked: int) -> Which:
    """Which pairs are certain by themselves."""
    above = {worth: _count(pairs, worths >= worth, asked) for worth in (Worth.ASK, Worth.SURE)}
    sure = (worths == Worth.SURE) & (above[Worth.SURE] == 1)
    alone = (worths == Worth.ALONE) & (above[Worth.ASK] == 1)
    rare = (worths == Worth.RARE) & ~common & (above[Worth.ASK] == 1)
    certain: Which = sure | alone | rare
    return certain


def _count(pairs: Pairs, which: Which, asked: int) -> npt.NDArray[np.int64]:
    """For each pair, how many such pairs its asker has."""
    return np.bincount(pairs.asked[which], minlength=asked)[pairs.asked]


def _taken(pairs: Pairs, worths: Worths, meant: Which) -> Which:
    """Which of the certain pairs are not, because somebody else asked for is this resident as well or better."""
    places = np.flatnonzero(meant)
    resident, worth = pairs.resident[places], worths[places].astype(np.int64)
    lines, group = np.unique(resident, return_inverse=True)
    best = np.zeros(len(lines), np.int64)
    np.maximum.at(best, group, worth)
    at_best = np.bincount(group[worth == best[group]], minlength=len(lines))
    taken = np.zeros(len(pairs), np.bool_)
    taken[places] = (worth < best[group]) | (at_best[group] > 1)
    return taken


def _told(
    pairs: Pairs,
    residents: Mapping[int, T],
    asked: int,
    meant: Which,
    taken: Which,
    worths: Worths,
    common: Which,
) -> Iterator[Decision[T]]:
    ends = np.searchsorted(pairs.asked, np.arange(asked), "right").tolist()
    lines, codes = pairs.resident.tolist(), pairs.code.tolist()
    sure, rare = meant.tolist(), (worths == Worth.RARE).tolist()
    start = 0
    for end in ends:
        one = range(start, end)
        start = end
        chosen = next((place for place in one if sure[place]), None)
        if chosen is not None:
            yield Decision(Outcome.MATCHED, residents[lines[chosen]], _reasons(codes[chosen], rare[chosen]), ())
        elif one:
            candidates = tuple(Candidate(residents[lines[place]], _reasons(codes[place], False)) for place in one)
            yield Decision(Outcome.AMBIGUOUS, None, (_cause(one, taken, worths, common),), candidates[:MOST_CANDIDATES])
        else:
            yield Decision(Outcome.NOT_FOUND, None, (Reason.NO_RESIDENT,), ())


@cache
def _reasons(code: int, rare: bool) -> tuple[Reason, ...]:
    return differences(EVERY[code]) + ((Reason.NAME_RARE,) if rare else ())


def _cause(one: range, taken: Which, worths: Worths, common: Which) -> Reason:
    """Why nobody of the candidates is certain."""
    places = slice(one.start, one.stop)
    if taken[places].any():
        return Reason.SEVERAL_REQUESTS
    if (worths[places] > Worth.FAINT).sum() > 1:
        return Reason.SEVERAL_RESIDENTS
    return Reason.NAME_COMMON if common[places].any() else Reason.NOT_ENOUGH
