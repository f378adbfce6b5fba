"""Making plans: what people will be asked to approve. Pure but for the set-up file and its cards.

What the other modules of drafting (`rotation`, `changes`) find is turned into a plan by `around`.
A plan is legal in the state it was drafted from; `execute` and every later reader check it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from appliance.ledger import canonical
from appliance.ledger import plan as plans
from appliance.ledger.actions import Action, Found, Generate, action_name, subject_of
from appliance.ledger.book import Book
from appliance.ledger.errors import LedgerError
from appliance.ledger.fold import LedgerState
from appliance.ledger.text import render_instant
from appliance.numbers.domains import DomainError, Generation
from keyceremony.errors import DraftRefused
from keyceremony.plans import grammar, setup_file
from keyceremony.plans.evidence import Evidence

NO_EVIDENCE = Evidence()
VALID_DAYS = 7
_LONGEST_VALIDITY = 90


def genesis(setup: Path, *, now: datetime, valid_days: int = VALID_DAYS) -> plans.Plan:
    """The plan that founds a ledger.

    Raises:
        SetupRefused, CardRefused: the set-up file or one of its cards.
        DraftRefused: what it asks for breaks a rule of rosters, domains or policies.
    """
    given = setup_file.load(setup)
    action = setup_file.found(setup, given)
    return founding(action, title=given.title, rehearsal=given.rehearsal, now=now, valid_days=valid_days)


def founding(
    action: Found, *, title: str, now: datetime, rehearsal: bool = False, valid_days: int = VALID_DAYS
) -> plans.Plan:
    """The genesis plan around an action made otherwise than from a set-up file; raises DraftRefused."""
    return _plan(1, plans.NO_PREVIOUS, title, [action], rehearsal=rehearsal, now=now, valid_days=valid_days)


def keys(
    state: LedgerState,
    lines: Iterable[str],
    *,
    title: str,
    now: datetime,
    valid_days: int = VALID_DAYS,
    evidence: Evidence = NO_EVIDENCE,
) -> plans.Plan:
    """A plan of key actions, in the order given, each legal after the ones before it; retirements cite ``evidence``.

    Raises:
        DraftRefused: a line that is no action, or not possible; evidence that does not fit.
    """
    book, made, actions = Book(state), set[Generation](), list[Action]()
    for line in lines:
        action = grammar.parse(line, book, made)
        _carry_out(book, action, repr(line))
        if isinstance(action, Generate):
            made.add(Generation.parse(action.generation))
        actions.append(action)
    if not actions:
        raise DraftRefused("a plan needs at least one action", f"write {grammar.GRAMMAR}")
    return _next(state, evidence.cited(actions, state), title, now, valid_days)


def around(
    state: LedgerState, actions: Sequence[Action], *, title: str, now: datetime, valid_days: int = VALID_DAYS
) -> plans.Plan:
    """A plan of actions made otherwise than from words, each legal after the ones before it.

    Raises:
        DraftRefused: one that is not possible.
    """
    book = Book(state)
    drafted = _next(state, actions, title, now, valid_days)
    for action in actions:
        _carry_out(book, action, f"{action_name(action)} {subject_of(action)}")
    return drafted


def _carry_out(book: Book, action: Action, told: str) -> None:
    try:
        book.carry_out(action)
    except (LedgerError, DomainError) as error:
        reason = error.reason if isinstance(error, LedgerError) else str(error)
        raise DraftRefused(f"{told}: {reason}", "keyceremony status shows keys, people and tokens") from None


def _next(state: LedgerState, actions: Iterable[Action], title: str, now: datetime, valid_days: int) -> plans.Plan:
    return _plan(
        state.sequence + 1, state.head, title, actions, rehearsal=state.rehearsal, now=now, valid_days=valid_days
    )


def _plan(
    sequence: int,
    previous: str,
    title: str,
    actions: Iterable[Action],
    *,
    rehearsal: bool,
    now: datetime,
    valid_days: int,
) -> plans.Plan:
    if not 1 <= valid_days <= _LONGEST_VALIDITY:
        raise DraftRefused(f"a plan is valid for 1 to {_LONGEST_VALIDITY} days, not {valid_days}")
    plan = plans.Plan(
        type="kagimori/plan/v1",
        sequence=sequence,
        previous=previous,
        title=title,
        created=render_instant(now),
        expires=render_instant(now + timedelta(days=valid_days)),
        rehearsal=rehearsal,
        actions=tuple(actions),
    )
    try:
        return plans.parse(canonical.encode(plan))
    except LedgerError as error:
        raise DraftRefused(f"this plan would break a rule: {error.message}", error.hint) from None
