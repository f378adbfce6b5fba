"""What is rehearsed: the plans of a verified ledger, perhaps one more, and the state that each must lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.ledger import canonical, chain, fold
from appliance.ledger.actions import Found
from appliance.ledger.book import Book
from appliance.ledger.keys import Effect, Moment
from appliance.ledger.plan import Plan
from appliance.ledger.state import LedgerState
from keyceremony.errors import PlanRefused
from keyceremony.rehearsal import compare
from keyceremony.rehearsal.compare import Sight
from keyceremony.table.papers import Paper


@dataclass(frozen=True)
class Scene:
    """One entry of the original: its plan, the plan's bytes, and the state after it."""

    plan: Plan
    data: bytes
    after: Sight


def of_ledger(held: Mapping[str, bytes], anchor: str) -> list[Scene]:
    """Every entry of a ledger, verified.

    Raises:
        LedgerError: (a subclass) the ledger is refused.
    """
    return [
        Scene(entry.plan, canonical.encode(entry.plan), compare.of_book(Book(entry.state)))
        for entry in chain.verify_entries(held, anchor)
    ]


def of_plan(state: LedgerState | None, paper: Paper) -> tuple[Scene, tuple[Effect, ...]]:
    """A plan that may come next, what each of its actions would do, and the state that it must lead to.

    Raises:
        IllegalAction: (or another LedgerError) an action that the state forbids.
    """
    effects = fold.plan_effects(state, paper.plan)
    return Scene(paper.plan, paper.data, _after(state, paper.plan)), effects


def _after(state: LedgerState | None, plan: Plan) -> Sight:
    first = plan.actions[0]
    if isinstance(first, Found):
        return compare.of_found(first)
    if state is None:
        raise PlanRefused("the ledger is empty: only a genesis plan can be its first")
    book = Book(state, Moment(plan.sequence, plan.created))
    for action in plan.actions:
        book.carry_out(action)
    return compare.of_book(book)
