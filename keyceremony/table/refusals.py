"""Refusals: somebody who decides says no, with a reason, in a signed file that is kept for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.ledger import annexes, canonical, cms, files
from appliance.ledger.annexes import Refusal
from appliance.ledger.errors import LedgerError
from appliance.ledger.roster import Person, Roster
from appliance.ledger.state import LedgerState
from appliance.ledger.text import render_instant
from keyceremony import workspace
from keyceremony.errors import ApprovalRefused, PlanAltered
from keyceremony.table.papers import Paper


@dataclass(frozen=True)
class Refused:
    """A refusal beside a plan: its file, its bytes, what it says."""

    path: Path
    der: bytes
    refusal: Refusal


def sign(paper: Paper, person: Person, signer: cms.Signer, reason: str, *, now: datetime) -> bytes:
    """The refusal's bytes, verified at once.

    Raises:
        Malformed: the reason is not one printable line.
        StrangeSigner: the key is not the person's.
    """
    refusal = Refusal(
        type="kagimori/refusal/v1",
        sequence=paper.plan.sequence,
        plan=paper.digest,
        person=person.id,
        reason=reason,
        at=render_instant(now),
    )
    content = canonical.encode(refusal)
    annexes.parse_refusal(content)
    der = cms.sign(content, signer, now)
    _verify(der, paper, Roster(people=(person,), thresholds={}))
    return der


def load(paper: Paper, path: Path, roster: Roster | None) -> Refused:
    """A refusal of exactly this plan, by somebody of the roster (None: whose it is, is not judged).

    Raises:
        LedgerError: not a refusal, a bad signature, or a stranger's; names the file.
        PlanAltered: of another plan.
    """
    der = workspace.read(path)
    try:
        refusal = _verify(der, paper, roster)
    except LedgerError as error:  # it names the file that it would become in the ledger
        raise type(error)(error.reason, error.hint, file=str(path)) from error
    if refusal.plan != paper.digest:
        raise PlanAltered(f"{path}: refuses another plan than {paper.path} holds", "collect it beside that plan")
    return Refused(path, der, refusal)


def beside(paper: Paper, roster: Roster | None = None) -> list[Refused]:
    """All refusals that lie beside a plan, in the order of their files' names; raises as `load`."""
    return [load(paper, path, roster) for path in workspace.refusal_paths(paper.path, paper.plan.sequence)]


def into_ledger(ledger: Path, paper: Paper, state: LedgerState | None, roster: Roster) -> None:
    """Every refusal beside the plan into the ledger's folder; one that is there already is not put there twice.

    ``state`` is the one before the plan, None at genesis. The files beside the plan stay, to be put away with it.

    Raises:
        LedgerError, PlanAltered: a file that is no refusal of this plan by somebody who decides; nothing is added.
        LedgerExists, LedgerUnreadable: the ledger's folder cannot be written.
    """
    sequence = paper.plan.sequence
    for refused in beside(paper, roster):
        held = files.read(ledger) if ledger.is_dir() else {}
        if refused.der in annexes.of_entry(held, sequence).values():
            continue
        name = annexes.next_name(held, sequence, "refusal")
        annexes.verify(name, refused.der, sequence, state, roster)
        files.add_annex(ledger, name, refused.der)


def _verify(der: bytes, paper: Paper, roster: Roster | None) -> Refusal:
    name = annexes.name_of(paper.plan.sequence, "refusal", 1)
    found = annexes.verify(name, der, paper.plan.sequence, None, roster)
    if not isinstance(found, Refusal):
        raise ApprovalRefused(f"{paper.path}: an attempt is no refusal")
    return found
