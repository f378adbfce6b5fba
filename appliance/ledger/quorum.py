"""Whether enough of the right people agreed: distinct persons, distinct keys, in time, per role.

OpenSSL can say that signatures verify; it knows nothing of rosters. This module does, and never
counts anything that `appliance.ledger.cms` has not verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.ledger import certificate as certificates
from appliance.ledger.actions import ChangeRoster, Found, action_class
from appliance.ledger.certificate import Certificate
from appliance.ledger.cms import Signature
from appliance.ledger.errors import ApprovalUntimely, ApprovedTwice, LedgerError, QuorumShort, StrangeSigner
from appliance.ledger.plan import Plan, lifetime
from appliance.ledger.roster import Person, Role, Roster, Threshold, ThresholdClass, decode_certificate
from appliance.ledger.text import render_instant

ROLES: tuple[Role, ...] = ("officer", "oversight")


@dataclass(frozen=True)
class Approval:
    """One person's approval, and when they signed it."""

    person: Person
    signing_time: datetime


@dataclass(frozen=True)
class Tally:
    """Where a plan stands with one roster.

    ``body`` names it: ``roster``, or of a roster change ``present roster`` and ``new roster``. ``missing`` is 0 for a
    role that is satisfied; ``remaining`` may still approve.
    """

    body: str
    approved: tuple[Approval, ...]
    needed: Threshold
    missing: Mapping[Role, int]
    remaining: Mapping[Role, tuple[Person, ...]]

    @property
    def complete(self) -> bool:
        """Whether nobody is missing."""
        return not any(self.missing.values())


@dataclass(frozen=True)
class Ballot:
    """Where a plan stands with everybody who decides on it: one tally, of a roster change two."""

    tallies: tuple[Tally, ...]

    @property
    def complete(self) -> bool:
        """Whether nobody is missing."""
        return all(tally.complete for tally in self.tallies)

    @property
    def approved(self) -> tuple[Approval, ...]:
        """Everybody's approval once, whichever roster it counts for."""
        return tuple(dict.fromkeys(approval for tally in self.tallies for approval in tally.approved))


def threshold_for(plan: Plan, roster: Roster) -> Threshold:
    """The most that any of the plan's actions needs; genesis needs what a roster change would."""
    classes = {_threshold_class(plan, number) for number in range(len(plan.actions))}
    needed = [roster.thresholds[name] for name in classes]
    return Threshold(officers=max(t.officers for t in needed), oversight=max(t.oversight for t in needed))


def roster_for(plan: Plan, roster: Roster | None) -> Roster:
    """The roster that decides on a plan: the ledger's, or at genesis the plan's own.

    Raises:
        LedgerError: neither is there.
    """
    if roster is not None:
        return roster
    for action in plan.actions:
        if isinstance(action, Found):
            return action.roster
    raise LedgerError("the plan is not genesis, and there is no ledger whose roster could decide on it")


def bodies(plan: Plan, roster: Roster) -> dict[str, Roster]:
    """By name, the rosters whose quorum a plan needs: ``roster`` decides; of its own change the new one, too."""
    changes = [action.roster for action in plan.actions if isinstance(action, ChangeRoster)]
    if not changes:
        return {"roster": roster}
    return {"present roster": roster, "new roster": changes[0]}


def ballot(plan: Plan, signatures: Iterable[Signature], roster: Roster) -> Ballot:
    """Count verified signatures over the plan, for each body that decides on it.

    Raises:
        StrangeSigner: a signer who is in none of the rosters with exactly that certificate.
        ApprovedTwice, ApprovalUntimely: as `tally`.
    """
    deciding = bodies(plan, roster)
    if len(deciding) == 1:
        return Ballot((tally(plan, signatures, roster),))
    given = tuple(signatures)
    members = {name: {_certificate_of(person).der for person in body.people} for name, body in deciding.items()}
    for signature in given:
        if not any(signature.certificate in body for body in members.values()):
            raise StrangeSigner(
                f"signed by {certificates.read(signature.certificate).subject}, who is in neither roster"
            )
    return Ballot(
        tuple(
            tally(plan, (one for one in given if one.certificate in members[name]), body, name)
            for name, body in deciding.items()
        )
    )


def tally(plan: Plan, signatures: Iterable[Signature], roster: Roster, body: str = "roster") -> Tally:
    """Count verified signatures over the plan, for one roster.

    Raises:
        StrangeSigner: a signer who is not in the roster with exactly that certificate.
        ApprovedTwice: one person or public key more than once.
        ApprovalUntimely: signed outside the plan's or the certificate's validity.
    """
    approved = tuple(_approval(plan, signature, roster) for signature in signatures)
    return count(approved, threshold_for(plan, roster), roster, body)


def count(approved: tuple[Approval, ...], needed: Threshold, roster: Roster, body: str = "roster") -> Tally:
    """Count approvals of people of the roster, of whatever it is that they approved.

    Raises:
        ApprovedTwice: one person or public key more than once.
    """
    _require_distinct(approved)
    there = {approval.person.id for approval in approved}
    wanted: dict[Role, int] = {"officer": needed.officers, "oversight": needed.oversight}
    have = {role: sum(approval.person.role == role for approval in approved) for role in ROLES}
    return Tally(
        body=body,
        approved=approved,
        needed=needed,
        missing={role: max(0, wanted[role] - have[role]) for role in ROLES},
        remaining={role: tuple(p for p in roster.people if p.role == role and p.id not in there) for role in ROLES},
    )


def require(plan: Plan, signatures: Iterable[Signature], roster: Roster) -> Ballot:
    """The ballot of a plan that enough people approved.

    Raises:
        QuorumShort: too few; says how many of which role, and who could still approve.
        StrangeSigner, ApprovedTwice, ApprovalUntimely: as `ballot`.
    """
    result = ballot(plan, signatures, roster)
    short = [_shortage(one) for one in result.tallies if not one.complete]
    if short:
        raise QuorumShort("; ".join(short), "Have the missing people approve the plan.")
    return result


def _threshold_class(plan: Plan, number: int) -> ThresholdClass:
    name = action_class(plan.actions[number])
    return "roster" if name == "genesis" else name


def _approval(plan: Plan, signature: Signature, roster: Roster) -> Approval:
    holder = certificates.read(signature.certificate)
    person = person_of(holder, roster)
    moment, (created, expires) = signature.signing_time, lifetime(plan)
    when = f"{person.id} approved at {render_instant(moment)}"
    if moment < created:
        raise ApprovalUntimely(f"{when}, before the plan was created ({plan.created})")
    if moment > expires:
        raise ApprovalUntimely(f"{when}, after the plan expired ({plan.expires})")
    if not holder.covers(moment):
        raise ApprovalUntimely(f"{when}, outside the validity of the certificate")
    return Approval(person, moment)


def person_of(holder: Certificate, roster: Roster) -> Person:
    """Whose certificate it is.

    Raises:
        StrangeSigner: nobody's in the roster, or somebody's key under another certificate than the roster's.
    """
    known = [(person, _certificate_of(person)) for person in roster.people]
    for person, certificate in known:
        if certificate.der == holder.der:
            return person
    for person, certificate in known:
        if certificate.key_identity == holder.key_identity:
            raise StrangeSigner(f"signed with the key of {person.id}, but under another certificate than the roster's")
    raise StrangeSigner(f"signed by {holder.subject}, who is not in the roster")


def _certificate_of(person: Person) -> Certificate:
    return decode_certificate(f"roster: {person.id}: certificate", person.certificate)


def _require_distinct(approved: tuple[Approval, ...]) -> None:
    """Distinct people and distinct keys; the roster's validation sees to the latter as well."""
    seen: dict[object, str] = {}
    for approval in approved:
        person = approval.person
        key = _certificate_of(person).key_identity
        if person.id in seen:
            raise ApprovedTwice(f"{person.id} approved twice; each person counts once")
        if key in seen:
            raise ApprovedTwice(f"{seen[key]} and {person.id} approved with one and the same key")
        seen[person.id] = seen[key] = person.id


def _shortage(result: Tally) -> str:
    parts = []
    wanted: dict[Role, int] = {"officer": result.needed.officers, "oversight": result.needed.oversight}
    for role in ROLES:
        if result.missing[role]:
            names = ", ".join(person.id for person in result.remaining[role])
            there = wanted[role] - result.missing[role]
            parts.append(f"{there} of {wanted[role]} {role} approvals (still can: {names})")
    name = "quorum" if result.body == "roster" else f"quorum of the {result.body}"
    return f"{name}: " + "; ".join(parts)
