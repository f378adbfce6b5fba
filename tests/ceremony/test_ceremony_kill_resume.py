"""SIGKILL at every step of the journal, of every action, then resume: the ledger holds, and so do all tokens."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import ceremonykit as kit
import pytest
from ceremonykit import PEOPLE, Stage
from killkit import Stages, agree, carried_out, nothing_waits
from livingkit import strange, where
from scenarios import SCENARIOS, Scenario

from appliance.ledger.actions import Action, action_name
from appliance.ledger.chain import verify_entries
from appliance.ledger.files import read


def test_every_action_is_in_a_scenario(living_stage: Stage) -> None:
    there = {action_name(action) for scenario in SCENARIOS for action in scenario.actions(living_stage)}
    assert there | {"found"} == {str(kind.__struct_config__.tag) for kind in get_args(Action)}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_anywhere_and_resumed(scenario: Scenario, stages: Stages, quick_path: Path) -> None:
    agreed = agree(scenario, stages.of(scenario), quick_path)
    length = len(verify_entries(read(agreed.stage.ledger), agreed.stage.anchor))
    for broken, place in agreed.killed(quick_path):
        told = broken.run("resume", *where(broken))
        if place == (1, "before"):
            assert (told.code, told.error) == (1, "NothingToResume")
            told = broken.run(*agreed.command)
        assert told.code == 0, (place, told.err)
        assert len(verify_entries(read(broken.ledger), broken.anchor)) == length + 1
        assert strange(broken, scenario.label) == [], place
        nothing_waits(broken)


def test_a_genesis_killed_anywhere_is_resumed(quick_path: Path) -> None:
    stage = kit.soft_enrolled(kit.bare(quick_path / "bare", [kit.APPLIANCE]))
    plan = kit.drafted(stage)
    stage.approve(plan, *PEOPLE)
    command = ["execute", str(plan), "--config", "kagimori.toml"]
    for broken, place in carried_out(SCENARIOS[0], stage, command, quick_path).killed(quick_path):
        if place == (1, "before"):
            continue
        resumed = broken.run("resume", "--config", "kagimori.toml")
        assert resumed.code == 0, (place, resumed.err)
        assert broken.state().sequence == 1
        told = broken.must("status", "--config", "kagimori.toml", "--token", kit.APPLIANCE)
        assert "holds every key of the ledger, and no other" in told
        nothing_waits(broken)
