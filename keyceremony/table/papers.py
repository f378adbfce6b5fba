"""Reading what lies on the table: the plan file, the approvals beside it, and the ledger they belong to."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from appliance.ledger import canonical, certificate, chain, cms, files, plan, quorum
from appliance.ledger.errors import LedgerIncomplete, PlanExpired, WrongAnchor, WrongPrevious, WrongSequence, naming
from appliance.ledger.fold import LedgerState
from appliance.ledger.roster import Person, Roster, decode_certificate
from appliance.ledger.text import render_instant
from keyceremony import workspace
from keyceremony.errors import ApprovalRefused, InterruptedRun, NotInRoster, PlanAltered, PlanRefused
from keyceremony.table import staging
from keyceremony.words import words_of


class Signable(Protocol):
    """What people sign byte for byte. ``kind``: what they call it, a plan or an order."""

    @property
    def path(self) -> Path:
        """Its file."""

    @property
    def data(self) -> bytes:
        """The file's exact bytes."""

    @property
    def words(self) -> tuple[str, ...]:
        """The read-aloud words."""

    @property
    def kind(self) -> str:
        """``plan`` or ``order``."""


@dataclass(frozen=True)
class Paper:
    """A plan file: its exact bytes are what people sign."""

    path: Path
    data: bytes
    plan: plan.Plan

    @property
    def kind(self) -> str:
        """What people call it."""
        return "plan"

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, hex; of a genesis plan it is the trust anchor."""
        return plan.digest(self.data)

    @property
    def words(self) -> tuple[str, ...]:
        """The read-aloud words."""
        return words_of(self.data)


@dataclass(frozen=True)
class Approval:
    """An approval file whose signature holds over the plan's bytes."""

    path: Path
    der: bytes
    signature: cms.Signature


def paper_of(path: Path, drafted: plan.Plan) -> Paper:
    """A plan just drafted, as the file it becomes."""
    return Paper(path, canonical.encode(drafted), drafted)


def load_plan(path: Path) -> Paper:
    """A plan file, strictly read.

    Raises:
        LedgerError: not a plan, or not in its one encoding; names the file.
    """
    data = workspace.read(path)
    with naming(str(path)):
        return Paper(path, data, plan.parse(data))


def load_approval(paper: Signable, path: Path) -> Approval:
    """An approval of exactly this plan or order; whose it is, is not judged.

    Raises:
        LedgerError: not a sound signed file; names it.
        PlanAltered: signed over other bytes than the file holds.
        ApprovalRefused: more than one signer.
    """
    der = workspace.read(path)
    with naming(str(path)):
        signed = cms.verify(der)
    if signed.content != paper.data:
        raise PlanAltered(
            f"{path}: approves other bytes than {paper.path} holds",
            f"the {paper.kind} was changed after approval, or the approval is of another {paper.kind};"
            " draft and approve anew",
        )
    if len(signed.signers) != 1:
        raise ApprovalRefused(f"{path}: has {len(signed.signers)} signatures; an approval has one")
    return Approval(path, der, signed.signers[0])


def load_approvals(paper: Signable, paths: Iterable[Path]) -> list[Approval]:
    """All approvals of a plan or order, one after the other as given."""
    return [load_approval(paper, path) for path in paths]


def load_ledger(folder: Path, anchor: str | None) -> tuple[dict[str, bytes], LedgerState | None]:
    """The ledger's files and verified state; None while there is no entry.

    Raises:
        LedgerError: the ledger is refused.
        InterruptedRun: it lacks what an interrupted execute has left in the pending folder.
        PlanRefused: there are entries, and no trust anchor to verify them by.
    """
    held = files.read(folder) if folder.is_dir() else {}
    length = chain.length_of(held)
    if length == 0:
        chain.open_annexes(held, None)
        return held, None
    if anchor is None:
        raise PlanRefused("there is a ledger, but no trust anchor to verify it by", "give --anchor or --config")
    try:
        return held, chain.verify(held, anchor)
    except LedgerIncomplete as error:
        if staging.staged(folder, length) is None:
            raise
        raise InterruptedRun(
            f"{error.message}: an execute was interrupted; what it did is safe in {workspace.pending_folder(folder)}",
            "keyceremony resume completes the ledger",
        ) from None


def state_before(paper: Paper, ledger: Path, anchor: str) -> LedgerState | None:
    """The state that a plan went on, if it is in the ledger already; else the present one."""
    held, state = load_ledger(ledger, anchor)
    if state is None or paper.plan.sequence > state.sequence:
        return state
    entry = held[chain.authorization_name(paper.plan.sequence)]
    if chain.open_authorization(entry).plan_bytes != paper.data:
        return state
    entries = chain.verify_entries(held, anchor)
    return entries[paper.plan.sequence - 2].state if paper.plan.sequence > 1 else None


def present_state(paper: Paper, ledger: Path | None, anchor: str | None) -> LedgerState | None:
    """The verified state that a plan is to go on; None for the genesis of an empty ledger.

    Without a folder given, the ledger is the one whose pending folder the plan lies in.

    Raises:
        LedgerError: the ledger is refused.
        WrongAnchor: a genesis plan that is not the pinned one.
        PlanRefused: it cannot be told which ledger is meant.
    """
    folder = ledger or _ledger_around(paper.path)
    if paper.plan.sequence == 1 and anchor is not None and paper.digest != anchor:
        raise WrongAnchor(f"is {paper.digest}; the trust anchor is {anchor}", file=str(paper.path))
    if folder is None:
        if paper.plan.sequence == 1:
            return None
        raise PlanRefused(f"{paper.path}: of which ledger?", "give --ledger and --anchor, or --config")
    return load_ledger(folder, anchor)[1]


def _ledger_around(path: Path) -> Path | None:
    folder = path.absolute().parent
    return folder.parent if folder.name == workspace.PENDING else None


def roster_for(drafted: plan.Plan, state: LedgerState | None) -> Roster:
    """Who decides about a plan: for the genesis those it names itself, else those of the ledger."""
    return quorum.roster_for(drafted, state.roster if state else None)


def roster_if_known(drafted: plan.Plan, state: LedgerState | None) -> Roster | None:
    """The same, or None when the ledger is needed and not at hand."""
    return roster_for(drafted, state) if state is not None or drafted.sequence == 1 else None


def person_in(roster: Roster, person_id: str) -> Person:
    """The person of that id.

    Raises:
        NotInRoster: there is none.
    """
    for person in roster.people:
        if person.id == person_id:
            return person
    known = ", ".join(person.id for person in roster.people)
    raise NotInRoster(f"{person_id} is not in the roster", f"people: {known}")


def owner_of(roster: Roster, der: bytes) -> Person | None:
    """The person whose key a certificate carries, whatever else it says; None for a stranger's."""
    key = certificate.read(der).key_identity
    for person in roster.people:
        if decode_certificate(person.id, person.certificate).key_identity == key:
            return person
    return None


def check_fits(paper: Paper, state: LedgerState | None, now: datetime, arguments: Sequence[str] = ()) -> None:
    """Refuse a plan that could not be carried out now, before anybody signs it.

    ``arguments``: where the ledger is, as typed; for the command in the hint.

    Raises:
        WrongSequence, WrongPrevious, PlanExpired: it is not the next of this ledger, was drafted from
            another head, or is too old.
    """
    drafted, file = paper.plan, str(paper.path)
    again = f"draft it anew on the present head: {shlex.join(renew_command(paper, arguments))}"
    expected = (state.sequence if state else 0) + 1
    if drafted.sequence != expected:
        raise WrongSequence(f"is plan {drafted.sequence}; the ledger's next is {expected}", again, file=file)
    if state is not None and drafted.previous != state.head:
        raise WrongPrevious("was drafted from another head than the ledger's present one", again, file=file)
    if now > plan.lifetime(drafted)[1]:
        raise PlanExpired(f"expired at {drafted.expires}; it is {render_instant(now)}", again, file=file)


def renew_command(paper: Paper, arguments: Sequence[str]) -> list[str]:
    """How a plan that is out of date is drafted anew; a genesis is put away and drafted from its set-up file."""
    if paper.plan.sequence == 1:
        return ["keyceremony", "withdraw", str(paper.path)]
    return ["keyceremony", "renew", str(paper.path), *arguments]
