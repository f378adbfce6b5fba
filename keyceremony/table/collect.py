"""Collecting what people signed elsewhere: each file is verified, then copied to its place beside the plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.ledger import cms, plan, quorum
from appliance.ledger.errors import LedgerError, naming
from appliance.ledger.fold import LedgerState
from keyceremony import workspace
from keyceremony.errors import AlreadyApproved, AlreadyRefused
from keyceremony.table import papers, refusals
from keyceremony.table.deciders import Decider, deciders
from keyceremony.table.papers import Approval, Paper


@dataclass(frozen=True)
class Collected:
    """What a file was, whose, and where it is now."""

    kind: str
    person: str
    path: Path


def collect(paper: Paper, state: LedgerState | None, path: Path) -> Collected:
    """Take one approval or refusal; where it came from, and in which order, does not matter.

    Raises:
        LedgerError: not a sound signed file, a stranger's, or signed at a wrong time; names the file.
        PlanAltered: of another plan.
        AlreadyApproved, AlreadyRefused: that person's is here already.
    """
    with naming(str(path)):
        content = cms.verify(workspace.read(path)).content
    if _is_plan(content):
        return _approval(paper, state, path)
    return _refusal(paper, state, path)


def _is_plan(content: bytes) -> bool:
    try:
        plan.parse(content)
    except LedgerError:
        return False
    return True


def _approval(paper: Paper, state: LedgerState | None, path: Path) -> Collected:
    given = papers.load_approval(paper, path)
    here = papers.load_approvals(paper, workspace.approval_paths(paper.path, paper.plan.sequence))
    for known in here:
        if known.signature.certificate == given.signature.certificate:
            raise AlreadyApproved(f"{path}: this person's approval is here already ({known.path})")
    roster = papers.roster_for(paper.plan, state)
    with naming(str(path)):
        quorum.ballot(paper.plan, [*(one.signature for one in here), given.signature], roster)
    decider = _owner(deciders(paper.plan, state), given)
    place = workspace.approval_path(paper.path, paper.plan.sequence, decider.person.id, joins=decider.joins)
    workspace.create(place, given.der)
    return Collected("approval", decider.person.id, place)


def _owner(everybody: list[Decider], given: Approval) -> Decider:
    return next(one for one in everybody if one.certificate == given.signature.certificate)


def _refusal(paper: Paper, state: LedgerState | None, path: Path) -> Collected:
    given = refusals.load(paper, path, papers.roster_for(paper.plan, state))
    person = given.refusal.person
    place = workspace.refusal_path(paper.path, paper.plan.sequence, person)
    if place.exists():
        raise AlreadyRefused(f"{path}: {person}'s refusal is here already ({place})")
    workspace.create(place, given.der)
    return Collected("refusal", person, place)
