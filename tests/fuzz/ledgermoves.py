"""Everything that may be tried on a ledger, legal or not, by kind."""

from __future__ import annotations

from functools import cache

import ledgerkit
import msgspec
from ledgerkit import B1, B2, B3, C1, C2, LABELS, NEW_TOKEN, SERIAL
from signerkit import person

from appliance.ledger.actions import (
    Action,
    Activate,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Destroy,
    Generate,
    Ratify,
    RemoveBackup,
    RemoveClone,
    Restrict,
    Resume,
    Retire,
    Suspend,
    UpdateClone,
    action_name,
)
from appliance.ledger.roster import Roster, Threshold, encode_certificate

KINDS = (Activate, Restrict, Suspend, Ratify, Resume, Retire, Destroy)
BACKUPS = (B1, B2, B3)
COPIES = ((), (B1,), (B2,), (B1, B2), BACKUPS)
NUMBERS = ("common.1", "spin.1", "spin.2", "sspin.B.1", "sspin.B.2", "sspin.E.1", "sspin.G.1")
GENERATIONS = (*NUMBERS, "log.1", "log.2", "tag.1", "tag.2")
PEOPLE = (*ledgerkit.OFFICERS, *ledgerkit.OVERSIGHT, "nagai", "ito, again")
STRANGERS = ("stranger", "appliance")


@cache
def rosters() -> tuple[Roster, ...]:
    """The kit's, one with somebody more, one with a new certificate, one that needs more people."""
    people = ledgerkit.make_roster().people
    renewed = person("ito", "officer", ledgerkit.signer("ito, again"))
    return (
        ledgerkit.make_roster(),
        ledgerkit.make_roster([*people, person("nagai", "officer")]),
        ledgerkit.make_roster([renewed, *people[1:]]),
        ledgerkit.make_roster(thresholds={"keys": Threshold(officers=3, oversight=2)}),
    )


@cache
def broken_rosters() -> tuple[Roster, ...]:
    """Rosters that no ledger may have: one name in both roles, one key for two, and a threshold beyond the heads."""
    people = ledgerkit.make_roster().people
    both = msgspec.structs.replace(person("other", "oversight"), name="ｉＴＯ　" + people[0].name)
    same = msgspec.structs.replace(both, name=people[0].name)
    twin = msgspec.structs.replace(person("twin", "oversight", ledgerkit.signer("sato")), name="another")
    return (
        ledgerkit.make_roster([*people, same]),
        ledgerkit.make_roster([*people, twin]),
        ledgerkit.make_roster(thresholds={"destroy": Threshold(officers=4, oversight=1)}),
        ledgerkit.make_roster(thresholds={"keys": Threshold(officers=2, oversight=0)}),
    )


def signer_of(certificate: str) -> str:
    """The kit's name of whoever has that certificate."""
    return _names()[certificate]


@cache
def _names() -> dict[str, str]:
    return {encode_certificate(ledgerkit.signer(name).certificate): name for name in PEOPLE}


def sector(name: str) -> AddDomain:
    """A new sector of the usual format."""
    return AddDomain(domain=msgspec.structs.replace(ledgerkit.make_domains()[-1], name=name))


@cache
def moves() -> dict[str, tuple[Action, ...]]:
    """Everything that may be tried, by kind."""
    steps: list[Action] = [
        Generate(generation=name, parent=parent, backups=copies)
        for name in GENERATIONS
        for parent in (("spin.1", "spin.2", "common.1") if name.startswith("sspin") else (None,))
        for copies in COPIES
    ]
    steps += [kind(generation=name) for kind in KINDS for name in GENERATIONS]
    steps += [ChangePolicy(policy=ledgerkit.make_policy(backups=copies)) for copies in range(4)]
    steps += [sector(name) for name in ("sspin.E", "sspin.G")]
    steps += [ChangeRoster(roster=roster) for roster in rosters()]
    steps += [*_backup_moves(), *_clone_moves()]
    by_kind: dict[str, list[Action]] = {}
    for step in steps:
        by_kind.setdefault(action_name(step), []).append(step)
    return {kind: tuple(found) for kind, found in by_kind.items()}


def _backup_moves() -> list[Action]:
    steps: list[Action] = []
    for serial in BACKUPS:
        steps += [ledgerkit.enroll(serial, source) for source in (None, *BACKUPS)]
        steps += [RemoveBackup(token_serial=serial, lost=lost) for lost in (True, False)]
        steps += [
            ledgerkit.restore(serial, target, lost, gone)
            for target in (SERIAL, NEW_TOKEN)
            for lost in ((), ("log.1",), ("sspin.B.1",))
            for gone in ((), (B3,))
        ]
        steps.append(ledgerkit.drill(serial))
    return steps


def _clone_moves() -> list[Action]:
    steps: list[Action] = []
    for serial in (C1, C2, B1):
        for source in BACKUPS:
            steps += [ledgerkit.clone(serial, source, log) for log in (None, "osaka", "main")]
            steps.append(UpdateClone(token_serial=serial, source=source))
        steps += [RemoveClone(token_serial=serial, lost=lost) for lost in (True, False)]
    steps.append(msgspec.structs.replace(ledgerkit.clone(C1), token_label=LABELS[B1]))
    return steps
