"""Drafting a plan anew: the same actions on the ledger's present head, for a plan that was overtaken or has expired."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from appliance.ledger import plan as plans
from appliance.ledger.actions import ChangePolicy, ChangeRoster
from appliance.ledger.chain import Entry
from appliance.ledger.fold import LedgerState
from appliance.ledger.plan import Plan
from keyceremony.errors import RenewalRefused
from keyceremony.plans import drafting
from keyceremony.table.papers import Paper


def renewed(paper: Paper, entries: Sequence[Entry], *, now: datetime) -> Plan:
    """The plan drafted anew; ``entries``: the whole verified ledger.

    Raises:
        RenewalRefused: it is still good, was carried out, is of another ledger, or would undo a change of roster
            or policy that came in between.
        DraftRefused: its actions are not possible any more.
    """
    old, state = paper.plan, entries[-1].state
    created, expires = plans.lifetime(old)
    if (old.sequence, old.previous) == (state.sequence + 1, state.head) and now <= expires:
        raise RenewalRefused(f"{paper.path}: it follows the ledger's head and has not expired", "approve it as it is")
    if any(entry.plan == old for entry in entries):
        raise RenewalRefused(f"{paper.path}: it was carried out already, as entry {old.sequence}", "nothing to renew")
    before = _state_at(paper, entries)
    for action in old.actions:
        if isinstance(action, ChangeRoster) and before.roster != state.roster:
            raise _overtaken(paper, "roster")
        if isinstance(action, ChangePolicy) and before.policy != state.policy:
            raise _overtaken(paper, "policy")
    days = max(1, (expires - created).days)
    return drafting.around(state, old.actions, title=old.title, now=now, valid_days=days)


def _state_at(paper: Paper, entries: Sequence[Entry]) -> LedgerState:
    """The state that the plan was drafted from."""
    for entry in entries:
        if entry.head == paper.plan.previous:
            return entry.state
    raise RenewalRefused(
        f"{paper.path}: the head it follows is in no entry of this ledger", "it is another ledger's plan: withdraw it"
    )


def _overtaken(paper: Paper, what: str) -> RenewalRefused:
    return RenewalRefused(
        f"{paper.path}: the {what} was changed since it was drafted, and it would put back the old one",
        f"withdraw it, and draft the change anew: keyceremony plan {what}",
    )
