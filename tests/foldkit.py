"""Trying one entry more on a state, for tests: what it gives, and with which words it is refused."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from ledgerkit import make_outcome, make_plan, results_for, worked_on

from appliance.ledger import fold
from appliance.ledger.actions import Action
from appliance.ledger.errors import LedgerError
from appliance.ledger.fold import Effect, LedgerState
from appliance.ledger.outcome import ActionResult

HEAD = "ab" * 32


def applied(
    state: LedgerState | None,
    actions: Iterable[Action],
    results: Iterable[ActionResult] | None = None,
    **outcome: object,
) -> LedgerState:
    """The state after one entry more, with these results or with those that a token would report."""
    plan = make_plan(actions, state=state)
    told = results_for(state, plan) if results is None else results
    fields = {"token": worked_on(state, plan), **outcome}
    return fold.apply(state, plan, make_outcome(plan, b"", told, **fields), HEAD, "cd" * 32)


def refused(error: type[LedgerError], state: LedgerState | None, actions: Iterable[Action], results: object) -> str:
    """Why these results of the actions are refused."""
    with pytest.raises(error) as refusal:
        applied(state, actions, results)  # type: ignore[arg-type]
    return refusal.value.reason


def effects(state: LedgerState, *actions: Action) -> tuple[Effect, ...]:
    """What the actions would do."""
    return fold.plan_effects(state, make_plan(actions, state=state))


def forbidden(error: type[LedgerError], state: LedgerState, *actions: Action) -> str:
    """Why the actions are refused before anything is done."""
    with pytest.raises(error) as refusal:
        effects(state, *actions)
    return refusal.value.reason


def altered(state: LedgerState, action: Action, **changes: object) -> list[ActionResult]:
    """The result of one action, with some fields changed from what they should be."""
    (result,) = results_for(state, make_plan([action], state=state))
    return [msgspec.structs.replace(result, **changes)]
