"""Everything that must hold before a token is touched: the plan, its place, its signatures, the quorum, the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.ledger import chain, cms, quorum
from appliance.ledger import plan as plans
from appliance.ledger.errors import naming
from appliance.ledger.state import LedgerState
from appliance.ledger.text import parse_instant
from keyceremony.act import expected, needs
from keyceremony.act.journal import Journal
from keyceremony.act.needs import Needs
from keyceremony.errors import JournalDamaged
from keyceremony.table import papers, staging
from keyceremony.table.papers import Paper


@dataclass(frozen=True)
class Prepared:
    """An approved plan that may be carried out now, with the ledger it goes on."""

    ledger: Path
    anchor: str
    state: LedgerState | None
    paper: Paper
    authorization: bytes

    @property
    def needs(self) -> Needs:
        """The tokens it takes."""
        return needs.needs(self.paper.plan, self.state)

    @property
    def sequence(self) -> int:
        """The number of the entry it becomes."""
        return self.paper.plan.sequence


def prepare(ledger: Path, anchor: str, paper: Paper, approvals: Sequence[Path], *, now: datetime) -> Prepared:
    """Check all there is to check without a token.

    Raises:
        LedgerError: (a subclass) the ledger, an approval, the quorum, or the plan's place or time.
        PlanAltered: an approval is of other bytes than the plan's.
    """
    _, state = papers.load_ledger(ledger, anchor)
    papers.check_fits(paper, state, now)
    authorization = _authorization(paper, state, approvals)
    chain.check_next(state, authorization, anchor, now)
    return Prepared(ledger, anchor, state, paper, authorization)


def prepare_again(ledger: Path, anchor: str, journal: Journal) -> Prepared:
    """The same for a run that was cut off: its authorization lies beside the journal, and its time was its start.

    Raises:
        LedgerError: (a subclass) as `prepare`.
        JournalDamaged: the authorization is not the one the journal names.
    """
    begin = journal.begin
    _, state = papers.load_ledger(ledger, anchor)
    authorization = staging.authorization(ledger, begin.sequence)
    agreed = chain.open_authorization(authorization)
    if begin.authorization != staging.digest(authorization) or begin.plan != plans.digest(agreed.plan_bytes):
        raise JournalDamaged(f"{journal.path}: it is of another authorization than the one beside it")
    chain.check_next(state, authorization, anchor, parse_instant("started", begin.started))
    _require_harmless(journal, state, needs.needs(agreed.plan, state))
    return Prepared(ledger, anchor, state, Paper(Path(begin.path), agreed.plan_bytes, agreed.plan), authorization)


def _require_harmless(journal: Journal, state: LedgerState | None, tokens: Needs) -> None:
    """A journal must not name what the ledger has had before: undoing the run would remove it."""
    serials = {name.serial for name in tokens.names}
    for made in journal.all_made():
        if made.serial not in serials:
            why = f"names token {made.serial}, which the plan has nothing to do with"
        elif state is not None and made.key_id in expected.held(state, made.serial):
            why = f"says that this run made {made.key_id.hex()}, which the ledger has had before"
        else:
            continue
        raise JournalDamaged(
            f"{journal.path}: {why}", "the journal was changed: do not resume or abort; find out who changed it"
        )


def _authorization(paper: Paper, state: LedgerState | None, paths: Sequence[Path]) -> bytes:
    """All approvals in one signed file, once each is sound and they suffice."""
    roster = papers.roster_for(paper.plan, state)
    approvals = papers.load_approvals(paper, paths)
    for approval in approvals:
        with naming(str(approval.path)):
            quorum.ballot(paper.plan, [approval.signature], roster)
    with naming(str(paper.path)):
        quorum.require(paper.plan, [approval.signature for approval in approvals], roster)
    return cms.merge([approval.der for approval in approvals])
