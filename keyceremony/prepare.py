"""Everything that must hold before the token is touched: the plan, its place, its signatures, the quorum, the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.ledger import chain, cms, quorum
from appliance.ledger.actions import Destroy, Found
from appliance.ledger.errors import naming
from appliance.ledger.fold import LedgerState
from keyceremony import papers
from keyceremony.errors import PlanRefused
from keyceremony.papers import Paper


@dataclass(frozen=True)
class Prepared:
    """An approved plan that may be carried out now, with the ledger it goes on."""

    ledger: Path
    anchor: str
    held: Mapping[str, bytes]
    state: LedgerState | None
    paper: Paper
    authorization: bytes

    @property
    def token_label(self) -> str:
        """The label of the token it must be carried out on."""
        first = self.paper.plan.actions[0]
        return first.token_label if isinstance(first, Found) else self._founded.token_label

    @property
    def token_serial(self) -> str:
        """The serial number of that token."""
        first = self.paper.plan.actions[0]
        return first.token_serial if isinstance(first, Found) else self._founded.token_serial

    @property
    def _founded(self) -> LedgerState:
        if self.state is None:
            raise PlanRefused("the ledger is empty: only a genesis plan can be its first")
        return self.state


def prepare(ledger: Path, anchor: str, paper: Paper, approvals: Sequence[Path], *, now: datetime) -> Prepared:
    """Check all there is to check without the token.

    Raises:
        LedgerError: (a subclass) the ledger, an approval, the quorum, or the plan's place or time.
        PlanAltered: an approval is of other bytes than the plan's.
        PlanRefused: an action that this version cannot carry out.
    """
    held, state = papers.load_ledger(ledger, anchor)
    papers.check_fits(paper, state, now)
    authorization = _authorization(paper, state, approvals)
    chain.check_next(state, authorization, anchor, now)
    if any(isinstance(action, Destroy) for action in paper.plan.actions):
        raise PlanRefused(f"{paper.path}: destroying keys comes with a later version")
    return Prepared(ledger, anchor, held, state, paper, authorization)


def _authorization(paper: Paper, state: LedgerState | None, paths: Sequence[Path]) -> bytes:
    """All approvals in one signed file, once each is sound and they suffice."""
    roster = papers.roster_for(paper.plan, state)
    approvals = papers.load_approvals(paper, paths)
    for approval in approvals:
        with naming(str(approval.path)):
            quorum.tally(paper.plan, [approval.signature], roster)
    with naming(str(paper.path)):
        quorum.require(paper.plan, [approval.signature for approval in approvals], roster)
    return cms.merge([approval.der for approval in approvals])
