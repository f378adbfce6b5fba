"""Where things stand: the ledger's state, each plan on its way, who is missing, and the exact next command to type."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.errors import KagimoriError
from appliance.ledger import quorum
from appliance.ledger.cms import Signature
from appliance.ledger.errors import naming
from appliance.ledger.fold import LedgerState
from appliance.ledger.quorum import ROLES, Tally
from appliance.ledger.roster import Person
from appliance.ledger.states import KeyState
from keyceremony import papers, workspace
from keyceremony.errors import FileProblem
from keyceremony.papers import Paper


@dataclass(frozen=True)
class Pending:
    """A plan on its way. ``refused`` says why it cannot be carried out; ``strange`` names files that do not count."""

    paper: Paper
    tally: Tally
    refused: KagimoriError | None
    strange: tuple[KagimoriError, ...]

    @property
    def missing(self) -> list[Person]:
        """People who may still approve, of the roles that are short."""
        return [person for role in ROLES if self.tally.missing[role] for person in self.tally.remaining[role]]


@dataclass(frozen=True)
class Survey:
    """Everything `status` shows. ``state`` None: no entry yet. ``unreadable``: files among the plans that are none."""

    ledger: Path
    state: LedgerState | None
    pending: tuple[Pending, ...]
    unreadable: tuple[KagimoriError, ...]


def survey(ledger: Path, anchor: str | None, *, now: datetime) -> Survey:
    """Read and verify the ledger, and weigh the plans beside it.

    Raises:
        FileProblem: there is no such folder.
        LedgerError: the ledger is refused.
        InterruptedRun: an execute waits to be completed.
    """
    if not ledger.is_dir():
        new = f"a new ledger begins with: keyceremony plan genesis SETUP.toml --ledger {ledger}"
        raise FileProblem(f"{ledger}: no such folder", new)
    _, state = papers.load_ledger(ledger, anchor)
    pending, unreadable = [], []
    for path in workspace.pending_plans(ledger):
        try:
            pending.append(weigh(papers.load_plan(path), state, now=now))
        except KagimoriError as error:
            unreadable.append(error)
    return Survey(ledger, state, tuple(pending), tuple(unreadable))


def weigh(paper: Paper, state: LedgerState | None, *, now: datetime) -> Pending:
    """Who has approved a plan, and who is missing; unsound approvals are named, not counted."""
    roster = papers.roster_for(paper.plan, state)
    signatures, strange = list[Signature](), list[KagimoriError]()
    for path in workspace.approval_paths(paper.path, paper.plan.sequence):
        try:
            approval = papers.load_approval(paper, path)
            with naming(str(path)):
                quorum.tally(paper.plan, [*signatures, approval.signature], roster)
            signatures.append(approval.signature)
        except KagimoriError as error:
            strange.append(error)
    tally = quorum.tally(paper.plan, signatures, roster)
    return Pending(paper, tally, _refusal(paper, state, now), tuple(strange))


def _refusal(paper: Paper, state: LedgerState | None, now: datetime) -> KagimoriError | None:
    try:
        papers.check_fits(paper, state, now)
    except KagimoriError as error:
        return error
    return None


def next_command(found: Survey, arguments: Callable[..., Sequence[str]]) -> list[str]:
    """The exact command to type next; empty when nothing is to be done.

    Args:
        found: what `survey` found.
        arguments: gives the options that say where the ledger is, and the module if asked ``with_module``.
    """
    for pending in found.pending:
        path = str(pending.paper.path)
        if pending.refused is not None:
            return ["keyceremony", "withdraw", path]
        if pending.missing:
            person = pending.missing[0].id
            return ["keyceremony", "approve", path, "--as", person, "--token", person, *arguments(with_module=True)]
        return ["keyceremony", "execute", path, *arguments(with_module=True)]
    where = arguments(with_module=False)
    if found.state is None:
        return ["keyceremony", "plan", "genesis", "SETUP.toml", *where]
    made = [str(g) for g, key in sorted(found.state.keys.items()) if key.state is KeyState.GENERATED]
    if made:
        actions = [f"activate {generation}" for generation in made]
        return ["keyceremony", "plan", "keys", *actions, "--title", "Activate the new keys", *where]
    return []


def in_words(command: Sequence[str]) -> str:
    """A command as it is typed."""
    return shlex.join(command)
