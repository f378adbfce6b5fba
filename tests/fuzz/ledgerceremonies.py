"""Ceremonies on a ledger whose every entry is really signed, tried as people would try them; beside it the small model.

Planned, approved by the right people or by whoever comes along, checked, carried out, verified.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

import ledgerkit
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from ledgerkit import HOUR, MINUTE, NOW, SoftSigner

from appliance.ledger import annexes, chain
from appliance.ledger.actions import Action, ChangeRoster, action_class
from appliance.ledger.errors import LedgerError
from appliance.ledger.plan import Plan
from appliance.ledger.roster import Person, Roster, Threshold
from appliance.ledger.state import LedgerState
from tests.fuzz.ledgermodel import LedgerModel
from tests.fuzz.ledgermoves import PEOPLE, STRANGERS, moves, signer_of

T = TypeVar("T")
PLANNED, LATE = NOW + MINUTE, NOW + 48 * HOUR
STARTS = ("genesis", "three_entries", "backed_up", "cloned")
COUNTS: Counter[str] = Counter()
"""What was tried since the process began, by kind and result."""


@cache
def start(name: str) -> ledgerkit.Book:
    """The ledgers that random ones go on from."""
    if name == "genesis":
        book = ledgerkit.Book()
        book.add([ledgerkit.make_found()])
        return book
    made: ledgerkit.Book = getattr(ledgerkit, name)()
    return made


def model_of(book: ledgerkit.Book) -> LedgerModel:
    """The model of a ledger that was made elsewhere: its plans, carried out again."""
    parents = {spec.name: spec.parent for spec in ledgerkit.make_domains()}
    entries = chain.verify_entries(book.files, book.anchor)
    founded = entries[0].state
    model = LedgerModel(parents, founded.roster, founded.policy, copies_needed=founded.policy.keys.backups)
    for entry in entries[1:]:
        assert model.judge(entry.plan.actions) is None
    return model


def threshold(actions: Iterable[Action], roster: Roster) -> Threshold:
    """How many of each role must agree, by the roster's own table."""
    needed = [roster.thresholds[action_class(action)] for action in actions]  # type: ignore[index]
    return Threshold(officers=max(one.officers for one in needed), oversight=max(one.oversight for one in needed))


def pick(data: st.DataObject, found: Sequence[T]) -> T:
    """One of them, drawn by its place, so that what is printed of a run stays short."""
    return found[data.draw(st.integers(0, len(found) - 1))]


class Ceremonies(RuleBasedStateMachine):
    """One ledger under way. ``files`` is all there is of it, as in a folder."""

    @initialize(name=st.sampled_from(STARTS), data=st.data())
    def begin_anywhere(self, name: str, data: st.DataObject) -> None:
        self.begin(name)
        self.ceremonies(data, 2)

    def begin(self, name: str) -> None:
        book = start(name)
        self.anchor, self.files = book.anchor, dict(book.files)
        self.states: list[LedgerState] = [state for state in book.states if state is not None]
        self.model = model_of(book)
        COUNTS["ledgers"] += 1

    @property
    def state(self) -> LedgerState:
        return self.states[-1]

    # --- ceremonies -------------------------------------------------------------------------------------------------

    @rule(data=st.data(), count=st.integers(2, 6))
    def more_ceremonies(self, data: st.DataObject, count: int) -> None:
        """As a ledger grows."""
        self.ceremonies(data, count)

    def ceremonies(self, data: st.DataObject, count: int) -> None:
        """Some, agreed on by enough people, which may still be forbidden."""
        for _ in range(count):
            actions = self._draw(data)
            self._try(actions, self._enough(data, actions), "")

    @rule(data=st.data())
    def ceremony_of_some(self, data: st.DataObject) -> None:
        """Something approved by whoever comes along."""
        actions = self._draw(data)
        chosen = data.draw(st.lists(st.sampled_from((*PEOPLE, *STRANGERS)), min_size=1, max_size=5))
        self._try(actions, [ledgerkit.signer(name) for name in chosen], self._expected(actions, chosen))

    def _draw(self, data: st.DataObject) -> tuple[Action, ...]:
        """One action, or a few; mostly legal ones if there are any of their kind."""
        count = data.draw(st.sampled_from((1, 1, 1, 1, 2, 3)))
        found: list[Action] = []
        for _ in range(count):
            steps = moves()[data.draw(st.sampled_from(sorted(moves())))]
            if data.draw(st.integers(0, 4)):
                steps = tuple(one for one in steps if self._copy().judge([*found, one]) is None) or steps
            found.append(pick(data, steps))
        return tuple(found)

    def _copy(self) -> LedgerModel:
        return copy.deepcopy(self.model)

    def _enough(self, data: st.DataObject, actions: tuple[Action, ...]) -> list[SoftSigner]:
        """As many as are needed, of the present roster and of a new one."""
        chosen: set[str] = set()
        bodies = [self.state.roster, *(one.roster for one in actions if isinstance(one, ChangeRoster))]
        for body in bodies:
            needed = threshold(actions, body)
            for role, count in (("officer", needed.officers), ("oversight", needed.oversight)):
                people = [one for one in body.people if one.role == role]
                chosen |= {
                    signer_of(people[at].certificate) for at in data.draw(st.permutations(range(len(people))))[:count]
                }
        return [ledgerkit.signer(name) for name in sorted(chosen)]

    def _expected(self, actions: tuple[Action, ...], chosen: list[str]) -> str:
        """Why these people are not those who may decide; empty: they are."""
        bodies = [self.state.roster, *(one.roster for one in actions if isinstance(one, ChangeRoster))]
        seated = [{signer_of(one.certificate): one for one in body.people} for body in bodies]
        if any(not any(name in body for body in seated) for name in chosen):
            return "StrangeSigner"
        if len(set(chosen)) < len(chosen):
            return "ApprovedTwice"
        short = [
            self._short(body, threshold(actions, whole), chosen) for body, whole in zip(seated, bodies, strict=True)
        ]
        return "QuorumShort" if any(short) else ""

    def _short(self, body: dict[str, Person], needed: Threshold, chosen: list[str]) -> bool:
        roles = Counter(body[name].role for name in chosen if name in body)
        return roles["officer"] < needed.officers or roles["oversight"] < needed.oversight

    def _try(self, actions: tuple[Action, ...], signers: list[SoftSigner], who: str) -> None:
        """Plan, approve, check, carry out, verify; refused as the people or the model say, or one entry more."""
        tried = self._copy()
        wrong = tried.judge(actions)
        expected = "MalformedPlan" if wrong == "MalformedPlan" else who or wrong
        plan = ledgerkit.make_plan(actions, state=self.state)
        authorization = ledgerkit.approve(plan, signers)
        if expected == "KeyReused":  # it can be planned; the token's answer is what may not be
            chain.check_next(self.state, authorization, self.anchor, NOW + 2 * MINUTE)
        elif expected:
            self._refused(expected, lambda: chain.check_next(self.state, authorization, self.anchor, NOW + 2 * MINUTE))
        else:
            assert chain.check_next(self.state, authorization, self.anchor, NOW + 2 * MINUTE) == plan
        self._carry_out(plan, authorization, expected)
        if not expected:
            self.model = tried
        COUNTS[expected or "carried out"] += 1

    def _carry_out(self, plan: Plan, authorization: bytes, expected: str | None) -> None:
        """What a token would report, signed; an outcome of what may not be is refused as well."""
        beside = annexes.of_entry(self.files, plan.sequence)
        try:
            told = ledgerkit.results_for(self.state, plan)
        except (LedgerError, KeyError):  # the kit's token knows nothing of what is named
            assert expected, "the token could not do what is legal"
            return
        made = ledgerkit.make_outcome(
            plan, authorization, told, token=ledgerkit.worked_on(self.state, plan), annexes=annexes.digests(beside)
        )
        outcome = ledgerkit.seal(made, ledgerkit.sealer(self.state, plan))
        if expected:
            verify = lambda: chain.verify_entry(self.state, authorization, outcome, self.anchor, beside)  # noqa: E731
            self._refused(expected, verify)
            return
        entry = chain.verify_entry(self.state, authorization, outcome, self.anchor, beside)
        self.files[chain.authorization_name(plan.sequence)] = authorization
        self.files[chain.outcome_name(plan.sequence)] = outcome
        self.states.append(entry.state)

    def _refused(self, expected: str, attempt: Any) -> None:
        try:
            attempt()
        except LedgerError as error:
            assert type(error).__name__ == expected, f"{type(error).__name__} instead of {expected}: {error.message}"
            assert "\n" not in error.message
        else:
            raise AssertionError(f"accepted, and should be refused with {expected}")
