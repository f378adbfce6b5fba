"""SIGKILL at every step of the journal, of every action, then abort: all is as before, and a signed record is left."""

from __future__ import annotations

from pathlib import Path

import ceremonykit as kit
import livingkit
import pytest
from ceremonykit import PEOPLE, Done, Stage
from killkit import Agreed, Stages, agree, carried_out, nothing_waits
from livingkit import strange, where
from scenarios import SCENARIOS, Scenario

from appliance.ledger import chain
from appliance.ledger.annexes import Attempt
from appliance.ledger.chain import verify_entries
from appliance.ledger.files import read
from keyceremony.act.journal import Journal


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_anywhere_and_aborted(scenario: Scenario, stages: Stages, quick_path: Path) -> None:
    agreed = agree(scenario, stages.of(scenario), quick_path)
    before = livingkit.objects(agreed.stage, scenario.touches)
    undone = 0
    for broken, place in agreed.killed(quick_path):
        past = _past_return(broken)
        aborted = broken.run("abort", "--reason", "the power went", *where(broken))
        if past:
            _can_only_be_completed(broken, aborted, scenario)
            continue
        if place == (1, "before"):
            assert (aborted.code, aborted.error) == (1, "NothingToResume")
            continue
        undone += 1
        assert aborted.code == 0, (place, aborted.err)
        _is_as_before(broken, agreed)
        assert livingkit.objects(broken, scenario.touches) == before, place
        if place[0] % 5 == 0:
            _can_be_executed_again(broken, agreed)
    assert undone


def _past_return(stage: Stage) -> bool:
    journal = sorted((stage.ledger / "pending").glob("*.journal.jsonl"))
    return bool(journal) and Journal.open(journal[0]).irreversible


def _can_only_be_completed(stage: Stage, aborted: Done, scenario: Scenario) -> None:
    assert (aborted.code, aborted.error) == (1, "PastReturn")
    assert aborted.message == "keys have been destroyed in this run already: it can only be completed"
    assert aborted.hint == "keyceremony resume completes it"
    assert {status for status, _, _ in strange(stage)} <= {"missing", "unknown"}, "the inventory names what is gone"
    resumed = stage.run("resume", *where(stage))
    assert resumed.code == 0, resumed.err
    assert strange(stage, scenario.label) == []
    nothing_waits(stage)


def _is_as_before(stage: Stage, agreed: Agreed) -> None:
    assert len(verify_entries(read(stage.ledger), stage.anchor)) == agreed.stage.state().sequence
    (record,) = chain.open_annexes(read(stage.ledger), stage.state()).values()
    assert isinstance(record, Attempt)
    assert (record.ended_by, record.reason, record.operator) == ("abort", "the power went", "operator")
    assert strange(stage, kit.APPLIANCE) == []
    nothing_waits(stage, plan=True)


def _can_be_executed_again(stage: Stage, agreed: Agreed) -> None:
    again = stage.run(*agreed.command)
    assert again.code == 0, again.err
    newest = verify_entries(read(stage.ledger), stage.anchor)[-1]
    assert [type(annex) for annex in newest.annexes.values()] == [Attempt], "the outcome covers the record"


def test_a_genesis_killed_anywhere_is_undone(quick_path: Path) -> None:
    stage = kit.soft_enrolled(kit.bare(quick_path / "bare", [kit.APPLIANCE]))
    plan = kit.drafted(stage)
    stage.approve(plan, *PEOPLE)
    command = ["execute", str(plan), "--config", "kagimori.toml"]
    empty = stage.objects()
    for broken, place in carried_out(SCENARIOS[0], stage, command, quick_path).killed(quick_path):
        if place == (1, "before"):
            continue
        aborted = broken.run("abort", "--reason", "not today", "--config", "kagimori.toml")
        assert aborted.code == 0, (place, aborted.err)
        assert broken.objects() == empty
        again = broken.run(*command)
        assert again.code == 0, again.err
        (entry,) = verify_entries(read(broken.ledger), broken.anchor)
        assert [type(annex) for annex in entry.annexes.values()] == [Attempt]


def test_an_abort_that_is_killed_itself_is_done_again(guarded_stage: Stage, quick_path: Path) -> None:
    """The record is signed once more; what was made is gone either way."""
    scenario = next(one for one in SCENARIOS if one.name == "restore")
    agreed = agree(scenario, guarded_stage, quick_path)
    before = livingkit.objects(agreed.stage, scenario.touches)
    half = agreed.stage.copy(quick_path / "half")
    assert half.run(*agreed.command, kill=(12, "after")).code == -9
    command = ["abort", "--reason", "first", *where(half)]
    lines = half.copy(quick_path / "counted").run(*command).lines
    assert lines >= 1
    for number in range(1, lines + 1):
        for when in ("before", "after"):
            broken = half.copy(quick_path / f"{number}-{when}-again")
            assert broken.run(*command, kill=(number, when)).code == -9
            again = broken.run("abort", "--reason", "second", *where(broken))
            assert again.code == 0, again.err
            assert livingkit.objects(broken, scenario.touches) == before
            assert chain.open_annexes(read(broken.ledger), broken.state())
            nothing_waits(broken, plan=True)
