"""A whole rotation as a checklist in words: its plans, and what somebody else does between the first and the second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from appliance.ledger.servicekeys import LOG, TAG


class Stage(IntEnum):
    """The plans of a rotation, in order; the hub re-keys between the first and the second."""

    MAKE = 1
    RESTRICT = 2
    RETIRE = 3
    DESTROY = 4


TITLES = {
    Stage.MAKE: "new keys",
    Stage.RESTRICT: "restrict the old keys",
    Stage.RETIRE: "retire the old keys",
    Stage.DESTROY: "destroy the old keys",
}


@dataclass(frozen=True)
class Step:
    """One line of the checklist. ``status``: ``done``, ``this plan`` or ``later``; of what others do: when."""

    status: str
    text: str


@dataclass(frozen=True)
class _Words:
    """What each step of one kind of rotation is, in words; ``{new}``, ``{old}`` and ``{rekeyed}`` are filled in."""

    who: str
    make: str
    between: str
    restrict: str
    retire: str
    destroy: str = "destroy {old}: gone from every token, for ever"


_NUMBERS = _Words(
    who="the hub",
    make="make and activate {new}; old and new both convert",
    between="the hub converts every number it and the sectors keep: {rekeyed}",
    restrict="restrict {old}: may still be read, never written to",
    retire="retire {old}: converts nothing any more",
)
_SERVICE = {
    LOG: _Words(
        who="the witnesses",
        make="make and activate {new}; it signs every checkpoint once the daemon has reloaded the ledger",
        between="the daemon is reloaded, and the witnesses co-sign a checkpoint that {new} has signed",
        restrict="restrict {old}: signs nothing any more; what it has signed stays valid",
        retire="retire {old}: can never sign again",
        destroy="destroy {old}: gone from its token, for ever; its public key stays in the ledger",
    ),
    TAG: _Words(
        who="time",
        make="make and activate {new}; new records are tagged with it, and look-ups use both",
        between="records tagged under {old} are pruned, when their time is over ([audit] retention_days)",
        restrict="restrict {old}: look-ups still use it",
        retire="retire {old}: nobody finds the records that were tagged with it any more",
    ),
}


def steps(
    domain: str, stage: Stage, new: Sequence[str], old: Sequence[str], rekeyed: Sequence[tuple[str, str]]
) -> tuple[Step, ...]:
    """The checklist when the plan of ``stage`` comes next; ``rekeyed``: from which key to which the hub converts."""
    words = _SERVICE.get(domain, _NUMBERS)
    told = {
        "new": ", ".join(new),
        "old": ", ".join(old),
        "rekeyed": arrows(rekeyed) or "nothing is left to be re-keyed",
    }
    due = {Stage.MAKE: f"next: {words.who}", Stage.DESTROY: "done"}.get(stage, "must be done")
    return (
        Step(_status(Stage.MAKE, stage), words.make.format(**told)),
        Step(due, words.between.format(**told)),
        Step(_status(Stage.RESTRICT, stage), words.restrict.format(**told)),
        Step(_status(Stage.RETIRE, stage), words.retire.format(**told)),
        Step(_status(Stage.DESTROY, stage), words.destroy.format(**told)),
    )


def arrows(rekeyed: Sequence[tuple[str, str]]) -> str:
    """``sspin.C.1 → sspin.C.2, …``."""
    return ", ".join(f"{source} → {target}" for source, target in rekeyed)


def _status(step: Stage, stage: Stage) -> str:
    if step == stage:
        return "this plan"
    return "done" if step < stage else "later"
