"""Where things stand: the ledger's state, each plan on its way, who is missing, and the exact next command to type."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.errors import KagimoriError
from appliance.ledger import clones, fold, quorum
from appliance.ledger.book import Book
from appliance.ledger.cms import Signature
from appliance.ledger.errors import naming
from appliance.ledger.fold import LedgerState
from appliance.ledger.outcome import Note
from appliance.ledger.quorum import ROLES, Ballot
from appliance.ledger.roster import Person, Roster
from appliance.ledger.states import KeyState
from keyceremony import workspace
from keyceremony.act import journal as journals
from keyceremony.errors import FileProblem
from keyceremony.looking.reminders import Reminder, missing_service, reminders
from keyceremony.plans.grammar import newest
from keyceremony.table import notes, papers, refusals
from keyceremony.table.papers import Paper
from keyceremony.table.refusals import Refused


@dataclass(frozen=True)
class Pending:
    """A plan on its way, weighed by each body that decides on it.

    ``impossible`` says why it cannot be carried out; ``strange`` names files that do not count.
    """

    paper: Paper
    ballot: Ballot
    refusals: tuple[Refused, ...]
    notes: tuple[Note, ...]
    impossible: KagimoriError | None
    strange: tuple[KagimoriError, ...]

    @property
    def missing(self) -> list[Person]:
        """People who may still approve, of the bodies and roles that are short."""
        return [
            person
            for tally in self.ballot.tallies
            for role in ROLES
            if tally.missing[role]
            for person in tally.remaining[role]
        ]


@dataclass(frozen=True)
class Survey:
    """Everything `status` shows. ``state`` None: no entry yet. ``unreadable``: files among the plans that are none.

    ``cut_off``: the journal of an execute that came to no end.
    """

    ledger: Path
    state: LedgerState | None
    pending: tuple[Pending, ...]
    unreadable: tuple[KagimoriError, ...]
    reminders: tuple[Reminder, ...]
    cut_off: Path | None


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
    due = reminders(state, now) if state else []
    return Survey(ledger, state, tuple(pending), tuple(unreadable), tuple(due), journals.left_behind(ledger))


def weigh(paper: Paper, state: LedgerState | None, *, now: datetime) -> Pending:
    """Who has approved or refused a plan, and who is missing; unsound files are named, not counted."""
    roster = papers.roster_for(paper.plan, state)
    signatures, strange = list[Signature](), list[KagimoriError]()
    for path in workspace.approval_paths(paper.path, paper.plan.sequence):
        try:
            approval = papers.load_approval(paper, path)
            with naming(str(path)):
                quorum.ballot(paper.plan, [*signatures, approval.signature], roster)
            signatures.append(approval.signature)
        except KagimoriError as error:
            strange.append(error)
    return Pending(
        paper=paper,
        ballot=quorum.ballot(paper.plan, signatures, roster),
        refusals=tuple(_refusals(paper, roster, strange)),
        notes=notes.read(paper.path, paper.plan.sequence),
        impossible=_impossible(paper, state, now),
        strange=tuple(strange),
    )


def _refusals(paper: Paper, roster: Roster, strange: list[KagimoriError]) -> Iterator[Refused]:
    for path in workspace.refusal_paths(paper.path, paper.plan.sequence):
        try:
            yield refusals.load(paper, path, roster)
        except KagimoriError as error:
            strange.append(error)


def _impossible(paper: Paper, state: LedgerState | None, now: datetime) -> KagimoriError | None:
    try:
        papers.check_fits(paper, state, now)
        fold.plan_effects(state, paper.plan)
    except KagimoriError as error:
        return error
    return None


def next_command(found: Survey, arguments: Callable[..., Sequence[str]]) -> list[str]:
    """The exact command to type next; empty when nothing is to be done.

    Args:
        found: what `survey` found.
        arguments: gives the options that say where the ledger is, and the module if asked ``with_module``.
    """
    if found.cut_off is not None:
        return ["keyceremony", "resume", *arguments(with_module=True)]
    if found.pending:
        return _for_plan(found.pending[0], arguments)
    where = arguments(with_module=False)
    if found.state is None:
        return ["keyceremony", "plan", "genesis", "SETUP.toml", *where]
    if update := _clone_due(found.state):
        return [*update, *where]
    actions, title = _due(found.state)
    return ["keyceremony", "plan", "keys", *actions, "--title", title, *where] if actions else []


def _clone_due(state: LedgerState) -> list[str]:
    """Bringing a clone the keys that it lacks and that a backup token has, before they are activated."""
    for serial, clone in sorted(state.clones.items()):
        missing = clones.lacking(state.keys, serial)
        for source, backup in sorted(state.backups.items()):
            if any(source in key.copies for key in missing):
                return ["keyceremony", "plan", "update-clone", clone.label, "--from", backup.label]
    return []


def _for_plan(pending: Pending, arguments: Callable[..., Sequence[str]]) -> list[str]:
    path = str(pending.paper.path)
    if pending.impossible is not None:
        return papers.renew_command(pending.paper, arguments(with_module=False))
    if pending.missing:
        person = pending.missing[0].id
        return ["keyceremony", "approve", path, "--as", person, "--token", person, *arguments(with_module=True)]
    return ["keyceremony", "execute", path, *arguments(with_module=True)]


def _due(state: LedgerState) -> tuple[list[str], str]:
    """Actions that keys wait for: an unratified suspension first, then keys made and not in use, then missing ones."""
    keys = [key for _, key in sorted(state.keys.items())]
    stopped = [key for key in keys if key.state is KeyState.SUSPENDED and not key.ratified]
    if stopped:
        return [f"ratify {key.generation}" for key in stopped], "Ratify the emergency stop"
    late = {key.generation for serial in state.clones for key in clones.lacking(state.keys, serial)}
    ready = [key for key in keys if key.state is KeyState.GENERATED and key.generation not in late]
    if ready:
        return [f"activate {key.generation}" for key in ready], "Activate the new keys"
    made = {name: f"{name}.{newest(name, Book(state).keys) + 1}" for name in missing_service(state)}
    actions = [*(f"generate {name}" for name in made), *(f"activate {text}" for text in made.values())]
    return actions, f"The next key of {' and '.join(made)}"


def in_words(command: Sequence[str]) -> str:
    """A command as it is typed."""
    return shlex.join(command)
