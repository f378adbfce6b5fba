"""How far each conversion of a history is proven: in the tree that the log signed, and in the one that witnesses saw.

One wrong record does not take the others' proofs away, so each is judged by itself when the whole does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from appliance.hubkit.errors import HistoryUnproven
from appliance.hubkit.history import Cosigned, History, PastConversion, verify_cosigned, verify_history


class Standing(StrEnum):
    """COSIGNED: in the log, and in the tree that a witness co-signed. PENDING: in the log, newer than that tree."""

    COSIGNED = "cosigned"
    PENDING = "pending"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: verifier keys of the log, and of its witnesses."""

    log: tuple[str, ...]
    witnesses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A history with what is proven of it. ``sound``: the tree that it names is the log's own, signed as it must be."""

    history: History = field(repr=False)
    sound: bool
    standings: Mapping[int, Standing] = field(repr=False)
    cosigned: Cosigned | None = field(repr=False)

    def standing(self, conversion: PastConversion) -> Standing:
        """Of one of its conversions."""
        return self.standings.get(conversion.record, Standing.UNPROVEN)


def judge(history: History, trust: Trust) -> Judged:
    """What is proven of a history. It never raises for what the appliance said: that is the finding."""
    cosigned = _cosigned(replace(history, conversions=()), trust)
    sound = _holds(replace(history, conversions=()), trust) and (cosigned is not None or history.cosigned is None)
    standings = _standings(history, trust) if sound else {}
    return Judged(history, sound, standings, cosigned if sound else None)


def _standings(history: History, trust: Trust) -> dict[int, Standing]:
    standings = _of(history, trust)
    if Standing.UNPROVEN not in standings.values():
        return standings
    alone = {one.record: _of(replace(history, conversions=(one,)), trust)[one.record] for one in history.conversions}
    return alone if Standing.UNPROVEN in alone.values() else standings  # else what is wrong is their order: all of it


def _of(history: History, trust: Trust) -> dict[int, Standing]:
    """Of conversions that are judged as one."""
    records = [one.record for one in history.conversions]
    if not _holds(history, trust):
        return dict.fromkeys(records, Standing.UNPROVEN)
    if history.cosigned is None:
        return dict.fromkeys(records, Standing.PENDING)
    cosigned = _cosigned(history, trust)
    if cosigned is None:
        return dict.fromkeys(records, Standing.UNPROVEN)
    return {one: Standing.COSIGNED if one in cosigned.records else Standing.PENDING for one in records}


def _holds(history: History, trust: Trust) -> bool:
    try:
        verify_history(history, trust.log)
    except HistoryUnproven:
        return False
    return True


def _cosigned(history: History, trust: Trust) -> Cosigned | None:
    if history.cosigned is None:
        return None
    try:
        return verify_cosigned(history, trust.log, trust.witnesses)
    except HistoryUnproven:
        return None


def counts(standings: Sequence[Standing]) -> dict[str, int]:
    """How many there are of each."""
    return {one.value: standings.count(one) for one in Standing}
