"""What was checked of a log, and how it came out; the report and whoever follows a log say it in the same terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from appliance.oversight.report.witnesses import Witnessed
from appliance.oversight.trust import Trust
from appliance.tlog.checkpoint import Signed

Judgement = Literal["good", "bad", "open"]
MOST_PLACES = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked; ``name`` has its words in ``wording.toml``. ``open``: there was nothing to check."""

    name: str
    judgement: Judgement
    amounts: Mapping[str, int | str] = field(default_factory=dict)
    places: tuple[str, ...] = ()


@dataclass(slots=True)
class Faults:
    """How often something was wrong, and the first few places."""

    count: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        """One more."""
        self.count += 1
        if len(self.places) < MOST_PLACES:
            self.places.append(place)

    @property
    def judgement(self) -> Judgement:
        """Good if there is none."""
        return "bad" if self.count else "good"


def ledger(trust: Trust) -> Check:
    """The ledger, which was verified."""
    state = trust.state
    return Check("ledger", "good", {"entries": state.sequence, "anchor": state.anchor[:16]})


def checkpoint(trust: Trust, signed: Signed) -> Check:
    """The checkpoint, which a log key of the ledger signed."""
    key = trust.keys(signed.checkpoint.origin)[signed.key]
    return Check("checkpoint", "good", {"size": signed.checkpoint.size, "key": str(key)})


def cosigned(held: Sequence[Witnessed]) -> Check:
    """The cosignatures: good if there is one of every witness, and none is wrong."""
    there = sum(one.time is not None for one in held)
    wrong = tuple(f"{one.name}: {one.fault}" for one in held if one.fault)
    judgement: Judgement = "bad" if wrong else "good" if held and there == len(held) else "open"
    return Check("cosigned", judgement, {"there": there, "wanted": len(held)}, wrong)
