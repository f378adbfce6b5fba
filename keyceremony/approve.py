"""Approving a plan: one person signs its exact bytes, with their own key, and the signature is verified at once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from appliance.ledger import certificate, cms, fold
from appliance.ledger.fold import LedgerState
from appliance.ledger.roster import Person
from keyceremony import workspace
from keyceremony.cards import certificate_of
from keyceremony.errors import AlreadyApproved, ApprovalRefused, KeyNotTheirs, WordsWrong
from keyceremony.papers import Paper, check_fits, load_approvals, owner_of, person_in, roster_for
from keyceremony.words import last_four, same_words


def approver(paper: Paper, state: LedgerState | None, person_id: str, *, now: datetime) -> Person:
    """The person about to approve, all that can be checked without their key.

    Raises:
        LedgerError: the plan could not be carried out in the ledger's present state.
        NotInRoster: nobody of that id decides.
        AlreadyApproved: they have approved it before.
    """
    check_fits(paper, state, now)
    fold.plan_effects(state, paper.plan)
    roster = roster_for(paper.plan, state)
    person = person_in(roster, person_id)
    for approval in load_approvals(paper, workspace.approval_paths(paper.path, paper.plan.sequence)):
        if owner_of(roster, approval.signature.certificate) == person:
            raise AlreadyApproved(
                f"{person_id} has approved this plan already ({approval.path})", "another person must approve"
            )
    return person


def check_words(paper: Paper, typed: str) -> None:
    """Proof that the approver has the digest before their eyes.

    Raises:
        WordsWrong: the words typed are not the last four of this plan.
    """
    if not same_words(typed, last_four(paper.words)):
        raise WordsWrong(
            "these are not the last four words of this plan's digest; nothing was signed",
            "compare all sixteen words with the others before trying again",
        )


def approve(paper: Paper, person: Person, signer: cms.Signer, *, now: datetime, out: Path | None = None) -> Path:
    """Sign the plan as that person and write the approval; returns its path.

    Raises:
        KeyNotTheirs: the signer's key is not the one the roster has for the person.
        OutputExists: the approval's file is there already.
        ApprovalUntimely: the plan or the certificate is not valid now.
    """
    path = out or workspace.approval_path(paper.path, paper.plan.sequence, person.id)
    workspace.check_absent(path)
    der = sign(paper, person, signer, now=now)
    workspace.create(path, der)
    return path


def sign(paper: Paper, person: Person, signer: cms.Signer, *, now: datetime) -> bytes:
    """The approval's bytes, verified against person and plan."""
    theirs = certificate_of(person)
    if signer.certificate != theirs:
        held = certificate.read(signer.certificate).subject
        raise KeyNotTheirs(f"the key of {held} is not the one the roster has for {person.id}", "use your own key")
    der = cms.sign(paper.data, signer, now)
    signed = cms.verify(der)
    if signed.content != paper.data or [one.certificate for one in signed.signers] != [theirs]:
        raise ApprovalRefused("the signature just made does not cover this plan; nothing was written")
    return der
