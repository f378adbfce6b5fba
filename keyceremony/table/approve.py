"""Approving a plan: one person signs its exact bytes, with their own key, and the signature is verified at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from appliance.ledger import certificate, cms, fold
from appliance.ledger.actions import ChangeRoster, Destroy, RemoveBackup, RemoveClone, Restore, subject_of
from appliance.ledger.fold import LedgerState
from appliance.ledger.plan import Plan
from appliance.ledger.roster import Person
from appliance.ledger.services import LOG
from appliance.numbers.domains import Generation
from keyceremony import workspace
from keyceremony.errors import AlreadyApproved, ApprovalRefused, KeyNotTheirs, SubjectWrong, WordsWrong
from keyceremony.people.cards import certificate_of
from keyceremony.table.deciders import Decider, deciders, named
from keyceremony.table.papers import Approval, Paper, Signable, check_fits, load_approvals
from keyceremony.words import last_four, same_words


def approvers(
    paper: Paper, state: LedgerState | None, person_id: str, *, now: datetime, arguments: Sequence[str] = ()
) -> list[Decider]:
    """As whom a person can approve, all that can be checked without their key; two when their certificate is renewed.

    ``arguments``: where the ledger is, as typed; for the command in a hint.

    Raises:
        LedgerError: the plan could not be carried out in the ledger's present state.
        NotInRoster: nobody of that id decides.
        AlreadyApproved: they have approved it before.
    """
    check_fits(paper, state, now, arguments)
    fold.plan_effects(state, paper.plan)
    theirs = named(deciders(paper.plan, state), person_id)
    if len(theirs) == len(_given_by(paper, theirs)):
        require_first_time(paper, theirs[-1])
    return theirs


def require_first_time(paper: Paper, decider: Decider) -> None:
    """Nobody approves twice with one key.

    Raises:
        AlreadyApproved: an approval of theirs lies beside the plan.
    """
    for approval in _given_by(paper, [decider]):
        raise AlreadyApproved(
            f"{decider.person.id} has approved this plan already ({approval.path})", "another person must approve"
        )


def _given_by(paper: Paper, theirs: Sequence[Decider]) -> list[Approval]:
    wanted = {one.certificate for one in theirs}
    given = load_approvals(paper, workspace.approval_paths(paper.path, paper.plan.sequence))
    return [one for one in given if one.signature.certificate in wanted]


def check_words(paper: Signable, typed: str) -> None:
    """Proof that the approver has the digest before their eyes.

    Raises:
        WordsWrong: the words typed are not the last four of this plan or order.
    """
    if not same_words(typed, last_four(paper.words)):
        raise WordsWrong(
            f"these are not the last four words of this {paper.kind}'s digest; nothing was signed",
            "compare all sixteen words with the others before trying again",
        )


def grave_subjects(plan: Plan, state: LedgerState | None) -> list[str]:
    """What the actions that cannot be taken back are about: generations, a token's label, ``roster``; often nothing.

    Of a restore: the new token's label, then each key that it gives up, then each backup token that is lost as well.
    A log key is not asked for: every restore gives it up, and what it has signed stays valid.
    """
    backups, clones = (state.backups, state.clones) if state else ({}, {})
    subjects = []
    for action in plan.actions:
        if isinstance(action, RemoveBackup) and action.token_serial in backups:
            subjects.append(backups[action.token_serial].label)
        elif isinstance(action, RemoveClone) and action.token_serial in clones:
            subjects.append(clones[action.token_serial].label)
        elif isinstance(action, Destroy | Restore | RemoveBackup | RemoveClone | ChangeRoster):
            subjects.append(subject_of(action))
        if isinstance(action, Restore):
            subjects += [text for text in action.lost if Generation.parse(text).domain != LOG]
            subjects += [backups[serial].label for serial in action.lost_backups if serial in backups]
    return subjects


def check_subject(subjects: Sequence[str], typed: str, kind: str = "plan") -> None:
    """Proof that the approver knows what it is that has no way back.

    Raises:
        SubjectWrong: it is something else.
    """
    if " ".join(typed.split()) != " ".join(subjects):
        raise SubjectWrong(f"{typed!r} is not what this {kind} is about; nothing was signed", "read it again, in full")


def approve(
    paper: Paper, person: Person, signer: cms.Signer, *, now: datetime, out: Path | None = None, joins: bool = False
) -> Path:
    """Sign the plan as that person and write the approval; returns its path.

    ``joins``: they sign as one who is in the plan's new roster only.

    Raises:
        KeyNotTheirs: the signer's key is not the one the roster has for the person.
        OutputExists: the approval's file is there already.
        ApprovalRefused: the signature does not cover the plan.
    """
    path = out or workspace.approval_path(paper.path, paper.plan.sequence, person.id, joins=joins)
    workspace.check_absent(path)
    der = sign(paper, person, signer, now=now)
    workspace.create(path, der)
    return path


def sign(paper: Signable, person: Person, signer: cms.Signer, *, now: datetime) -> bytes:
    """The approval's bytes, verified against the person and what they sign."""
    theirs = certificate_of(person)
    if signer.certificate != theirs:
        held = certificate.read(signer.certificate).subject
        raise KeyNotTheirs(f"the key of {held} is not the one the roster has for {person.id}", "use your own key")
    der = cms.sign(paper.data, signer, now)
    signed = cms.verify(der)
    if signed.content != paper.data or [one.certificate for one in signed.signers] != [theirs]:
        raise ApprovalRefused(f"the signature just made does not cover this {paper.kind}; nothing was written")
    return der
