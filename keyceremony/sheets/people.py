"""The people on a sheet: who decides on a plan, in which body, and how many of them it needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.ledger import quorum
from appliance.ledger.plan import Plan
from appliance.ledger.roster import Person, Role
from appliance.ledger.state import LedgerState
from keyceremony.people.cards import fingerprint_words
from keyceremony.sheets.wording import Wording
from keyceremony.words import groups


@dataclass(frozen=True)
class Body:
    """One roster that decides. ``name``: as `quorum.bodies` calls it."""

    name: str
    title: str
    officers: int
    oversight: int
    people: tuple[Person, ...]


@dataclass(frozen=True)
class Signatory:
    """Somebody who signs a sheet by hand."""

    name: str
    role: str


def bodies(t: Wording, plan: Plan, state: LedgerState | None) -> tuple[Body, ...]:
    """The rosters whose quorum a plan needs; of a roster change the present one and the new one."""
    rosters = quorum.bodies(plan, quorum.roster_for(plan, state.roster if state else None))
    made = []
    for name, roster in rosters.items():
        needed = quorum.threshold_for(plan, roster)
        made.append(Body(name, t(f"body.{name}"), needed.officers, needed.oversight, roster.people))
    return tuple(made)


def role(t: Wording, name: Role) -> str:
    """A role in words."""
    return t(f"role.{name}")


def certificate_words(person: Person) -> str:
    """The sixteen words of a person's certificate, in four lines."""
    return "\n".join(groups(fingerprint_words(person)))


def signatories(t: Wording, people: Iterable[Person]) -> tuple[Signatory, ...]:
    """Each person once, the operator and a witness (whose names are filled in by hand)."""
    ordered = sorted(people, key=lambda person: person.role)
    named = {person.id: Signatory(person.name, role(t, person.role)) for person in ordered}
    return (*named.values(), Signatory("", t("role.operator")), Signatory("", t("role.witness")))
