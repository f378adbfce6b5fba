"""Random ceremonies, legal and illegal: ledger and model agree after each; the suite's share of them.

Deep runs: ``python -m tests.fuzz --examples 0 --ledgers 1000``.
"""

from __future__ import annotations

from collections import Counter

import pytest
from ledgerkit import OFFICERS, signer

from appliance.ledger import keys, states
from appliance.ledger.actions import Activate, Destroy, Retire, Suspend
from appliance.ledger.states import KeyState, Transition
from tests.fuzz import ledgermachine
from tests.fuzz.ledgermachine import Ledgers

SEED = 20260401
EVERYBODY = [signer(name) for name in (*OFFICERS, "ueda")]


def test_ledger_and_model_agree_whatever_is_tried() -> None:
    """What is drawn for a seed depends on the modules that are loaded, too: so as many seeds as it takes."""
    steps, kinds = 0, Counter[str]()
    for seed in range(SEED, SEED + 12):
        ran = ledgermachine.run(5, seed, steps=8)
        assert ran.finding is None, ran.finding
        steps, kinds = steps + ran.steps, kinds + ran.kinds
        if kinds["carried out"] >= 3 and kinds["entries verified"] >= 10:
            break
    assert steps >= 15
    assert kinds["carried out"] >= 3 and kinds["entries verified"] >= 10, kinds


@pytest.fixture
def under_way() -> Ledgers:
    """A ledger with keys, backup tokens and clones, in the machine."""
    machine = Ledgers()
    machine.begin(name="cloned")
    machine.as_the_model()
    machine.sound()
    return machine


def test_the_machine_takes_what_is_legal_and_refuses_what_is_not(under_way: Ledgers) -> None:
    under_way._try((Suspend(generation="sspin.B.1"),), EVERYBODY, "")
    under_way._try((Activate(generation="sspin.B.1"),), EVERYBODY, "")
    assert [state.sequence for state in under_way.states[-2:]] == [7, 8]
    under_way.as_the_model()
    under_way.teardown()


def test_the_machine_notices_a_key_that_is_destroyed_too_early(
    under_way: Ledgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    wider = Transition(frozenset({KeyState.RETIRED, KeyState.ACTIVE}), KeyState.DESTROYED)
    monkeypatch.setattr(states, "TRANSITIONS", {**states.TRANSITIONS, "destroy": wider})
    with pytest.raises(AssertionError, match="accepted, and should be refused with IllegalAction"):
        under_way._try((Destroy(generation="sspin.B.1"),), EVERYBODY, "")


def test_the_machine_notices_a_parent_that_goes_under_its_children(
    under_way: Ledgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys.KeyBook, "_stands_on", lambda *_: False)
    with pytest.raises(AssertionError, match="accepted, and should be refused with IllegalAction"):
        under_way._try((Suspend(generation="spin.1"), Retire(generation="spin.1")), EVERYBODY, "")


def test_the_machine_notices_a_quorum_that_is_not_counted(under_way: Ledgers, monkeypatch: pytest.MonkeyPatch) -> None:
    from appliance.ledger.quorum import Tally

    monkeypatch.setattr(Tally, "complete", property(lambda _: True))
    with pytest.raises(AssertionError, match="accepted, and should be refused with QuorumShort"):
        under_way._try((Suspend(generation="spin.1"),), EVERYBODY[:1], "QuorumShort")
