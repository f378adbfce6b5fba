"""What stands for what, as a file beside the rehearsal's ledger: by it, people find the original of everything."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from appliance.ledger import canonical, plan
from appliance.ledger.state import LedgerState
from keyceremony import workspace
from keyceremony.rehearsal import conduct
from keyceremony.rehearsal.conduct import Rehearsed
from keyceremony.rehearsal.folder import Folder
from keyceremony.rehearsal.original import Scene


class PlanPair(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of an original plan's bytes and of its rehearsal's."""

    entry: int
    original: str
    rehearsal: str


class TokenPair(msgspec.Struct, frozen=True, kw_only=True):
    """A token and its stand-in; ``entry`` takes it into use."""

    entry: int
    original_label: str
    original_serial: str
    label: str
    serial: str


class PersonPair(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the last roster and their stand-in."""

    id: str
    role: str
    original_name: str
    name: str


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. The anchors are those of the two ledgers."""

    rehearsal: bool = True
    original_anchor: str
    rehearsal_anchor: str
    plans: tuple[PlanPair, ...]
    tokens: tuple[TokenPair, ...]
    people: tuple[PersonPair, ...]


def translation(scenes: Sequence[Scene], rehearsed: Rehearsed) -> Translation:
    """Put together from the originals and the rehearsal's verified entries."""
    plans = tuple(
        PlanPair(
            entry=entry.sequence,
            original=plan.digest(scene.data),
            rehearsal=plan.digest(canonical.encode(entry.plan)),
        )
        for scene, entry in zip(scenes, rehearsed.entries, strict=True)
    )
    return Translation(
        original_anchor=plan.digest(scenes[0].data),
        rehearsal_anchor=rehearsed.anchor,
        plans=plans,
        tokens=tuple(
            TokenPair(
                entry=one.entry,
                original_label=one.original.label,
                original_serial=one.original.serial,
                label=one.label,
                serial=serial,
            )
            for one, serial in conduct.pairs(scenes, rehearsed.entries)
        ),
        people=_people(scenes[-1], rehearsed.entries[-1].state),
    )


def write(folder: Folder, told: Translation) -> None:
    """Beside the rehearsal's ledger."""
    workspace.create(folder.translation, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")


def _people(last: Scene, state: LedgerState) -> tuple[PersonPair, ...]:
    doubles = {person.id: person for person in state.roster.people}
    return tuple(
        PersonPair(id=real.id, role=real.role, original_name=real.name, name=doubles[real.id].name)
        for real in last.after.roster.people
        if real.id in doubles
    )
