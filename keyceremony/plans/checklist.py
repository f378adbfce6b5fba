"""A whole rotation as a checklist in words: its plans, and what somebody else does between the first and the second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from appliance.ledger.services import LOG, TAG


class Stage(IntEnum):
    """The plans of a rotation, in order; the hub re-keys between those that make and those that end.

    Without clones the first plan makes and activates. With clones it makes only; then each clone gets the new keys by a
    plan of its own, and another plan activates them: no engine is left behind.
    """

    MAKE = 1
    UPDATE = 2
    ACTIVATE = 3
    RESTRICT = 4
    RETIRE = 5
    DESTROY = 6


TITLES = {
    Stage.MAKE: "new keys",
    Stage.UPDATE: "bring the new keys to a clone",
    Stage.ACTIVATE: "activate the new keys",
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
    domain: str,
    stage: Stage,
    new: Sequence[str],
    old: Sequence[str],
    rekeyed: Sequence[tuple[str, str]],
    clones: Sequence[str] = (),
) -> tuple[Step, ...]:
    """The checklist when the plan of ``stage`` comes next.

    ``rekeyed``: from which key to which the hub converts; ``clones``: labels of those that must have the new keys.
    """
    words = _SERVICE.get(domain, _NUMBERS)
    told = {
        "new": ", ".join(new),
        "old": ", ".join(old),
        "rekeyed": arrows(rekeyed) or "nothing is left to be re-keyed",
    }
    due = "done" if stage is Stage.DESTROY else "must be done"
    if stage < Stage.RESTRICT:
        due = "later" if clones and stage < Stage.ACTIVATE else f"next: {words.who}"
    return (
        *_making(stage, words.make.format(**told), told["new"], clones),
        Step(due, words.between.format(**told)),
        Step(_status(Stage.RESTRICT, stage), words.restrict.format(**told)),
        Step(_status(Stage.RETIRE, stage), words.retire.format(**told)),
        Step(_status(Stage.DESTROY, stage), words.destroy.format(**told)),
    )


def _making(stage: Stage, make: str, new: str, clones: Sequence[str]) -> Iterator[Step]:
    """One plan that makes and activates; with clones, a plan for each step, and one for each clone."""
    if not clones:
        yield Step(_status(Stage.MAKE, stage), make)
        return
    yield Step(_status(Stage.MAKE, stage), f"make {new}; it does nothing until activated")
    names = ", ".join(clones)
    yield Step(_status(Stage.UPDATE, stage), f"bring {new} to {names}, a plan for each clone that lacks it")
    yield Step(_status(Stage.ACTIVATE, stage), make.replace("make and activate", "activate", 1))


def arrows(rekeyed: Sequence[tuple[str, str]]) -> str:
    """``sspin.C.1 → sspin.C.2, …``."""
    return ", ".join(f"{source} → {target}" for source, target in rekeyed)


def _status(step: Stage, stage: Stage) -> str:
    if step == stage:
        return "this plan"
    return "done" if step < stage else "later"
