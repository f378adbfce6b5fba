"""Who decides on a plan: the people of the ledger's roster, and of a roster change those of the new one as well.

Somebody whose certificate is in both decides for both with one signature; with a renewed certificate, each counts where
it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.ledger import quorum
from appliance.ledger.fold import LedgerState
from appliance.ledger.plan import Plan
from appliance.ledger.roster import Person
from keyceremony.errors import NotInRoster
from keyceremony.people.cards import certificate_of
from keyceremony.table import papers


@dataclass(frozen=True)
class Decider:
    """One certificate that counts. ``bodies``: for whom; ``joins``: only for the roster that the plan puts in place."""

    person: Person
    bodies: tuple[str, ...]
    joins: bool

    @property
    def certificate(self) -> bytes:
        """DER."""
        return certificate_of(self.person)


def deciders(plan: Plan, state: LedgerState | None) -> list[Decider]:
    """Everybody who decides, the present roster first."""
    found: dict[bytes, Decider] = {}
    for number, (body, roster) in enumerate(quorum.bodies(plan, papers.roster_for(plan, state)).items()):
        for person in roster.people:
            der = certificate_of(person)
            known = found.get(der, Decider(person, (), number > 0))
            found[der] = Decider(known.person, (*known.bodies, body), known.joins)
    return list(found.values())


def named(everybody: list[Decider], person_id: str) -> list[Decider]:
    """Those of that id: one, or two when a roster change renews their certificate.

    Raises:
        NotInRoster: nobody.
    """
    found = [one for one in everybody if one.person.id == person_id]
    if not found:
        known = ", ".join(dict.fromkeys(one.person.id for one in everybody))
        raise NotInRoster(f"{person_id} is not in the roster", f"people: {known}")
    return found
